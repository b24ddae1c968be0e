//! What Whop writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! v1 says `type`, nests objects and writes ISO times; v5 and v2 say `action`, are flat and write unix seconds. The
//! dashboard and some older pages write underscores for dots. Money stays text until it is parsed as a decimal.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Failed, Metadata, Notice, Paid, PaymentKind, RefundState, Refunded,
    object, own_id, text_of,
};

/// Reads a delivery.
pub(super) fn read(body: &[u8]) -> Notice {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.read(),
        Err(error) => Notice { message_id: None, event_type: String::new(), facts: Err(error.to_string()) },
    }
}

/// The company that a delivery is about.
pub(super) fn company(body: &[u8]) -> Option<String> {
    let company: Company = serde_json::from_slice(body).ok()?;
    text_of(&company.company_id).or_else(|| text_of(&company.data["company"]["id"]))
}

/// Where v1 says whose delivery it is; older versions don't.
#[derive(Deserialize)]
struct Company {
    #[serde(default)]
    company_id: Value,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<String>,
    #[serde(alias = "action")]
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn read(self) -> Notice {
        let event_type = dotted(&self.r#type);
        let data = self.data.map_or("null", RawValue::get);
        // An app is told of its companies' payments under a name of its own.
        let facts = match event_type.strip_prefix("app_").unwrap_or(&event_type) {
            "payment.succeeded" => object::<Payment>(data).map(|payment| vec![payment.paid()]),
            "payment.failed" => object::<Payment>(data).map(|payment| payment.failed().into_iter().collect()),
            "refund.created" | "refund.updated" => refunded(data).map(|fact| vec![fact]),
            "dispute.created" | "dispute.updated" => disputed(data).map(|fact| fact.into_iter().collect()),
            _ => Ok(Vec::new()),
        };
        Notice { message_id: self.id, event_type, facts }
    }
}

/// `payment_succeeded` is `payment.succeeded`.
fn dotted(event_type: &str) -> String {
    let event_type: String = event_type.chars().take(100).collect();
    let (app, rest) = event_type.split_at(if event_type.starts_with("app_") { 4 } else { 0 });
    match rest.split_once('_') {
        Some((subject, verb)) if !rest.contains('.') => format!("{app}{subject}.{verb}"),
        _ => event_type,
    }
}

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    status: Option<String>,
    substatus: Option<String>,
    failure_message: Option<String>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    final_amount: Option<&'a RawValue>,
    currency: Option<String>,
    paid_at: Option<Value>,
    last_payment_attempt: Option<Value>,
    billing_reason: Option<String>,
    #[serde(default)]
    checkout_session: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    checkout_configuration: Value,
    #[serde(default)]
    membership: Value,
    membership_id: Option<String>,
    #[serde(default)]
    membership_metadata: Value,
}

impl Payment<'_> {
    /// A trial's first payment is one of 0: it converts, and the first charge after it is a renewal.
    fn paid(&self) -> Fact {
        Fact::Paid(Paid {
            payment_id: self.id.clone(),
            also_known_as: Vec::new(), // a checkout configuration can lead to many payments
            subscription_id: id_in(&self.membership).or_else(|| self.membership_id.clone()),
            kind: self.kind(),
            amount: amount(self.total.filter(is_something).or(self.final_amount), self.currency.as_deref()),
            paid_at: self.paid_at.as_ref().and_then(millis),
            test: false, // the sandbox is another host with secrets of its own
            metadata: self.ids(),
        })
    }

    fn kind(&self) -> PaymentKind {
        match self.billing_reason.as_deref() {
            Some("subscription_cycle" | "subscription_update") => PaymentKind::Renewal,
            _ => PaymentKind::First,
        }
    }

    /// Of a checkout: a renewal that failed is tried again, and is no checkout.
    fn failed(&self) -> Option<Fact> {
        let reason =
            [&self.failure_message, &self.substatus].into_iter().flatten().find(|text| !text.is_empty());
        (self.kind() == PaymentKind::First).then(|| {
            Fact::Failed(Failed {
                id: self.id.clone(),
                reason: reason.map_or("failed", String::as_str).chars().take(200).collect(),
                at: self.last_payment_attempt.as_ref().and_then(millis),
                test: false, // as of what was paid
                metadata: self.ids(),
            })
        })
    }

    /// The seed's order first, then Whop's own places.
    fn ids(&self) -> Metadata {
        let places = [
            &self.checkout_session["metadata"],
            &self.metadata,
            &self.checkout_configuration["metadata"],
            &self.membership["metadata"],
            &self.membership_metadata,
        ];
        let ids = Metadata::found(|key| places.iter().find_map(|place| text_of(&place[key])));
        let anonymous_id = ids.anonymous_id.or_else(|| text_of(&self.metadata["aurea_id"]));
        Metadata { anonymous_id, ..ids }
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    created_at: Option<Value>,
    #[serde(default)]
    payment: Value,
    payment_id: Option<String>,
}

fn refunded(data: &str) -> Result<Fact, String> {
    let refund: Refund<'_> = object(data)?;
    Ok(Fact::Refunded(Refunded {
        of: payment_of(&refund.payment, refund.payment_id.as_deref())?,
        amount: amount(refund.amount, refund.currency.as_deref()),
        counts: Counts::One,
        state: match refund.status.as_deref() {
            Some("succeeded") => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            _ => RefundState::Pending,
        },
        at: refund.created_at.as_ref().and_then(millis),
        metadata: Metadata::found(|key| text_of(&refund.payment["metadata"][key])),
        refund_id: refund.id,
    }))
}

#[derive(Deserialize)]
struct Dispute<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    #[serde(default)]
    inquiry: bool,
    created_at: Option<Value>,
    #[serde(default)]
    payment: Value,
    payment_id: Option<String>,
}

/// A dispute that was closed without a ruling says nothing about the money, and neither does a state that is not known.
fn disputed(data: &str) -> Result<Option<Fact>, String> {
    let dispute: Dispute<'_> = object(data)?;
    let state = match dispute.status.as_deref().unwrap_or_default() {
        "needs_response" | "under_review" if dispute.inquiry => DisputeState::Warning,
        "needs_response" | "under_review" => DisputeState::Open,
        "won" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        warning if warning.starts_with("warning_") => DisputeState::Warning,
        _ => return Ok(None),
    };
    Ok(Some(Fact::Disputed(Disputed {
        of: payment_of(&dispute.payment, dispute.payment_id.as_deref())?,
        amount: amount(dispute.amount, dispute.currency.as_deref()),
        state,
        at: dispute.created_at.as_ref().and_then(millis),
        dispute_id: dispute.id,
    })))
}

/// An item of the list of payments; what was not paid is no fact.
pub(super) fn listed_payment(item: &str) -> Result<Option<Fact>, String> {
    let payment: Payment<'_> = object(item)?;
    Ok((payment.status.as_deref() == Some("paid")).then(|| payment.paid()))
}

/// An item of the list of refunds.
pub(super) fn listed_refund(item: &str) -> Result<Option<Fact>, String> {
    refunded(item).map(Some)
}

/// An item of the list of disputes.
pub(super) fn listed_dispute(item: &str) -> Result<Option<Fact>, String> {
    disputed(item)
}

/// The payment that a refund or dispute is about; Whop leaves it out when the payment is no more.
fn payment_of(payment: &Value, payment_id: Option<&str>) -> Result<String, String> {
    let named = id_in(payment).or_else(|| payment_id.map(str::to_owned)).filter(|id| !id.is_empty());
    named.ok_or_else(|| "data: no payment is named".to_owned())
}

/// v1 nests an object, v2 writes its id.
fn id_in(value: &Value) -> Option<String> {
    text_of(value).or_else(|| text_of(&value["id"]))
}

fn is_something(raw: &&RawValue) -> bool {
    raw.get() != "null"
}

/// In major units.
fn amount(number: Option<&RawValue>, currency: Option<&str>) -> Result<Money, String> {
    let text = number.filter(is_something).ok_or("no amount")?.get().trim_matches('"');
    let currency = Currency::parse(currency.ok_or("no currency")?).map_err(|error| error.to_string())?;
    Money::parse_major(text, currency).map_err(|error| error.to_string())
}

fn millis(value: &Value) -> Option<Millis> {
    match value {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        Value::Number(number) => number.as_i64().and_then(|seconds| seconds.checked_mul(1000)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
