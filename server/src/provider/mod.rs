//! Payment providers: one file each, behind one small trait. Adding one means one file here and a thin server function.
//!
//! A provider says what happened in the ledger's words ([`Fact`]), nothing more: which session it belongs to, what it adds
//! up to and who is told is decided by the domain.

use std::net::IpAddr;

use app::event::metadata;
use async_trait::async_trait;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use url::Url;

pub use crate::domain::checkout::Carried;
use crate::domain::commit::Digest;
pub use crate::domain::ledger::{Counts, DisputeState, PaymentKind, RefundState};
use crate::domain::money::Money;
use crate::domain::{DAY, Millis};

pub mod packed;
pub mod polar;
pub mod shopify;
pub mod signature;
pub mod stripe;
pub mod whop;

/// Lists go by when something began. What is paid or given back later than that after it is not found by them, and neither
/// is a dispute that is decided later.
const SETTLES_WITHIN: Millis = 30 * DAY;
const DECIDED_WITHIN: Millis = 120 * DAY;

/// How an API answers that lists no disputes to us: the account has none, or the key may not see them. The rest of what it
/// lists still counts.
const WITHOUT_DISPUTES: &[StatusCode] = &[StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];

/// A provider of checkouts.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in routes, logs and the ledger.
    fn name(&self) -> &'static str;

    /// Where to send the buyer, with the ids on board. Never fails: a sale is never lost to tracking, so that a
    /// provider whose API does not answer in time falls back to its link.
    async fn begin(&self, checkout: &Checkout) -> Begun;

    /// Its link with the ids on board, if there is one: nobody is asked for it.
    fn link(&self, checkout: &Checkout) -> Option<Url>;

    /// Where a buyer goes for whom no checkout is made: by the link, else to our own page again, where the button still is.
    fn by_link(&self, checkout: &Checkout) -> Url {
        self.link(checkout).unwrap_or_else(|| checkout.front_page())
    }

    /// Every origin that the buyer is redirected through; the page's CSP must allow them (Chromium blocks a form's
    /// redirect otherwise).
    fn redirect_origins(&self) -> Vec<String>;

    /// Verifies a delivery over its raw bytes. Gives the delivery's id where the scheme names one.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Millis,
    ) -> Result<Option<String>, signature::Rejection>;

    /// The headers that are read of a delivery: what must be kept of one to verify and read it again.
    fn headers(&self) -> &'static [&'static str];

    /// The account that a delivery speaks of, if it is another than the configured one.
    fn foreign_account(&self, _headers: &HeaderMap, _body: &[u8]) -> Option<String> {
        None
    }

    /// What is the same for two deliveries only if they say the same: of the body, and of whatever else it is read by.
    fn digest(&self, _headers: &HeaderMap, body: &[u8]) -> Digest {
        Sha256::digest(body).into()
    }

    /// Reads what an authentic delivery says. Shopify's topic stands in a header.
    fn parse(&self, headers: &HeaderMap, body: &[u8]) -> Notice;

    /// What the provider itself knows of payments, refunds and disputes since `since`: what reconciliation compares with.
    async fn list(&self, since: Millis) -> Result<Vec<Fact>, ListError>;
}

/// A checkout about to begin.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The visitor; absent without consent.
    pub anonymous_id: Option<String>,
    /// The session.
    pub session_id: String,
    /// When the buy button was pressed, ms.
    pub started_at: Millis,
    /// Names the click: a repeated request for the same click gets the same checkout.
    pub click_id: String,
    /// Where the buyer comes back to.
    pub return_url: Url,
    /// The buyer's address, for a provider that picks currency and taxes by it. Handed over and never kept.
    pub ip: Option<IpAddr>,
}

impl Checkout {
    /// The three keys of the seed. Without consent there is no visitor to name.
    pub fn metadata(&self) -> Vec<(&'static str, String)> {
        let visitor = self.anonymous_id.iter().map(|id| (metadata::ANONYMOUS_ID, id.clone()));
        let others = [
            (metadata::SESSION_ID, self.session_id.clone()),
            (metadata::CHECKOUT_STARTED_AT, self.started_at.to_string()),
        ];
        visitor.chain(others).collect()
    }

    /// What a request that begins it is known by: a click that is sent again gets the same checkout. A click whose time is
    /// not believed is dated anew each time that it is sent; that is another body, and has another key, because providers
    /// refuse a known key with another body.
    fn idempotency_key(&self) -> String {
        format!("{}.{}.{}", self.session_id, self.click_id, self.started_at)
    }

    /// Where the button is: for a buyer who turns back, or who can't be sent on.
    pub fn front_page(&self) -> Url {
        let mut url = self.return_url.clone();
        url.set_path("/");
        url.set_query(None);
        url
    }
}

/// A checkout that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where the buyer goes.
    pub url: Url,
    /// How the ids travel.
    pub carried: Carried,
}

/// What a delivery says.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The provider's id of the message, if the body has one.
    pub message_id: Option<String>,
    /// The provider's word for what happened (`payment.succeeded`); empty if the body could not be read.
    pub event_type: String,
    /// What it means here: nothing, if it changes nothing in the ledger. An error says in words why an authentic body is
    /// not of the documented form.
    pub facts: Result<Vec<Fact>, String>,
}

/// One thing that happened to money.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Money came in.
    Paid(Paid),
    /// A try to pay failed, or the checkout expired.
    Failed(Failed),
    /// Money went back, or is about to.
    Refunded(Refunded),
    /// The buyer's bank asks for the money back.
    Disputed(Disputed),
    /// Money has one more name.
    Named(Named),
}

impl Fact {
    /// The payment or checkout that it is about, by the id that it says.
    pub fn about(&self) -> &str {
        match self {
            Self::Paid(paid) => &paid.payment_id,
            Self::Failed(failed) => &failed.id,
            Self::Refunded(refunded) => &refunded.of,
            Self::Disputed(disputed) => &disputed.of,
            Self::Named(named) => &named.payment_id,
        }
    }
}

/// Money that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Paid {
    /// The provider's id of the payment: the ledger's key, the same in every delivery about this money.
    pub payment_id: String,
    /// Other ids by which the provider's later deliveries name it (charge, invoice, checkout, order).
    pub also_known_as: Vec<String>,
    /// What the payments of one subscription share: by it a renewal finds the first payment's session.
    pub subscription_id: Option<String>,
    /// First or renewal.
    pub kind: PaymentKind,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// When, if the provider says.
    pub paid_at: Option<Millis>,
    /// Whether no money moved: the provider's test mode.
    pub test: bool,
    /// The ids that came back, untrusted: they passed through the buyer's browser.
    pub metadata: Metadata,
}

/// A payment that did not come about.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// The provider's id of the payment or checkout.
    pub id: String,
    /// Why, in a word of the provider's (`card_declined`, `expired`).
    pub reason: String,
    /// When, if the provider says.
    pub at: Option<Millis>,
    /// Whether no money could have moved: the provider's test mode.
    pub test: bool,
    /// The ids that came back.
    pub metadata: Metadata,
}

/// A refund, as far as it is known now.
#[derive(Clone, Debug, PartialEq)]
pub struct Refunded {
    /// The provider's id of the refund; of one that only tells a sum, the payment's.
    pub refund_id: String,
    /// The payment, by any of its ids.
    pub of: String,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// What the amount counts.
    pub counts: Counts,
    /// Where it stands.
    pub state: RefundState,
    /// When, if the provider says.
    pub at: Option<Millis>,
    /// The ids, where the provider repeats them.
    pub metadata: Metadata,
}

/// A dispute, as far as it is known now.
#[derive(Clone, Debug, PartialEq)]
pub struct Disputed {
    /// The provider's id of the dispute.
    pub dispute_id: String,
    /// The payment, by any of its ids.
    pub of: String,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// Where it stands.
    pub state: DisputeState,
    /// When, if the provider says.
    pub at: Option<Millis>,
}

/// One more name of a payment, where the provider tells it apart from the money itself. It may come before the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The payment, by the id that is the ledger's key.
    pub payment_id: String,
    /// The name by which refunds and disputes will know it.
    pub also_known_as: String,
}

/// The checkout's metadata as it came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `aurea_anonymous_id`.
    pub anonymous_id: Option<String>,
    /// `aurea_session_id`.
    pub session_id: Option<String>,
    /// `checkout_started_at`, ms.
    pub checkout_started_at: Option<Millis>,
}

impl Metadata {
    /// Reads the seed's keys wherever the provider keeps them.
    pub fn found(find: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            anonymous_id: find(metadata::ANONYMOUS_ID),
            session_id: find(metadata::SESSION_ID),
            checkout_started_at: find(metadata::CHECKOUT_STARTED_AT).and_then(|text| text.parse().ok()),
        }
    }
}

/// A value of a provider's metadata: a text, but a number is understood.
pub fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An object's own id: without it the ledger could not tell it from another.
fn own_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = <String as serde::Deserialize>::deserialize(deserializer)?;
    if id.is_empty() { Err(serde::de::Error::custom("the id is empty")) } else { Ok(id) }
}

/// Reads what a delivery or a list says of one object.
fn object<'a, T: serde::Deserialize<'a>>(data: &'a str) -> Result<T, String> {
    serde_json::from_str(data).map_err(|error| format!("data: {error}"))
}

/// The address of `path` in the API whose base is `api`.
fn in_api(api: &Url, path: &str) -> Url {
    let mut url = api.clone();
    url.set_path(&format!("{}/{path}", api.path().trim_end_matches('/')));
    url
}

/// A provider's own origins, then those of addresses that the owner configured (a domain of their own, a simulator).
fn origins<'a>(own: &[&str], configured: impl IntoIterator<Item = Option<&'a Url>>) -> Vec<String> {
    let mut origins: Vec<String> = own.iter().map(|origin| (*origin).to_owned()).collect();
    for url in configured.into_iter().flatten() {
        let origin = url.origin().ascii_serialization();
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

/// Why a provider's own list can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// There is no API key, so that it can't be asked.
    #[error("{0} is not set: without it the provider can't be asked")]
    NoKey(&'static str),
    /// It could not be reached, or refused.
    #[error("the provider could not be asked: {0}")]
    Http(#[from] reqwest::Error),
    /// It answered something else than it documents.
    #[error("the provider's answer can't be read: {0}")]
    Unreadable(String),
}
