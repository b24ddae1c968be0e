//! What Stripe's events say, in the ledger's words. A delivery and an item of the API's list have the same form.
//!
//! The form of `data.object` follows the API version of the endpoint: where a field has moved, both places are read.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::provider::{Fact, Notice};

mod back;
mod paid;

/// The events that say something about money: what the webhook should be set to, and what is asked for when comparing.
pub(super) const TYPES: &[&str] = &[
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.payment_failed",
    "invoice.paid",
    "invoice_payment.paid",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

/// The account that a delivery names: a platform's endpoint hears of many.
pub(super) fn account(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Event<'_>>(body).ok()?.account
}

/// Reads a delivery.
pub(super) fn notice(body: &[u8]) -> Notice {
    match serde_json::from_slice::<Event<'_>>(body) {
        Ok(event) => Notice {
            facts: event.facts(),
            message_id: event.id,
            event_type: event.r#type.chars().take(100).collect(),
        },
        Err(error) => Notice { message_id: None, event_type: String::new(), facts: Err(error.to_string()) },
    }
}

/// The envelope. A thin event of API v2 has another `object`, a time in words and no data.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    pub(super) id: Option<String>,
    object: Option<String>,
    r#type: String,
    #[serde(default)]
    created: Value,
    livemode: Option<bool>,
    pub(super) account: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

impl<'a> Event<'a> {
    pub(super) fn facts(&self) -> Result<Vec<Fact>, String> {
        if self.object.as_deref() == Some("v2.core.event") {
            return Ok(Vec::new());
        }
        match self.r#type.as_str() {
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
                self.object::<paid::Session<'_>>()?.paid(self)
            }
            "checkout.session.async_payment_failed" => {
                Ok(self.object::<paid::Session<'_>>()?.failed("async_payment_failed", self))
            }
            "checkout.session.expired" => Ok(self.object::<paid::Session<'_>>()?.failed("expired", self)),
            "payment_intent.payment_failed" => Ok(self.object::<paid::Intent>()?.failed(self)),
            "invoice.paid" | "invoice.payment_succeeded" => {
                Ok(self.object::<paid::Invoice<'_>>()?.paid(self))
            }
            "invoice_payment.paid" => Ok(self.object::<paid::InvoicePayment>()?.named()),
            "charge.refunded" => self.object::<back::Charge<'_>>()?.refunded(self),
            "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
                self.object::<back::Refund<'_>>()?.refunded(self)
            }
            dispute if dispute.starts_with("charge.dispute.") => {
                self.object::<back::Dispute<'_>>()?.disputed(self)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn object<T: Deserialize<'a>>(&self) -> Result<T, String> {
        let data = self.data.ok_or("no data")?;
        let Data { object } = serde_json::from_str(data.get()).map_err(|error| format!("data: {error}"))?;
        serde_json::from_str(object.get()).map_err(|error| format!("data.object: {error}"))
    }

    /// When it happened, by Stripe's clock.
    fn at(&self) -> Option<Millis> {
        self.created.as_i64().and_then(|seconds| seconds.checked_mul(1000))
    }

    fn is_test(&self) -> bool {
        self.livemode == Some(false)
    }
}

/// A name of an object: its id, or the object itself where a list was asked to put it there.
fn id_of(value: &Value) -> Option<String> {
    let id = value.as_str().or_else(|| value["id"].as_str())?;
    Some(id.to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
