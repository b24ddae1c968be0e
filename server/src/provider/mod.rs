//! Payment providers: one file each, behind one small trait. Adding one means one file here and a thin server function.

use async_trait::async_trait;
use axum::http::HeaderMap;
use url::Url;

use crate::domain::Millis;
use crate::domain::ledger::PaymentKind;
use crate::domain::money::Money;

pub mod signature;
pub mod whop;

/// A provider of checkouts.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name in routes, logs and the ledger.
    fn name(&self) -> &'static str;

    /// Where to send the buyer, with the ids on board. Never fails: a sale is never lost to tracking, so that a
    /// provider whose API does not answer in time falls back to its link.
    async fn begin(&self, checkout: &Checkout) -> Url;

    /// Every origin that the buyer is redirected through; the page's CSP must allow them (Chromium blocks a form's
    /// redirect otherwise).
    fn redirect_origins(&self) -> Vec<String>;

    /// Verifies a delivery over its raw bytes. Gives the delivery's id where the scheme signs one.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Millis,
    ) -> Result<Option<String>, signature::Rejection>;

    /// The headers that are read of a delivery: what must be kept of one to verify it again.
    fn headers(&self) -> &'static [&'static str];

    /// The account that a delivery speaks of, if it is another than the configured one.
    fn foreign_account(&self, _body: &[u8]) -> Option<String> {
        None
    }

    /// Reads what an authentic delivery says.
    fn parse(&self, body: &[u8]) -> Notice;
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
}

/// What a delivery says, in the ledger's words.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The provider's id of the message, if the body has one.
    pub message_id: Option<String>,
    /// The provider's word for what happened (`payment.succeeded`); empty if the body could not be read.
    pub event_type: String,
    /// What it means here.
    pub fact: Fact,
}

/// What a delivery means.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Money came in.
    Paid(Paid),
    /// Nothing that changes the ledger.
    Other,
    /// Authentic, but not of the documented form; says why.
    Unparsable(String),
}

/// Money that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Paid {
    /// The provider's id of the payment.
    pub payment_id: String,
    /// First or renewal.
    pub kind: PaymentKind,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// When, if the provider says.
    pub paid_at: Option<Millis>,
    /// The ids that came back, untrusted: they passed through the buyer's browser.
    pub metadata: Metadata,
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
