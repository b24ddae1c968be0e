//! Polar: how a checkout begins, how a delivery is verified, what its API lists; [`bodies`] reads what it writes. Facts
//! and their sources: polar.sh/docs (checkout sessions, checkout links, webhooks) and the code of polarsource/polar.
//!
//! Two ways to begin: `api` makes a checkout that carries the metadata; `link` is a checkout link, of whose query Polar
//! keeps one field of ours, `reference_id`: the three ids go into it together. Two generations of secrets: those that were
//! made before 2026-09-08 or chosen by the merchant sign with the bytes of the whole text, those that Polar has made
//! since with the bytes that stand in base64 behind the prefix. A secret does not tell its age, so that both are tried.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;

use super::signature::{Key, Rejection, standard_webhooks};
use super::{
    Begun, Carried, Checkout, DECIDED_WITHIN, Fact, ListError, Notice, Provider, SETTLES_WITHIN,
    WITHOUT_DISPUTES, in_api, origins, packed,
};
use crate::domain::Millis;

mod bodies;

/// A buyer does not wait longer than this for Polar's API; the link takes over.
const API_DEADLINE: Duration = Duration::from_secs(3);

/// Items on one page of a list, and pages that a list may have: more is a list without an end.
const PAGE: &str = "100";
const PAGES: usize = 1000;

/// The version of the API that is spoken.
const VERSION: &str = "2026-10";

/// Origins that Polar's checkout redirects through.
const ORIGINS: &[&str] = &["https://polar.sh", "https://*.polar.sh"];

/// What stands before the random part of a secret that Polar made.
const PREFIXES: &[&str] = &["whsec_", "polar_whs_"];

/// How Polar is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The product's checkout link; the buy button needs it.
    pub checkout_url: Option<Url>,
    /// `api` mode, when there is a key.
    pub api: Option<Api>,
    /// What deliveries may be signed with.
    pub webhook_keys: Vec<Key>,
}

/// What `api` mode needs.
#[derive(Clone, Debug)]
pub struct Api {
    /// Base of the API, `https://api.polar.sh/v1`.
    pub url: Url,
    /// The organization's access token.
    pub key: SecretString,
    /// The product to sell; without it buyers go by the link.
    pub product_id: Option<String>,
}

/// Its name in routes, settings and the ledger.
pub const NAME: &str = "polar";

/// The keys that a secret may stand for.
pub fn keys(secret: &str) -> Vec<Key> {
    let encoded = PREFIXES.iter().filter_map(|prefix| Key::encoded(secret, prefix));
    std::iter::once(Key::raw(secret)).chain(encoded).collect()
}

/// Polar as a provider.
pub struct Polar {
    settings: Settings,
    http: reqwest::Client,
}

impl Polar {
    /// Needs an HTTP client that follows no redirects.
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }

    /// Makes a checkout. Polar knows no idempotency key: a click that is sent twice makes two checkouts with the same
    /// metadata, of which the buyer sees the last, and each payment counts by its own order. The buyer's address picks
    /// currency and taxes; a customer is never named, as that would lock the e-mail field.
    async fn make(&self, api: &Api, product_id: &str, checkout: &Checkout) -> Result<Url, BeginError> {
        let metadata: Map<String, Value> =
            checkout.metadata().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let mut body = json!({
            "products": [product_id], "metadata": metadata, "success_url": checkout.return_url.as_str(),
            "return_url": checkout.front_page().as_str(),
        });
        if let Some(ip) = checkout.ip {
            body["customer_ip_address"] = ip.to_string().into();
        }
        let request = self.http.post(in_api(&api.url, "checkouts/")).bearer_auth(api.key.expose_secret());
        let request = request.header("polar-version", VERSION).json(&body);
        let Made { url } = request.timeout(API_DEADLINE).send().await?.error_for_status()?.json().await?;
        if matches!(url.scheme(), "https" | "http") { Ok(url) } else { Err(BeginError::BadUrl) }
    }

    /// Every page of a list, newest first, until the items are older than `since`. An item that can't be read is left
    /// out: the others still count.
    async fn all(
        &self,
        api: &Api,
        what: &str,
        since: Millis,
        read: impl Fn(&str) -> Result<Vec<Fact>, String>,
    ) -> Result<Vec<Fact>, ListError> {
        let created_after = Timestamp::from_millisecond(since).unwrap_or_default().to_string();
        let mut facts = Vec::new();
        for number in 1..=PAGES {
            let mut url = in_api(&api.url, &format!("{what}/"));
            url.query_pairs_mut()
                .append_pair("page", &number.to_string())
                .append_pair("limit", PAGE)
                .append_pair("sorting", "-created_at")
                .append_pair("created_after", &created_after);
            let request =
                self.http.get(url).bearer_auth(api.key.expose_secret()).header("polar-version", VERSION);
            let answer = request.send().await?;
            if what == "disputes" && WITHOUT_DISPUTES.contains(&answer.status()) {
                tracing::debug!(status = %answer.status(), "Polar lists no disputes to us");
                return Ok(facts);
            }
            let answer = answer.error_for_status()?.bytes().await?;
            let page: Page<'_> = serde_json::from_slice(&answer)
                .map_err(|error| ListError::Unreadable(format!("{what}: {error}")))?;
            let mut past = page.items.is_empty() || number >= page.pagination.max_page;
            for item in page.items {
                past |= bodies::created_at(item.get()).is_some_and(|at| at < since);
                match read(item.get()) {
                    Ok(read) => facts.extend(read),
                    Err(why) => tracing::warn!(what, why, "an item of Polar's list can't be read"),
                }
            }
            if past {
                return Ok(facts);
            }
        }
        Err(ListError::Unreadable(format!("{what}: the list has no end")))
    }

    fn configured(&self) -> [Option<&Url>; 2] {
        [self.settings.checkout_url.as_ref(), self.settings.api.as_ref().map(|api| &api.url)]
    }

    /// Polar's sandbox is another host with accounts of its own; nothing in a delivery tells it.
    fn is_sandbox(&self) -> bool {
        let mut hosts = self.configured().into_iter().flatten().filter_map(Url::host_str);
        hosts.any(|host| host.ends_with(".polar.sh") && host.contains("sandbox"))
    }
}

#[derive(Deserialize)]
struct Made {
    url: Url,
}

#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("Polar answered with a url that is not a web address")]
    BadUrl,
}

#[async_trait]
impl Provider for Polar {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn begin(&self, checkout: &Checkout) -> Begun {
        let api = self.settings.api.as_ref();
        let Some((api, product_id)) = api.and_then(|api| Some((api, api.product_id.as_ref()?))) else {
            return Begun { url: self.by_link(checkout), carried: Carried::Link };
        };
        match self.make(api, product_id, checkout).await {
            Ok(url) => Begun { url, carried: Carried::Api },
            Err(error) => {
                tracing::warn!(%error, session_id = checkout.session_id, "Polar's API failed; the buyer goes by the link");
                Begun { url: self.by_link(checkout), carried: Carried::Fallback }
            }
        }
    }

    /// The checkout link with the ids in the one field that Polar keeps.
    fn link(&self, checkout: &Checkout) -> Option<Url> {
        let mut url = self.settings.checkout_url.clone()?;
        url.query_pairs_mut().append_pair("reference_id", &packed::pack(checkout));
        Some(url)
    }

    fn redirect_origins(&self) -> Vec<String> {
        origins(ORIGINS, self.configured())
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Millis) -> Result<Option<String>, Rejection> {
        standard_webhooks(headers, body, &self.settings.webhook_keys, now).map(Some)
    }

    fn headers(&self) -> &'static [&'static str] {
        &["webhook-id", "webhook-timestamp", "webhook-signature"]
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Notice {
        bodies::read(body, self.is_sandbox())
    }

    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError> {
        let api = self.settings.api.as_ref().ok_or(ListError::NoKey("POLAR_API_KEY"))?;
        let settling = since.saturating_sub(SETTLES_WITHIN);
        let test = self.is_sandbox();
        let mut facts = self.all(api, "orders", settling, |item| bodies::listed_order(item, test)).await?;
        facts.append(&mut self.all(api, "refunds", settling, bodies::listed_refund).await?);
        let deciding = since.saturating_sub(DECIDED_WITHIN);
        facts.append(&mut self.all(api, "disputes", deciding, bodies::listed_dispute).await?);
        Ok(facts)
    }
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    pagination: Pagination,
}

#[derive(Deserialize)]
struct Pagination {
    max_page: usize,
}
