//! Whop. Facts and their sources: docs.whop.com/developer/guides/webhooks, the official TypeScript SDK's types.
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
use super::{Checkout, Fact, Metadata, Notice, Paid, Provider};
use crate::domain::Millis;
use crate::domain::ledger::PaymentKind;
use crate::domain::money::{Currency, Money};
use app::event::metadata;

/// A buyer does not wait longer than this for Whop's API; the link takes over.
const API_DEADLINE: Duration = Duration::from_secs(3);

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
    /// The company whose deliveries count; without one, whatever is signed does.
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

    /// The plan's link with the metadata in its query, as the seed writes it.
    fn link(&self, checkout: &Checkout) -> Url {
        let mut url = self.settings.checkout_url.clone();
        for (key, value) in metadata_pairs(checkout) {
            url.query_pairs_mut().append_pair(&format!("checkout_session_metadata[{key}]"), &value);
        }
        url
    }

    /// Creates a checkout configuration. The same click gets the same one: the key is the click's.
    async fn configure(&self, api: &Api, checkout: &Checkout) -> Result<Url, BeginError> {
        let metadata: serde_json::Map<String, Value> = metadata_pairs(checkout)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::String(value)))
            .collect();
        let body = serde_json::json!({
            "plan_id": api.plan_id, "mode": "payment", "metadata": metadata, "redirect_url": checkout.return_url.as_str(),
        });
        let url = format!("{}/checkout_configurations", api.url.as_str().trim_end_matches('/'));
        let answer = self
            .http
            .post(url)
            .bearer_auth(api.key.expose_secret())
            .header("idempotency-key", &checkout.click_id)
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

/// The three keys of the seed. Without consent there is no visitor to name.
fn metadata_pairs(checkout: &Checkout) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::with_capacity(3);
    if let Some(anonymous_id) = &checkout.anonymous_id {
        pairs.push((metadata::ANONYMOUS_ID, anonymous_id.clone()));
    }
    pairs.push((metadata::SESSION_ID, checkout.session_id.clone()));
    pairs.push((metadata::CHECKOUT_STARTED_AT, checkout.started_at.to_string()));
    pairs
}

#[async_trait]
impl Provider for Whop {
    fn name(&self) -> &'static str {
        "whop"
    }

    async fn begin(&self, checkout: &Checkout) -> Url {
        let Some(api) = &self.settings.api else {
            return self.link(checkout);
        };
        match self.configure(api, checkout).await {
            Ok(url) => url,
            Err(error) => {
                tracing::warn!(%error, session_id = checkout.session_id, "Whop's API failed; the buyer goes by the link");
                self.link(checkout)
            }
        }
    }

    fn redirect_origins(&self) -> Vec<String> {
        let mut origins: Vec<String> = ORIGINS.iter().map(|origin| (*origin).to_owned()).collect();
        let configured = [Some(&self.settings.checkout_url), self.settings.api.as_ref().map(|api| &api.url)];
        for url in configured.into_iter().flatten() {
            let origin = url.origin().ascii_serialization();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        origins
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

    fn foreign_account(&self, body: &[u8]) -> Option<String> {
        let own = self.settings.company_id.as_deref()?;
        serde_json::from_slice::<Company>(body).ok()?.id().filter(|company| company != own)
    }

    fn parse(&self, body: &[u8]) -> Notice {
        match serde_json::from_slice::<Envelope>(body) {
            Ok(envelope) => envelope.read(),
            Err(error) => Notice {
                message_id: None,
                event_type: String::new(),
                fact: Fact::Unparsable(error.to_string()),
            },
        }
    }
}

/// Where v1 says whose delivery it is; older versions don't.
#[derive(Deserialize)]
struct Company {
    #[serde(default)]
    company_id: Value,
    #[serde(default)]
    data: Value,
}

impl Company {
    fn id(self) -> Option<String> {
        text(&self.company_id).or_else(|| text(&self.data["company"]["id"]))
    }
}

/// v1 says `type`, the older v5 and v2 say `action`.
#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<String>,
    #[serde(alias = "action")]
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn read(self) -> Notice {
        // The dashboard and older versions write underscores.
        let event_type = match self.r#type.as_str() {
            "payment_succeeded" => "payment.succeeded".to_owned(),
            other => other.chars().take(100).collect(),
        };
        let fact = if event_type == "payment.succeeded" { self.paid() } else { Fact::Other };
        Notice { message_id: self.id, event_type, fact }
    }

    fn paid(&self) -> Fact {
        let data = self.data.map_or("null", RawValue::get);
        match serde_json::from_str::<PaymentData>(data) {
            Ok(payment) if payment.id.is_empty() => Fact::Unparsable("data: the id is empty".to_owned()),
            Ok(payment) => Fact::Paid(payment.read()),
            Err(error) => Fact::Unparsable(format!("data: {error}")),
        }
    }
}

/// The payment's fields; v1 has `total`, v5 and v2 `final_amount`. Money stays text until it is parsed as a decimal.
#[derive(Deserialize)]
struct PaymentData<'a> {
    id: String,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    final_amount: Option<&'a RawValue>,
    currency: Option<String>,
    paid_at: Option<Value>,
    billing_reason: Option<String>,
    #[serde(default)]
    checkout_session: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    checkout_configuration: Value,
    #[serde(default)]
    membership: Value,
    #[serde(default)]
    membership_metadata: Value,
}

impl PaymentData<'_> {
    fn read(&self) -> Paid {
        let renewal = self.billing_reason.as_deref() == Some("subscription_cycle");
        Paid {
            payment_id: self.id.clone(),
            kind: if renewal { PaymentKind::Renewal } else { PaymentKind::First },
            amount: self.amount(),
            paid_at: self.paid_at.as_ref().and_then(millis),
            metadata: self.ids(),
        }
    }

    /// What was paid, in major units.
    fn amount(&self) -> Result<Money, String> {
        let text = self.total.filter(|raw| raw.get() != "null").or(self.final_amount).map(RawValue::get);
        let text = text.ok_or_else(|| "no amount".to_owned())?.trim_matches('"');
        let currency = self.currency.as_deref().ok_or_else(|| "no currency".to_owned())?;
        let currency = Currency::parse(currency).map_err(|error| error.to_string())?;
        Money::parse_major(text, currency).map_err(|error| error.to_string())
    }

    /// The seed's order first, then Whop's own places.
    fn ids(&self) -> Metadata {
        let places = [
            &self.checkout_session["metadata"],
            &self.metadata,
            &self.checkout_configuration["metadata"],
            &self.membership["metadata"],
            &self.membership_metadata,
        ];
        let find = |key: &str| places.iter().find_map(|place| text(&place[key]));
        Metadata {
            anonymous_id: find(metadata::ANONYMOUS_ID).or_else(|| text(&self.metadata["aurea_id"])),
            session_id: find(metadata::SESSION_ID),
            checkout_started_at: find(metadata::CHECKOUT_STARTED_AT).and_then(|text| text.parse().ok()),
        }
    }
}

/// Metadata values are strings, but a number is understood.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// v1 writes ISO times, v5 and v2 unix seconds.
fn millis(value: &Value) -> Option<Millis> {
    match value {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        Value::Number(number) => number.as_i64().and_then(|seconds| seconds.checked_mul(1000)),
        _ => None,
    }
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

    fn paid(body: &str) -> Paid {
        match whop().parse(body.as_bytes()).fact {
            Fact::Paid(paid) => paid,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_link_carries_the_three_ids_as_the_seed_writes_them() {
        let url = whop().link(&Checkout {
            anonymous_id: Some("a1".into()),
            session_id: "s1".into(),
            started_at: 1_703_001_051_000,
            click_id: "c1".into(),
            return_url: "https://ttr.example/thank-you".parse().unwrap(),
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
    fn a_v1_payment_is_read() {
        let read = paid(
            r#"{"id":"msg_1","type":"payment.succeeded","data":{"id":"pay_1","total":99.0,"currency":"usd",
                "paid_at":"2023-12-19T15:53:20.000Z","billing_reason":"one_time",
                "metadata":{"aurea_anonymous_id":"a1","aurea_session_id":"s1","checkout_started_at":"1703001051000"}}}"#,
        );
        assert_eq!(read.amount.unwrap().minor, 9900);
        assert_eq!(read.paid_at, Some(1_703_001_200_000));
        assert_eq!(read.kind, PaymentKind::First);
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
        assert_eq!(read.metadata.checkout_started_at, Some(1_703_001_051_000));
    }

    #[test]
    fn an_older_body_is_read() {
        let read = paid(
            r#"{"action":"payment.succeeded","api_version":"v5","data":{"id":"pay_2","final_amount":10.43,
                "currency":"eur","paid_at":1703001200,"membership_metadata":{"aurea_session_id":"s2"}}}"#,
        );
        assert_eq!(read.amount.unwrap().minor, 1043);
        assert_eq!(read.paid_at, Some(1_703_001_200_000));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s2"));
    }

    #[test]
    fn the_checkouts_own_metadata_comes_before_the_payments() {
        let read = paid(
            r#"{"type":"payment_succeeded","data":{"id":"p","total":"1","currency":"usd",
                "checkout_session":{"metadata":{"aurea_session_id":"first"}},
                "metadata":{"aurea_session_id":"second","aurea_id":"a9"}}}"#,
        );
        assert_eq!(read.metadata.session_id.as_deref(), Some("first"));
        assert_eq!(read.metadata.anonymous_id.as_deref(), Some("a9"));
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
            assert_eq!(whop().foreign_account(body.as_bytes()).as_deref(), foreign, "{body}");
        }
    }

    #[test]
    fn a_renewal_is_told_by_its_billing_reason() {
        let read = paid(
            r#"{"type":"payment.succeeded","data":{"id":"p","total":9,"currency":"usd","billing_reason":"subscription_cycle"}}"#,
        );
        assert_eq!(read.kind, PaymentKind::Renewal);
    }

    #[test]
    fn an_amount_is_never_guessed() {
        for (total, currency) in
            [("-1", "usd"), ("1e400", "usd"), ("99", "btc"), ("\"99,00\"", "usd"), ("null", "usd")]
        {
            let read = paid(&format!(
                r#"{{"type":"payment.succeeded","data":{{"id":"p","total":{total},"currency":"{currency}"}}}}"#
            ));
            assert!(read.amount.is_err(), "{total} {currency}");
        }
    }

    #[test]
    fn what_is_not_documented_is_kept_as_unparsable_and_other_types_as_other() {
        assert!(matches!(whop().parse(b"\xff").fact, Fact::Unparsable(_)));
        assert!(matches!(whop().parse(b"{}").fact, Fact::Unparsable(_)));
        assert!(matches!(
            whop().parse(br#"{"type":"payment.succeeded","data":{}}"#).fact,
            Fact::Unparsable(_)
        ));
        assert!(matches!(
            whop().parse(br#"{"type":"payment.succeeded","data":{"id":""}}"#).fact,
            Fact::Unparsable(_)
        ));
        assert!(matches!(whop().parse(br#"{"type":"payment.succeeded"}"#).fact, Fact::Unparsable(_)));
        assert_eq!(whop().parse(br#"{"type":"entry.created","data":{}}"#).fact, Fact::Other);
    }
}
