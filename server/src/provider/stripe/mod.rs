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

    fn redirect_origins(&self) -> Vec<String> {
        let api = self.settings.api.as_ref().map(|api| &api.url);
        origins(ORIGINS, [self.settings.checkout_url.as_ref(), api])
    }

    /// The event's id stands in the body: the scheme names none.
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Millis) -> Result<Option<String>, Rejection> {
        timestamped_hex(headers, "stripe-signature", body, &self.settings.webhook_keys, now).map(|()| None)
    }

    fn parse(&self, _: &HeaderMap, body: &[u8]) -> Notice {
        events::notice(body, self.settings.account.as_deref())
    }

    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError> {
        list::list(&self.settings, &self.http, since).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the official library's own tests (stripe-node, test/Webhook.spec.js): none is published with a header, so this
    // is HMAC-SHA256("whsec_test_secret", "1703001200." + BODY), computed with OpenSSL.
    const NOW: Millis = 1_703_001_200_000;
}
