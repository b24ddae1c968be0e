//! The destination "remote Aurea": another ttr, or whatever takes events at `{AUREA_API_URL}/track/events`.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Carrier;
use super::verdict::Reply;
use crate::domain::outbox::Destination;
use crate::ingest::sender::ORIGIN;
use crate::store::outbox::Claimed;

/// A host that can't be connected to by then is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// A whole try, the answer read.
const TRY: Duration = Duration::from_secs(20);

/// What is read of an answer, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// How it is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AUREA_API_URL`, as `https://host/api`, without a slash at the end.
    pub url: Url,
    /// `AUREA_API_KEY`.
    pub key: SecretString,
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
        Self::with_deadline(settings, identity, TRY)
    }

    /// As [`Self::new`], with another deadline for a whole try.
    pub fn with_deadline(
        settings: &Settings,
        identity: &str,
        deadline: Duration,
    ) -> Result<Self, reqwest::Error> {
        let mut key =
            HeaderValue::from_str(settings.key.expose_secret()).unwrap_or(HeaderValue::from_static(""));
        key.set_sensitive(true);
        Ok(Self {
            http: Client::builder()
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT)
                .timeout(deadline)
                .user_agent(concat!("ttr/", env!("CARGO_PKG_VERSION")))
                .build()?,
            url: format!("{}/track/events", settings.url.as_str().trim_end_matches('/')),
            host: settings.url.host_str().unwrap_or_default().to_owned(),
            key,
            origin: HeaderValue::from_str(identity).unwrap_or(HeaderValue::from_static("")),
        })
    }
}

#[async_trait]
impl Carrier for Aurea {
    fn destination(&self) -> Destination {
        Self::DESTINATION
    }

    fn host(&self) -> &str {
        &self.host
    }

    async fn carry(&self, row: &Claimed) -> Result<Reply, String> {
        let sent = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("X-Aurea-API-Key", self.key.clone())
            .header("X-Aurea-Funnel-ID", &row.funnel)
            .header(ORIGIN, self.origin.clone())
            .header("Idempotency-Key", &row.ticket.id)
            .body(row.body.clone())
            .send()
            .await;
        let mut response = sent.map_err(in_words)?;
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let mut reply = Reply {
            status: response.status().as_u16(),
            retry_after: text(RETRY_AFTER),
            is_page: text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")),
            body: Vec::new(),
            broke_off: None,
        };
        // One that drips breaks off with the try's time.
        while reply.body.len() < MAX_ANSWER {
            match response.chunk().await {
                Ok(Some(part)) => {
                    let room = MAX_ANSWER - reply.body.len();
                    reply.body.extend_from_slice(&part[..part.len().min(room)]);
                }
                Ok(None) => break,
                Err(error) => {
                    reply.broke_off = Some(in_words(error));
                    break;
                }
            }
        }
        Ok(reply)
    }
}

/// Why no answer came, without the address: it stands beside it anyway.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let what = if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it can't be connected to"
    } else {
        "the connection broke"
    };
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{what}: {cause}")
}
