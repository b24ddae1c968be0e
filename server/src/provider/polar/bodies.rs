//! What Polar writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! An order repeats the checkout's metadata, a renewal's order that of the subscription. A refund is told three times: by
//! `refund.created` and `refund.updated`, which count it alone and without its tax, and by `order.refunded`, which counts
//! everything that was given back so far.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money, MoneyError};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Failed, Metadata, Notice, Paid, PaymentKind, RefundState, Refunded,
    object, own_id, packed, text_of,
};

/// Currencies of which Polar counts whole units; it counts hundredths of all others, of those with three decimals too.
/// Source: polarsource/polar, `server/polar/kit/currency.py`.
const WHOLE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];

/// Reads a delivery. `test` says that it comes from the sandbox.
pub(super) fn read(body: &[u8], test: bool) -> Notice {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.read(test),
        Err(error) => Notice { message_id: None, event_type: String::new(), facts: Err(error.to_string()) },
    }
}

/// The delivery's id stands in a header only.
#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn read(self, test: bool) -> Notice {
        let event_type: String = self.r#type.chars().take(100).collect();
        let data = self.data.map_or("null", RawValue::get);
        let facts = match event_type.as_str() {
            "order.paid" => object(data).map(|order: Order<'_>| vec![order.paid(test)]),
            "order.refunded" => object(data).map(|order: Order<'_>| order.facts(test)),
            "refund.created" | "refund.updated" => listed_refund(data),
            "checkout.updated" | "checkout.expired" => {
                object(data).map(|checkout: Checkout| checkout.failed(test).into_iter().collect())
            }
            _ => Ok(Vec::new()),
        };
        Notice { message_id: None, event_type, facts }
    }
}

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    status: Option<String>,
    billing_reason: Option<String>,
    checkout_id: Option<String>,
    subscription_id: Option<String>,
    #[serde(borrow)]
    total_amount: Option<&'a RawValue>,
    #[serde(borrow)]
    refunded_amount: Option<&'a RawValue>,
    #[serde(borrow)]
    refunded_tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
    modified_at: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Order<'_> {
    /// The time is the order's own: every body that tells of the order tells the same.
    fn paid(&self, test: bool) -> Fact {
        Fact::Paid(Paid {
            payment_id: self.id.clone(),
            also_known_as: self.checkout_id.iter().cloned().collect(),
            subscription_id: self.subscription_id.clone(),
            kind: self.kind(),
            amount: amount(&[self.total_amount], self.currency.as_deref()),
            paid_at: self.created_at.as_deref().and_then(millis),
            test,
            metadata: ids(&self.metadata),
        })
    }

    /// A trial's first order is one of 0: it converts, and the first charge after it is a renewal. A reason that is not
    /// documented is judged by the checkout, which only a first order has.
    fn kind(&self) -> PaymentKind {
        match self.billing_reason.as_deref() {
            None | Some("purchase" | "subscription_create") => PaymentKind::First,
            Some("subscription_cycle" | "subscription_update") => PaymentKind::Renewal,
            Some(_) if self.checkout_id.is_some() => PaymentKind::First,
            Some(_) => PaymentKind::Renewal,
        }
    }

    /// That it was paid, and what was given back of it.
    fn facts(&self, test: bool) -> Vec<Fact> {
        let given_back = amount(&[self.refunded_amount, self.refunded_tax_amount], self.currency.as_deref());
        let refunded = Fact::Refunded(Refunded {
            refund_id: self.id.clone(),
            of: self.id.clone(),
            amount: given_back.clone(),
            counts: Counts::AllSoFar,
            state: RefundState::Succeeded,
            at: self.modified_at.as_deref().and_then(millis),
            metadata: ids(&self.metadata),
        });
        let nothing = given_back.is_ok_and(|money| money.minor == 0);
        std::iter::once(self.paid(test)).chain((!nothing).then_some(refunded)).collect()
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    order_id: String,
    status: Option<String>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
    #[serde(borrow)]
    dispute: Option<Dispute<'a>>,
}

impl Refund<'_> {
    /// A refund that prevented a dispute brings that along.
    fn facts(self) -> Vec<Fact> {
        let refunded = Fact::Refunded(Refunded {
            refund_id: self.id,
            of: self.order_id,
            amount: amount(&[self.amount, self.tax_amount], self.currency.as_deref()),
            counts: Counts::One,
            state: match self.status.as_deref() {
                Some("succeeded") => RefundState::Succeeded,
                Some("failed" | "canceled") => RefundState::Failed,
                _ => RefundState::Pending,
            },
            at: self.created_at.as_deref().and_then(millis),
            metadata: Metadata::default(), // what stands there is the refund's own
        });
        std::iter::once(refunded).chain(self.dispute.and_then(Dispute::fact)).collect()
    }
}

#[derive(Deserialize)]
struct Dispute<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    order_id: String,
    status: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
}

impl Dispute<'_> {
    /// A dispute that was prevented took its money by a refund. A state that is not documented says nothing.
    fn fact(self) -> Option<Fact> {
        let state = match self.status.as_str() {
            "early_warning" | "prevented" => DisputeState::Warning,
            "needs_response" | "under_review" => DisputeState::Open,
            "won" => DisputeState::Won,
            "lost" => DisputeState::Lost,
            _ => return None,
        };
        Some(Fact::Disputed(Disputed {
            dispute_id: self.id,
            of: self.order_id,
            amount: amount(&[self.amount, self.tax_amount], self.currency.as_deref()),
            state,
            at: self.created_at.as_deref().and_then(millis),
        }))
    }
}

#[derive(Deserialize)]
struct Checkout {
    #[serde(deserialize_with = "own_id")]
    id: String,
    status: String,
    modified_at: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Checkout {
    /// A declined card leaves a checkout open; one that `succeeded` is no proof that it was paid.
    fn failed(self, test: bool) -> Option<Fact> {
        matches!(self.status.as_str(), "failed" | "expired").then(|| {
            Fact::Failed(Failed {
                id: self.id,
                reason: self.status,
                at: self.modified_at.as_deref().and_then(millis),
                test,
                metadata: ids(&self.metadata),
            })
        })
    }
}

/// An item of the list of orders; what was not paid is no fact.
pub(super) fn listed_order(item: &str, test: bool) -> Result<Vec<Fact>, String> {
    let order: Order<'_> = object(item)?;
    let paid = matches!(order.status.as_deref(), Some("paid" | "partially_refunded" | "refunded"));
    Ok(if paid { order.facts(test) } else { Vec::new() })
}

/// An item of the list of refunds.
pub(super) fn listed_refund(item: &str) -> Result<Vec<Fact>, String> {
    object(item).map(Refund::facts)
}

/// An item of the list of disputes, of which no delivery tells.
pub(super) fn listed_dispute(item: &str) -> Result<Vec<Fact>, String> {
    object(item).map(|dispute: Dispute<'_>| dispute.fact().into_iter().collect())
}

/// When an item was made.
pub(super) fn created_at(item: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Dated {
        created_at: String,
    }
    let Dated { created_at } = serde_json::from_str(item).ok()?;
    millis(&created_at)
}

/// The seed's keys, else what a checkout link's query carried.
fn ids(metadata: &Value) -> Metadata {
    let ids = Metadata::found(|key| text_of(&metadata[key]));
    if ids.session_id.is_some() || ids.anonymous_id.is_some() {
        return ids;
    }
    text_of(&metadata["reference_id"]).and_then(|text| packed::unpack(&text)).unwrap_or_default()
}

/// The sum of counts of Polar's minor units.
fn amount(parts: &[Option<&RawValue>], currency: Option<&str>) -> Result<Money, String> {
    let currency = Currency::parse(currency.ok_or("no currency")?).map_err(|error| error.to_string())?;
    let mut minor: i64 = 0;
    for part in parts {
        let text = part.filter(|raw| raw.get() != "null").ok_or("no amount")?.get();
        let shown = || text.chars().take(40).collect::<String>();
        let count: i64 = text.parse().map_err(|_| format!("{:?} is not an amount", shown()))?;
        if count < 0 {
            return Err(MoneyError::Negative.to_string());
        }
        minor = minor.checked_add(count).ok_or_else(|| format!("{:?} is too large an amount", shown()))?;
    }
    let digits = if WHOLE.contains(&currency.code()) { 0 } else { 2 };
    Money::from_minor(minor, digits, currency).map_err(|error| error.to_string())
}

fn millis(text: &str) -> Option<Millis> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests;
