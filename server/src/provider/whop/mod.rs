//! Whop: how a checkout begins, how a delivery is verified, what its API lists; [`bodies`] reads what it writes. Facts
//! and their sources: docs.whop.com/developer/guides/webhooks, the official TypeScript SDK's types.
//!
//! Two ways to begin: `api` creates a checkout configuration that carries the metadata (the only way Whop documents),
//! `link` puts it into the checkout link's query as the seed does. Two ways to sign: Standard Webhooks (made in the
//! dashboard) and `x-whop-signature` (made through the API); both keyed with the bytes of the whole `ws_…` secret.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::signature::{Key, Rejection, standard_webhooks, timestamped_hex};
use super::{
    Begun, Carried, Checkout, DECIDED_WITHIN, Fact, ListError, Notice, Provider, SETTLES_WITHIN,
    WITHOUT_DISPUTES, in_api, origins,
};
use crate::domain::Millis;
use bodies::{listed_dispute, listed_payment, listed_refund};

mod bodies;

/// Its name in routes, settings and the ledger.
pub const NAME: &str = "whop";

/// A buyer does not wait longer than this for Whop's API; the link takes over.
const API_DEADLINE: Duration = Duration::from_secs(3);

/// Items on one page of a list, and pages that a list may have: more is a list without an end.
const PAGE: &str = "100";
const PAGES: usize = 1000;

/// The list that a key may not see though it sees the others.
const DISPUTES: &str = "disputes";

/// Origins that Whop's checkout redirects through.
const ORIGINS: &[&str] = &["https://whop.com", "https://*.whop.com"];

/// How Whop is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plan's checkout link.
    pub checkout_url: Url,
    /// `api` mode, when there is a key.
    pub api: Option<Api>,
    /// Webhook secrets, several while rotating.
    pub webhook_keys: Vec<Key>,
    /// The company whose deliveries count and whose payments are listed; without one, whatever is signed counts.
    pub company_id: Option<String>,
}

/// What `api` mode needs.
#[derive(Clone, Debug)]
pub struct Api {
    /// Base of the API, `https://api.whop.com/api/v1`.
    pub url: Url,
    /// The company's key.
    pub key: SecretString,
    /// The plan to sell.
    pub plan_id: String,
}

/// Whop as a provider.
pub struct Whop {
    settings: Settings,
    http: reqwest::Client,
}

impl Whop {
    /// Needs an HTTP client that follows no redirects.
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }

    /// Creates a checkout configuration. The same click gets the same one.
    async fn configure(&self, api: &Api, checkout: &Checkout) -> Result<Url, BeginError> {
        let metadata: serde_json::Map<String, Value> = checkout
            .metadata()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::String(value)))
            .collect();
        let body = serde_json::json!({
            "plan_id": api.plan_id, "mode": "payment", "metadata": metadata, "redirect_url": checkout.return_url.as_str(),
        });
        let answer = self
            .http
            .post(in_api(&api.url, "checkout_configurations"))
            .bearer_auth(api.key.expose_secret())
            .header("idempotency-key", checkout.idempotency_key())
            .json(&body)
            .timeout(API_DEADLINE)
            .send()
            .await?
            .error_for_status()?;
        let Configuration { purchase_url } = answer.json().await?;
        if matches!(purchase_url.scheme(), "https" | "http") {
            Ok(purchase_url)
        } else {
            Err(BeginError::BadUrl)
        }
    }

    /// Every page of a list. An item that can't be read is left out: the others still count.
    async fn all(
        &self,
        api: &Api,
        what: &str,
        query: &[(&str, &str)],
        read: fn(&str) -> Result<Option<Fact>, String>,
    ) -> Result<Vec<Fact>, ListError> {
        let mut facts = Vec::new();
        let mut after = None;
        for _ in 0..PAGES {
            let mut url = in_api(&api.url, what);
            url.query_pairs_mut()
                .extend_pairs(query)
                .append_pair("first", PAGE)
                .extend_pairs(after.map(|cursor| ("after", cursor)));
            let request = self.http.get(url).bearer_auth(api.key.expose_secret());
            let answer = request.send().await?;
            if what == DISPUTES && WITHOUT_DISPUTES.contains(&answer.status()) {
                tracing::warn!(status = %answer.status(), "Whop lists no disputes to us; docs/providers.md names the permissions");
                return Ok(facts);
            }
            let page = answer.error_for_status()?.bytes().await?;
            let page: Page<'_> = serde_json::from_slice(&page)
                .map_err(|error| ListError::Unreadable(format!("{what}: {error}")))?;
            for item in page.data {
                match read(item.get()) {
                    Ok(fact) => facts.extend(fact),
                    Err(why) => tracing::warn!(what, why, "an item of Whop's list can't be read"),
                }
            }
            match page.page_info.end_cursor.filter(|_| page.page_info.has_next_page) {
                Some(cursor) => after = Some(cursor),
                None => return Ok(facts),
            }
        }
        Err(ListError::Unreadable(format!("{what}: the list has no end")))
    }
}

#[derive(Deserialize)]
struct Configuration {
    purchase_url: Url,
}

#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("Whop answered with a purchase_url that is not a web address")]
    BadUrl,
}

#[async_trait]
impl Provider for Whop {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn begin(&self, checkout: &Checkout) -> Begun {
        let Some(api) = &self.settings.api else {
            return Begun { url: self.by_link(checkout), carried: Carried::Link };
        };
        match self.configure(api, checkout).await {
            Ok(url) => Begun { url, carried: Carried::Api },
            Err(error) => {
                tracing::warn!(%error, session_id = checkout.session_id, "Whop's API failed; the buyer goes by the link");
                Begun { url: self.by_link(checkout), carried: Carried::Fallback }
            }
        }
    }

    /// The plan's link with the metadata in its query, as the seed writes it.
    fn link(&self, checkout: &Checkout) -> Option<Url> {
        let mut url = self.settings.checkout_url.clone();
        for (key, value) in checkout.metadata() {
            url.query_pairs_mut().append_pair(&format!("checkout_session_metadata[{key}]"), &value);
        }
        Some(url)
    }

    fn redirect_origins(&self) -> Vec<String> {
        let api = self.settings.api.as_ref().map(|api| &api.url);
        origins(ORIGINS, [Some(&self.settings.checkout_url), api])
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Millis) -> Result<Option<String>, Rejection> {
        let keys = &self.settings.webhook_keys;
        if headers.contains_key("webhook-signature") || !headers.contains_key("x-whop-signature") {
            standard_webhooks(headers, body, keys, now).map(Some)
        } else {
            timestamped_hex(headers, "x-whop-signature", body, keys, now).map(|()| None)
        }
    }

    fn headers(&self) -> &'static [&'static str] {
        &["webhook-id", "webhook-timestamp", "webhook-signature", "x-whop-signature"]
    }

    fn foreign_account(&self, _: &HeaderMap, body: &[u8]) -> Option<String> {
        let own = self.settings.company_id.as_deref()?;
        bodies::company(body).filter(|company| company != own)
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Notice {
        bodies::read(body)
    }

    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError> {
        let api = self.settings.api.as_ref().ok_or(ListError::NoKey("WHOP_API_KEY"))?;
        let company = self.settings.company_id.as_deref().ok_or(ListError::NoKey("WHOP_COMPANY_ID"))?;
        let [settling, deciding] = [SETTLES_WITHIN, DECIDED_WITHIN].map(|within| {
            Timestamp::from_millisecond(since.saturating_sub(within)).unwrap_or_default().to_string()
        });
        let payments = [("company_id", company), ("created_after", &settling), ("include_free", "true")];
        let mut facts = self.all(api, "payments", &payments, listed_payment).await?;
        let refunds = [("company_id", company), ("created_after", &settling)];
        facts.append(&mut self.all(api, "refunds", &refunds, listed_refund).await?);
        let disputes = [("account_id", company), ("created_after", &deciding)];
        facts.append(&mut self.all(api, DISPUTES, &disputes, listed_dispute).await?);
        Ok(facts)
    }
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct PageInfo {
    end_cursor: Option<String>,
    #[serde(default)]
    has_next_page: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whop() -> Whop {
        let settings = Settings {
            checkout_url: "https://whop.com/checkout/plan_1?d2c=true".parse().unwrap(),
            api: None,
            webhook_keys: vec![Key::raw("ws_1")],
            company_id: Some("biz_1".to_owned()),
        };
        Whop::new(settings, reqwest::Client::new())
    }

    #[test]
    fn the_link_carries_the_three_ids_as_the_seed_writes_them() {
        let url = whop().by_link(&Checkout {
            anonymous_id: Some("a1".into()),
            session_id: "s1".into(),
            started_at: 1_703_001_051_000,
            click_id: "c1".into(),
            return_url: "https://ttr.example/thank-you".parse().unwrap(),
            ip: None,
        });
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs[0], ("d2c".into(), "true".into()));
        assert_eq!(pairs[1], ("checkout_session_metadata[aurea_anonymous_id]".into(), "a1".into()));
        assert_eq!(pairs[2], ("checkout_session_metadata[aurea_session_id]".into(), "s1".into()));
        assert_eq!(
            pairs[3],
            ("checkout_session_metadata[checkout_started_at]".into(), "1703001051000".into())
        );
    }

    #[test]
    fn only_a_delivery_that_names_another_company_is_foreign() {
        for (body, foreign) in [
            (r#"{"type":"payment.succeeded","company_id":"biz_2","data":{}}"#, Some("biz_2")),
            (r#"{"type":"payment.succeeded","data":{"company":{"id":"biz_2"}}}"#, Some("biz_2")),
            (r#"{"type":"payment.succeeded","company_id":"biz_1","data":{"company":{"id":"biz_1"}}}"#, None),
            (r#"{"type":"payment.succeeded","company_id":null,"data":{"company":null}}"#, None),
            (r#"{"action":"payment.succeeded","data":{}}"#, None),
            ("not json", None),
        ] {
            let found = whop().foreign_account(&HeaderMap::new(), body.as_bytes());
            assert_eq!(found.as_deref(), foreign, "{body}");
        }
    }

    #[tokio::test]
    async fn without_a_key_whop_can_not_be_asked() {
        assert!(matches!(whop().list(0).await, Err(ListError::NoKey("WHOP_API_KEY"))));
    }
}
