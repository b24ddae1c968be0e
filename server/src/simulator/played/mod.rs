//! The providers that can be played, a file each, behind one small trait. What they write follows their documentation.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, header};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use sha2::Sha256;
use standardwebhooks::{Webhook, WebhookError};

use super::Inner;
use super::books::{Happened, Payment};
use super::deliveries::{Delivery, Habits};
use crate::config::providers::Providers;
use crate::domain::money::Money;
use crate::provider;

mod polar;
mod shopify;
mod stripe;
mod whop;

/// A provider as it is played.
pub(super) trait Played: Send + Sync {
    /// Its name in settings.
    fn name(&self) -> &'static str;

    /// Its name as people write it.
    fn title(&self) -> &'static str;

    /// A webhook secret of its form.
    fn new_secret(&self) -> String;

    /// Its API and the addresses at which its checkouts begin.
    fn router(&self) -> Router<Arc<Inner>>;

    /// Says in `providers` how it is reached, in the words of the real one.
    fn stand_in(&self, inner: &Inner, providers: &mut Providers);

    /// How it delivers.
    fn habits(&self) -> Habits;

    /// Whether one checkout can lead to many payments.
    fn is_reusable(&self) -> bool {
        false
    }

    /// The payment's id.
    fn payment_id(&self, payment: &Payment) -> String;

    /// The deliveries that tell what happened to a payment, in their usual order.
    fn told(&self, inner: &Inner, payment: &Payment, happened: Happened) -> Vec<Delivery>;

    /// The headers of a delivery that is sent at that time.
    fn headers(&self, secret: &str, delivery: &Delivery, at: Timestamp) -> Vec<(&'static str, String)>;

    /// Where the buyer who paid goes.
    fn back(&self, inner: &Inner, payment: &Payment) -> String;
}

/// The one that a setting names.
pub(super) fn named(name: &str) -> &'static dyn Played {
    match name {
        provider::stripe::NAME => &stripe::Stripe,
        provider::polar::NAME => &polar::Polar,
        provider::shopify::NAME => &shopify::Shopify,
        _ => &whop::Whop,
    }
}

/// Whether a request brings the API key.
fn is_authorized(inner: &Inner, headers: &HeaderMap) -> bool {
    let bearer = format!("Bearer {}", inner.secret.expose_secret());
    text(headers, header::AUTHORIZATION.as_str()) == Some(&bearer)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether metadata keeps to the limits that Whop, Stripe and Polar have in common.
fn fits(metadata: &Map<String, Value>, longest_key: usize) -> bool {
    let short = |value: &Value| value.as_str().is_none_or(|text| text.chars().count() <= 500);
    metadata.len() <= 50
        && metadata.iter().all(|(key, value)| key.chars().count() <= longest_key && short(value))
}

/// The page of a list that follows the item `after`, and whether there are more.
fn page(items: Vec<Value>, limit: usize, after: Option<&str>) -> (Vec<Value>, bool) {
    // Shopify's ids are numbers.
    let is = |item: &Value, id: &str| item["id"] == id || id.parse::<u64>().is_ok_and(|id| item["id"] == id);
    let from = after.and_then(|id| items.iter().position(|item| is(item, id))).map_or(0, |at| at + 1);
    let more = items.len() > from + limit;
    (items.into_iter().skip(from).take(limit).collect(), more)
}

/// Major units, as a decimal with all its digits.
fn decimal(money: Money) -> String {
    Decimal::new(money.minor, money.currency.exponent()).to_string()
}

/// The currency as most providers write it.
fn lower(money: Money) -> String {
    money.currency.code().to_ascii_lowercase()
}

/// A UUID of a number; `kind` tells apart what one number names.
fn uuid(number: u64, kind: u8) -> String {
    let mut bytes = [kind; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_random_bytes(bytes).into_uuid().as_hyphenated().to_string()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Signs as Standard Webhooks has it, by the official library.
fn standard_webhooks(
    library: Result<Webhook, WebhookError>,
    delivery: &Delivery,
    at: Timestamp,
) -> Vec<(&'static str, String)> {
    let signed = library.and_then(|it| it.sign(&delivery.id, at.as_second(), delivery.body.as_bytes()));
    vec![
        ("webhook-id", delivery.id.clone()),
        ("webhook-timestamp", at.as_second().to_string()),
        ("webhook-signature", signed.unwrap_or_default()),
    ]
}
