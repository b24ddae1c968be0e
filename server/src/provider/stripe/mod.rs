//! Stripe. Facts and their sources: docs.stripe.com/webhooks, /payment-links/url-parameters and /currencies, and the
//! types of the official library (stripe-node). How a checkout begins stands in [`begin`], what events say in [`events`].
//!
//! Deliveries are signed with the bytes of the whole `whsec_…` secret; a retry has a new time and a new signature, and
//! while a secret is rolled there are two. Test mode has secrets of its own and says so in every event (`livemode`).

use async_trait::async_trait;
use axum::http::HeaderMap;
use secrecy::SecretString;
use url::Url;

use super::signature::{Key, Rejection, timestamped_hex};
use super::{Begun, Checkout, Fact, ListError, Notice, Provider, origins};
use crate::domain::Millis;

mod begin;
mod events;
mod list;
mod money;

/// Its name in routes, settings and the ledger.
pub const NAME: &str = "stripe";

/// Origins that a checkout redirects through: the Checkout Session's and the Payment Link's.
const ORIGINS: &[&str] = &["https://checkout.stripe.com", "https://buy.stripe.com"];

/// How Stripe is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Payment Link.
    pub checkout_url: Option<Url>,
    /// What needs a key.
    pub api: Option<Api>,
    /// Events that name another account (a platform's endpoint hears of many) change nothing.
    pub account: Option<String>,
    /// Webhook secrets, several while rotating.
    pub webhook_keys: Vec<Key>,
}

impl Settings {
    fn is_foreign(&self, account: &str) -> bool {
        self.account.as_deref().is_some_and(|own| own != account)
    }
}

/// What the API needs.
#[derive(Clone, Debug)]
pub struct Api {
    /// Base of the API, `https://api.stripe.com/v1`.
    pub url: Url,
    /// The secret key, or a restricted one.
    pub key: SecretString,
    /// The price to sell; without it buyers go by the Payment Link.
    pub price_id: Option<String>,
    /// What is sold.
    pub mode: Mode,
}

/// What a Checkout Session sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Paid once.
    Payment,
    /// Paid again and again.
    Subscription,
}

impl Mode {
    /// As Stripe and `Leptos.toml` write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Subscription => "subscription",
        }
    }
}

/// Stripe as a provider.
pub struct Stripe {
    settings: Settings,
    http: reqwest::Client,
}

impl Stripe {
    /// Needs an HTTP client that follows no redirects.
    pub fn new(settings: Settings, http: reqwest::Client) -> Self {
        Self { settings, http }
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn begin(&self, checkout: &Checkout) -> Begun {
        begin::begin(&self.settings, &self.http, checkout).await
    }

    fn link(&self, checkout: &Checkout) -> Option<Url> {
        begin::link(&self.settings, checkout)
    }

    fn redirect_origins(&self) -> Vec<String> {
        let api = self.settings.api.as_ref().map(|api| &api.url);
        origins(ORIGINS, [self.settings.checkout_url.as_ref(), api])
    }

    /// The event's id stands in the body: the scheme names none.
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Millis) -> Result<Option<String>, Rejection> {
        timestamped_hex(headers, "stripe-signature", body, &self.settings.webhook_keys, now).map(|()| None)
    }

    fn headers(&self) -> &'static [&'static str] {
        &["stripe-signature"]
    }

    fn foreign_account(&self, _: &HeaderMap, body: &[u8]) -> Option<String> {
        events::account(body).filter(|account| self.settings.is_foreign(account))
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Notice {
        events::notice(body)
    }

    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError> {
        list::list(&self.settings, &self.http, since).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload and the secret of the official library's own tests (stripe-node, test/Webhook.spec.ts).
    const PAYLOAD: &[u8] = b"{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
    const SECRET: &str = "whsec_test_secret";

    /// HMAC-SHA256(SECRET, "12345." + PAYLOAD), computed with OpenSSL.
    const SIGNATURE: &str = "2672d138c9a412830f3bfe2ecc5bfb3277cf6f5b49d0119d77dd6cb64da1257e";

    fn stripe(secrets: &[&str]) -> Stripe {
        let webhook_keys = secrets.iter().map(|secret| Key::raw(secret)).collect();
        let settings = Settings { checkout_url: None, api: None, account: None, webhook_keys };
        Stripe::new(settings, reqwest::Client::new())
    }

    #[test]
    fn a_delivery_is_verified_with_the_whole_secret_for_five_minutes() {
        let verify = |value: &str, secrets: &[&str], seconds: Millis| {
            let headers =
                [("stripe-signature".parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            stripe(secrets).verify(&headers, PAYLOAD, seconds * 1000)
        };
        let good = format!("t=12345,v1={SIGNATURE},v0=00");
        assert_eq!(verify(&good, &[SECRET], 12345), Ok(None));
        assert_eq!(verify(&good, &["whsec_new", SECRET], 12345 + 300), Ok(None));
        assert_eq!(verify(&good, &[SECRET], 12345 + 301), Err(Rejection::Stale));
        assert_eq!(verify(&good, &[SECRET], 12345 - 301), Err(Rejection::Stale));
        assert_eq!(verify(&good, &["test_secret"], 12345), Err(Rejection::Wrong));
        let rolled = format!("t=12345,v1={},v1={SIGNATURE}", "0".repeat(64));
        assert_eq!(verify(&rolled, &[SECRET], 12345), Ok(None));
        assert_eq!(verify(&format!("t=12345,v0={SIGNATURE}"), &[SECRET], 12345), Err(Rejection::Malformed));
        assert_eq!(stripe(&[SECRET]).verify(&HeaderMap::new(), PAYLOAD, 0), Err(Rejection::Missing));
    }

    #[test]
    fn only_an_event_that_names_another_account_is_foreign() {
        let mut stripe = stripe(&[]);
        let event = |more: &str| format!(r#"{{"id":"evt_1","type":"charge.refunded"{more}}}"#);
        let [own, other] = [r#","account":"acct_1""#, r#","account":"acct_2""#].map(event);
        let foreign =
            |stripe: &Stripe, body: &str| stripe.foreign_account(&HeaderMap::new(), body.as_bytes());
        assert_eq!(foreign(&stripe, &other), None, "a filter acts if it is configured");
        stripe.settings.account = Some("acct_1".to_owned());
        assert_eq!(
            foreign(&stripe, &event("")),
            None,
            "an event that names no account is the endpoint's own"
        );
        assert_eq!(foreign(&stripe, &own), None);
        assert_eq!(foreign(&stripe, &other).as_deref(), Some("acct_2"));
    }

    #[test]
    fn the_page_may_lead_to_a_domain_of_the_owners() {
        let mut stripe = stripe(&[]);
        assert_eq!(stripe.redirect_origins(), ORIGINS);
        stripe.settings.checkout_url = Some("https://pay.ttr.example/b/abc".parse().unwrap());
        assert_eq!(stripe.redirect_origins()[2..], ["https://pay.ttr.example"]);
    }
}
