//! The server functions: doors, not rooms. Each hands over to [`Backend`] and nothing else.
//!
//! Browsers reach them as plain HTTP: `begin_checkout` by a form, `receive_whop` by the provider. Statuses, headers and
//! redirects are the backend's business, so that this crate knows no HTTP library.
#![allow(missing_docs)] // the macro makes structs whose fields repeat `CheckoutForm`

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::server_fn::codec::Post;
use leptos::server_fn::{Bytes, ContentType, Decodes, Encodes, Format, FormatType};
use serde::{Deserialize, Serialize};

/// What a [`Backend`] call gives back: the answer itself travels in the response's status and headers.
pub type Answer = Pin<Box<dyn Future<Output = Result<(), ServerFnError>> + Send>>;

/// What the server functions need done; implemented in the server, given by context as `Arc<dyn Backend>`.
pub trait Backend: Send + Sync {
    /// Records the click, begins the checkout and answers with a redirect to the provider.
    fn begin_checkout(self: Arc<Self>, form: CheckoutForm) -> Answer;
    /// Verifies and records one delivery of `provider`, then answers 200, or 401 if it is not authentic.
    fn receive(self: Arc<Self>, provider: &'static str, body: RawBody) -> Answer;
    /// Sends what is parked or waits to be forwarded, once, and says how far that went.
    fn forward(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<Forwarded, ServerFnError>> + Send>>;
}

/// What [`forward_conversions`] led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Outbox rows that were sent.
    pub sent: u64,
    /// Outbox rows that are still to be sent.
    pub waiting: u64,
    /// Outbox rows that were given up for now.
    pub parked: u64,
    /// How each destination stands.
    pub destinations: Vec<Told>,
}

/// How far a destination has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// What the outbox calls it: `aurea`, `webhooks`.
    pub destination: String,
    /// Its host; absent if the settings name it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Outbox rows that are still to be sent.
    pub waiting: u64,
    /// Outbox rows that were given up for now.
    pub parked: u64,
    /// Why the last try failed, while something waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The hidden fields of the buy button's form, as they were sent: any of them may be empty (no JavaScript) or wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutForm {
    /// The visitor; empty without JavaScript or without consent.
    pub anonymous_id: String,
    /// The session; empty without JavaScript.
    pub session_id: String,
    /// Names this click: its events are counted once however often the form is sent.
    pub click_id: String,
    /// When the button was pressed, ms since 1970 by the visitor's clock.
    pub started_at: String,
    /// Path of the page with the button.
    pub location: String,
    /// The page's whole URL.
    pub page_url: String,
    /// The page's referrer.
    pub referrer: String,
}

/// A request's body, byte for byte: signatures are verified over it before anything parses it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RawBody(pub Vec<u8>);

/// Codec that hands over the untouched body. Only providers call such a function, never a browser of ours, so that
/// encoding has nothing to send.
pub struct Untouched;

impl ContentType for Untouched {
    const CONTENT_TYPE: &'static str = "application/octet-stream";
}

impl FormatType for Untouched {
    const FORMAT_TYPE: Format = Format::Binary;
}

impl<T> Encodes<T> for Untouched {
    type Error = std::convert::Infallible;

    fn encode(_: &T) -> Result<Bytes, Self::Error> {
        Ok(Bytes::new())
    }
}

impl<T: From<RawBody>> Decodes<T> for Untouched {
    type Error = std::convert::Infallible;

    fn decode(bytes: Bytes) -> Result<T, Self::Error> {
        Ok(T::from(RawBody(bytes.to_vec())))
    }
}

fn backend() -> Result<Arc<dyn Backend>, ServerFnError> {
    use_context().ok_or_else(|| ServerFnError::new("no backend was given"))
}

/// `POST /api/checkout`: a plain HTML form, with or without JavaScript. Fields: see [`CheckoutForm`].
#[server(prefix = "/api", endpoint = "checkout")]
pub async fn begin_checkout(
    #[server(default)] anonymous_id: String,
    #[server(default)] session_id: String,
    #[server(default)] click_id: String,
    #[server(default)] started_at: String,
    #[server(default)] location: String,
    #[server(default)] page_url: String,
    #[server(default)] referrer: String,
) -> Result<(), ServerFnError> {
    let form = CheckoutForm { anonymous_id, session_id, click_id, started_at, location, page_url, referrer };
    backend()?.begin_checkout(form).await
}

/// `POST /api/webhooks/whop`: one delivery of Whop.
#[server(prefix = "/api", endpoint = "webhooks/whop", input = Post<Untouched>)]
pub async fn receive_whop(body: RawBody) -> Result<(), ServerFnError> {
    backend()?.receive("whop", body).await
}

/// `POST /api/webhooks/stripe`: one delivery of Stripe.
#[server(prefix = "/api", endpoint = "webhooks/stripe", input = Post<Untouched>)]
pub async fn receive_stripe(body: RawBody) -> Result<(), ServerFnError> {
    backend()?.receive("stripe", body).await
}

/// `POST /api/webhooks/polar`: one delivery of Polar.
#[server(prefix = "/api", endpoint = "webhooks/polar", input = Post<Untouched>)]
pub async fn receive_polar(body: RawBody) -> Result<(), ServerFnError> {
    backend()?.receive("polar", body).await
}

/// `POST /api/webhooks/shopify`: one delivery of Shopify.
#[server(prefix = "/api", endpoint = "webhooks/shopify", input = Post<Untouched>)]
pub async fn receive_shopify(body: RawBody) -> Result<(), ServerFnError> {
    backend()?.receive("shopify", body).await
}

/// `POST /api/aurea/forward-conversions`: sends what is parked or waits, now. The owner's only: the route sees to it.
#[server(prefix = "/api", endpoint = "aurea/forward-conversions")]
pub async fn forward_conversions() -> Result<Forwarded, ServerFnError> {
    backend()?.forward().await
}
