//! The destination "webhooks": an address of the owner's that is told, in signed messages, what happened to the money.
//!
//! By the specification of Standard Webhooks, so that any of its libraries verifies them: one message for one event, its id
//! the same however often it is sent, the time that of the try, a signature for each secret while they are rotated.

use std::fmt;
use std::sync::Arc;

use app::event::name;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError,
};
use url::Url;

use super::Carrier;
use super::http::{self, Deadlines};
use super::reach::Reach;
use super::verdict::{Reply, Terms};
use crate::domain::Millis;
use crate::domain::outbox::{Destination, Form, Listener};
use crate::store::outbox::Claimed;

/// What is told unless the owner names something else: whatever happens to the money.
pub const MONEY: [&str; 5] = [
    name::CHECKOUT_COMPLETED,
    name::SESSION_END,
    name::PAYMENT_REFUNDED,
    name::PAYMENT_DISPUTED,
    name::SUBSCRIPTION_RENEWED,
];

/// What messages are signed with: `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone)]
pub struct Secret(Arc<Webhook>);

/// It is no secret of Standard Webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be whsec_ and base64 of 24 to 64 random bytes: \"whsec_$(openssl rand -base64 32)\" makes one; several with commas while rotating"
)]
pub struct NoSecret;

impl Secret {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, NoSecret> {
        let key = text.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok()).ok_or(NoSecret)?;
        if !(24..=64).contains(&key.len()) {
            return Err(NoSecret);
        }
        Webhook::from_bytes(key).map(|key| Self(Arc::new(key))).map_err(|_| NoSecret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([REDACTED])")
    }
}

/// How it is reached, and what it is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `TTR_WEBHOOK_URL`.
    pub url: Url,
    /// `TTR_WEBHOOK_SECRET`, the newest first.
    pub secrets: Vec<Secret>,
    /// The names of the events that it is told.
    pub events: Arc<[String]>,
    /// Where it may be.
    pub reach: Reach,
}

/// The owner's address.
pub struct Endpoint {
    http: Client,
    settings: Settings,
}

impl Endpoint {
    /// The name of its rows.
    pub const DESTINATION: Destination = Destination("webhooks");

    /// Reached as the settings say.
    pub fn new(settings: &Settings) -> Result<Self, reqwest::Error> {
        Self::with_deadlines(settings, Deadlines::default())
    }

    /// As [`Self::new`], with other deadlines for a try.
    pub fn with_deadlines(settings: &Settings, deadlines: Deadlines) -> Result<Self, reqwest::Error> {
        Ok(Self { http: http::client(settings.reach, deadlines)?, settings: settings.clone() })
    }

    /// One signature for each secret.
    fn signatures(&self, row: &Claimed, seconds: i64) -> Result<HeaderValue, WebhookError> {
        let sign = |Secret(key): &Secret| key.sign(&row.ticket.id, seconds, &row.body);
        let signatures: Vec<String> = self.settings.secrets.iter().map(sign).collect::<Result<_, _>>()?;
        HeaderValue::try_from(signatures.join(" ")).map_err(|_| WebhookError::InvalidSignature)
    }
}

#[async_trait]
impl Carrier for Endpoint {
    fn listener(&self) -> Listener {
        Listener { destination: Self::DESTINATION, form: Form::Messages(Arc::clone(&self.settings.events)) }
    }

    fn host(&self) -> &str {
        self.settings.url.host_str().unwrap_or_default()
    }

    fn terms(&self) -> &Terms {
        &Terms {
            what: "endpoint for webhooks",
            address: "TTR_WEBHOOK_URL",
            secret: "TTR_WEBHOOK_SECRET",
            tells_of_events: false,
        }
    }

    async fn carry(&self, row: &Claimed, now: Millis) -> Result<Reply, String> {
        let seconds = now.div_euclid(1000);
        let signatures =
            self.signatures(row, seconds).map_err(|error| format!("it can't be signed: {error}"))?;
        let request = self
            .http
            .post(self.settings.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, &row.ticket.id)
            .header(HEADER_WEBHOOK_TIMESTAMP, seconds)
            .header(HEADER_WEBHOOK_SIGNATURE, signatures)
            .body(row.body.clone());
        http::ask(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_standard_webhooks_calls_one() {
        let encoded = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for bytes in [24, 32, 64] {
            assert!(Secret::parse(&encoded(bytes)).is_ok(), "{bytes}");
        }
        for bytes in [0, 23, 65] {
            assert_eq!(Secret::parse(&encoded(bytes)).unwrap_err(), NoSecret, "{bytes}");
        }
        for no_secret in ["", "whsec_", "secret", "whsec_not base64", &encoded(32)["whsec_".len()..]] {
            assert_eq!(Secret::parse(no_secret).unwrap_err(), NoSecret, "{no_secret}");
        }
        assert_eq!(format!("{:?}", Secret::parse(&encoded(32)).unwrap()), "Secret([REDACTED])");
    }
}
