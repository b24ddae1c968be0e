//! The destination "remote Aurea": another ttr, or whatever takes events at `{AUREA_API_URL}/track/events`.

use async_trait::async_trait;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Carrier;
use super::http::{self, Deadlines};
use super::reach::Reach;
use super::verdict::{Reply, Terms};
use crate::domain::Millis;
use crate::domain::outbox::{Destination, Form, Listener, body_of};
use crate::ingest::sender::ORIGIN;
use crate::store::outbox::Claimed;

/// How it is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AUREA_API_URL`, as `https://host/api`, without a slash at the end.
    pub url: Url,
    /// `AUREA_API_KEY`.
    pub key: SecretString,
    /// Where it may be.
    pub reach: Reach,
}

/// The remote Aurea.
pub struct Aurea {
    http: Client,
    url: String,
    host: String,
    key: HeaderValue,
    origin: HeaderValue,
}

impl Aurea {
    /// The name of its rows.
    pub const DESTINATION: Destination = Destination("aurea");

    /// Reached as the settings say. A key is visible ASCII; the configuration has made sure. `identity` is the store's: what
    /// comes back to it is refused there.
    pub fn new(settings: &Settings, identity: &str) -> Result<Self, reqwest::Error> {
        Self::with_deadlines(settings, identity, Deadlines::default())
    }

    /// As [`Self::new`], with other deadlines for a try.
    pub fn with_deadlines(
        settings: &Settings,
        identity: &str,
        deadlines: Deadlines,
    ) -> Result<Self, reqwest::Error> {
        let mut key =
            HeaderValue::from_str(settings.key.expose_secret()).unwrap_or(HeaderValue::from_static(""));
        key.set_sensitive(true);
        Ok(Self {
            http: http::client(settings.reach, deadlines)?,
            url: format!("{}/track/events", settings.url.as_str().trim_end_matches('/')),
            host: settings.url.host_str().unwrap_or_default().to_owned(),
            key,
            origin: HeaderValue::from_str(identity).unwrap_or(HeaderValue::from_static("")),
        })
    }

    /// It is told every event.
    pub fn listener() -> Listener {
        Listener { destination: Self::DESTINATION, form: Form::Events }
    }
}

#[async_trait]
impl Carrier for Aurea {
    fn listener(&self) -> Listener {
        Self::listener()
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn terms(&self) -> &Terms {
        &Terms { what: "Aurea", address: "AUREA_API_URL", secret: "AUREA_API_KEY", tells_of_events: true }
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        Some(body_of([]))
    }

    async fn carry(&self, row: &Claimed, _: Millis) -> Result<Reply, String> {
        let request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Aurea-API-Key", self.key.clone())
            .header("X-Aurea-Funnel-ID", &row.funnel)
            .header(ORIGIN, self.origin.clone())
            .header("Idempotency-Key", &row.ticket.id)
            .body(row.body.clone());
        http::ask(request).await
    }
}
