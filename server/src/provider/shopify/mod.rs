//! Shopify: how a checkout begins, how a delivery is verified, what its Admin API lists; [`bodies`] reads what it writes.
//! Facts and their sources: shopify.dev (cart permalinks, verify deliveries, REST pagination), Shopify/shopify-app-js.
//!
//! One way to begin: a cart permalink, whose `attributes[…]` come back as the order's `note_attributes`. Shopify's checkout
//! ends on a page of its own, so that the buyer may not come back. What was delivered stands in headers that are not
//! signed: a topic only says how to look at the body, which must have the form of that topic.

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::signature::{Key, Rejection, base64_of_body};
use super::{
    Begun, Carried, Checkout, DECIDED_WITHIN, Fact, ListError, Notice, Provider, WITHOUT_DISPUTES, in_api,
    origins,
};
use crate::domain::Millis;
use crate::domain::commit::Digest;

mod bodies;

/// The version of the Admin API that is spoken.
pub const API_VERSION: &str = "2026-10";

/// Items on one page of a list, and pages that a list may have: more is a list without an end.
const PAGE: &str = "250";
const PAGES: usize = 1000;

/// The lists.
const ORDERS: &str = "orders.json";
const DISPUTES: &str = "shopify_payments/disputes.json";

/// The header with the access token.
const TOKEN: &str = "x-shopify-access-token";

/// What is read of an order: the rest (addresses, articles) is not asked for.
const FIELDS: &str = "id,financial_status,total_price,currency,note_attributes,processed_at,created_at,source_name,test,refunds";

/// Origins that Shopify's checkout redirects through, besides the shop's own.
const ORIGINS: &[&str] = &["https://*.myshopify.com", "https://checkout.shopify.com", "https://shop.app"];

/// Its name in routes, settings and the ledger.
pub const NAME: &str = "shopify";

/// How Shopify is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cart permalink, `https://shop.myshopify.com/cart/VARIANT:1`; the buy button needs it.
    pub checkout_url: Option<Url>,
    /// The shop's own domain, `shop.myshopify.com`: deliveries of other shops are none of ours.
    pub shop: Option<String>,
    /// To ask for what no delivery brought.
    pub api: Option<Api>,
    /// Webhook secrets: the app's, the shop's, the older of either while rotating.
    pub webhook_keys: Vec<Key>,
}

/// What the Admin API needs.
#[derive(Clone, Debug)]
pub struct Api {
    /// Base of the API, `https://shop.myshopify.com/admin/api/2026-10`.
    pub url: Url,
    /// What opens it.
    pub access: Access,
}

/// How the Admin API is opened.
#[derive(Clone, Debug)]
pub enum Access {
    /// An access token that does not expire; only apps from before 2026 have one.
    Token(SecretString),
    /// An app of the Dev Dashboard is given a token for a day when it asks.
    App {
        /// Its client id.
        client_id: String,
        /// Its client secret.
        secret: SecretString,
    },
}

/// Shopify as a provider.
pub struct Shopify {
    settings: Settings,
    http: reqwest::Client,
}

impl Shopify {
    /// Needs an HTTP client that follows no redirects.
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }

    /// Every page of a list, by the links in its headers, until a dispute is older than `since`. An item that can't be
    /// read is left out: the others still count.
    async fn all(
        &self,
        (api, token): (&Api, &HeaderValue),
        what: &str,
        query: &[(&str, &str)],
        since: Millis,
        read: fn(&str) -> Result<Vec<Fact>, String>,
    ) -> Result<Vec<Fact>, ListError> {
        let mut facts = Vec::new();
        let mut first = in_api(&api.url, what);
        first.query_pairs_mut().extend_pairs(query);
        let mut next = Some(first);
        for _ in 0..PAGES {
            let Some(url) = next else { return Ok(facts) };
            let answer = self.http.get(url).header(TOKEN, token).send().await?;
            if what == DISPUTES && WITHOUT_DISPUTES.contains(&answer.status()) {
                tracing::debug!(status = %answer.status(), "Shopify lists no disputes to us");
                return Ok(facts);
            }
            let answer = answer.error_for_status()?;
            next = api.following(answer.headers())?;
            let bytes = answer.bytes().await?;
            let page: Page<'_> = serde_json::from_slice(&bytes)
                .map_err(|error| ListError::Unreadable(format!("{what}: {error}")))?;
            for item in page.items {
                if bodies::initiated_at(item.get()).is_some_and(|at| at < since) {
                    next = None;
                }
                match read(item.get()) {
                    Ok(read) => facts.extend(read),
                    Err(why) => tracing::warn!(what, why, "an item of Shopify's list can't be read"),
                }
            }
        }
        Err(ListError::Unreadable(format!("{what}: the list has no end")))
    }
}

impl Api {
    /// A request that changes nothing and tells whether we may ask: for one order, or for the app's token.
    pub fn probe(&self, http: &reqwest::Client) -> reqwest::RequestBuilder {
        match &self.access {
            Access::Token(token) => {
                let mut url = in_api(&self.url, ORDERS);
                url.query_pairs_mut().append_pair("limit", "1").append_pair("fields", "id");
                http.get(url).header(TOKEN, token.expose_secret())
            }
            Access::App { client_id, secret } => self.grant(http, client_id, secret),
        }
    }

    fn grant(
        &self,
        http: &reqwest::Client,
        client_id: &str,
        secret: &SecretString,
    ) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_path("/admin/oauth/access_token");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", secret.expose_secret()),
        ];
        http.post(url).form(&form)
    }

    /// The access token, as a header that no log shows.
    async fn token(&self, http: &reqwest::Client) -> Result<HeaderValue, ListError> {
        let token = match &self.access {
            Access::Token(token) => token.clone(),
            Access::App { client_id, secret } => {
                let answer = self.grant(http, client_id, secret).send().await?.error_for_status()?;
                answer.json::<Granted>().await?.access_token.into()
            }
        };
        let mut token = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| ListError::Unreadable("the access token is none".to_owned()))?;
        token.set_sensitive(true);
        Ok(token)
    }

    /// The next page's address. The token goes to nobody but the API that was configured.
    fn following(&self, headers: &HeaderMap) -> Result<Option<Url>, ListError> {
        let links = text(headers, header::LINK.as_str()).unwrap_or_default();
        let mut links = links.split(',').filter_map(|link| link.trim().strip_prefix('<')?.split_once('>'));
        let Some((address, _)) = links.find(|(_, relation)| relation.contains("next")) else {
            return Ok(None);
        };
        let url = Url::parse(address).ok().filter(|url| url.origin() == self.url.origin());
        url.map(Some).ok_or_else(|| ListError::Unreadable("the next page is elsewhere".to_owned()))
    }
}

/// A header's text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A text that was not signed, as far as it can be an id or a topic.
fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    let sound = |word: &&str| {
        (1..=100).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte))
    };
    text(headers, name).filter(sound).map(str::to_owned)
}

#[async_trait]
impl Provider for Shopify {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn begin(&self, checkout: &Checkout) -> Begun {
        Begun { url: self.by_link(checkout), carried: Carried::Link }
    }

    fn link(&self, checkout: &Checkout) -> Option<Url> {
        let mut url = self.settings.checkout_url.clone()?;
        for (key, value) in checkout.metadata() {
            url.query_pairs_mut().append_pair(&format!("attributes[{key}]"), &value);
        }
        Some(url)
    }

    fn redirect_origins(&self) -> Vec<String> {
        origins(ORIGINS, [self.settings.checkout_url.as_ref()])
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], _: Millis) -> Result<Option<String>, Rejection> {
        base64_of_body(headers, "x-shopify-hmac-sha256", body, &self.settings.webhook_keys)?;
        Ok(word(headers, "x-shopify-webhook-id"))
    }

    fn headers(&self) -> &'static [&'static str] {
        &["x-shopify-hmac-sha256", "x-shopify-webhook-id", "x-shopify-topic", "x-shopify-shop-domain"]
    }

    /// A delivery that does not say which shop it comes from does not come from ours.
    fn foreign_account(&self, headers: &HeaderMap, _: &[u8]) -> Option<String> {
        let own = self.settings.shop.as_deref()?;
        let from = text(headers, "x-shopify-shop-domain").unwrap_or_default();
        (!from.eq_ignore_ascii_case(own)).then(|| from.chars().take(100).collect())
    }

    /// An order is told of under several topics, each time in the same words.
    fn digest(&self, headers: &HeaderMap, body: &[u8]) -> Digest {
        let topic = word(headers, "x-shopify-topic").unwrap_or_default();
        Sha256::new().chain_update(topic).chain_update([0]).chain_update(body).finalize().into()
    }

    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Notice {
        let event_type = word(headers, "x-shopify-topic").unwrap_or_default();
        let facts = bodies::read(&event_type, body);
        Notice { message_id: None, event_type, facts }
    }

    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError> {
        let api = self.settings.api.as_ref().ok_or(ListError::NoKey("SHOPIFY_API_KEY"))?;
        let token = api.token(&self.http).await?;
        let api = (api, &token);
        let updated_at_min = Timestamp::from_millisecond(since).unwrap_or_default().to_string();
        let orders =
            [("status", "any"), ("updated_at_min", &updated_at_min), ("limit", PAGE), ("fields", FIELDS)];
        let mut facts = self.all(api, ORDERS, &orders, since, bodies::listed_order).await?;
        let begun = since.saturating_sub(DECIDED_WITHIN);
        facts.append(&mut self.all(api, DISPUTES, &[], begun, bodies::listed_dispute).await?);
        Ok(facts)
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, alias = "orders", alias = "disputes")]
    items: Vec<&'a RawValue>,
}
