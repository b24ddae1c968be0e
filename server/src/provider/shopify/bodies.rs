//! What Shopify writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! Amounts are decimal texts in major units; a refund's may be in the buyer's currency ([`shop_money`]). Ids are whole
//! numbers of up to 64 bits, sometimes as a text or at the end of a GID (`gid://shopify/Order/1`): they are kept digit by
//! digit. A refund and a dispute name their order and nothing of ours.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Metadata, Paid, PaymentKind, RefundState, Refunded, text_of,
};

mod shop_money;

/// ISO 4217 for no currency.
const NO_CURRENCY: &str = "XXX";

/// The order of "Send test notification", always the same.
const SAMPLE_ORDER: &str = "820982911946154508";

/// Reads a delivery. A topic that is not listed here changes nothing in the ledger: `orders/cancelled` among them, because
/// the refund tells of the money.
pub(super) fn read(topic: &str, body: &[u8]) -> Result<Vec<Fact>, String> {
    let text = || std::str::from_utf8(body).map_err(|error| error.to_string());
    match topic {
        "orders/paid" => parse(text()?).and_then(|order: Order<'_>| order.facts()),
        "refunds/create" => {
            let body = text()?;
            parse(body).and_then(|refund: Refund<'_>| refund.facts(only_currency(body).as_deref()))
        }
        "disputes/create" | "disputes/update" => listed_dispute(text()?),
        "" => Err("no topic".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// An item of the list of orders, with the refunds in it; what was not paid is no fact.
pub(super) fn listed_order(item: &str) -> Result<Vec<Fact>, String> {
    let order: Order<'_> = parse(item)?;
    let mut facts = order.facts()?;
    if !facts.is_empty() {
        for refund in order.refunds.iter().flatten() {
            facts.append(&mut refund.facts(Some(&order.currency))?);
        }
    }
    Ok(facts)
}

/// A dispute, delivered or listed.
pub(super) fn listed_dispute(item: &str) -> Result<Vec<Fact>, String> {
    parse(item).and_then(|dispute: Dispute<'_>| dispute.facts())
}

/// When a dispute began; other items don't say.
pub(super) fn initiated_at(item: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Begun {
        initiated_at: String,
    }
    let Begun { initiated_at } = serde_json::from_str(item).ok()?;
    millis(&initiated_at)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    financial_status: String,
    #[serde(borrow)]
    total_price: &'a RawValue,
    currency: String,
    #[serde(default)]
    note_attributes: Value,
    processed_at: Option<String>,
    created_at: Option<String>,
    source_name: Option<String>,
    #[serde(default)]
    test: bool,
    #[serde(borrow)]
    refunds: Option<Vec<Refund<'a>>>,
}

impl Order<'_> {
    /// The topic is not signed, so that the order itself must say that it was paid. The sample order says that it is
    /// void; it is kept as a test.
    fn facts(&self) -> Result<Vec<Fact>, String> {
        let payment_id = id(self.id)?;
        let sample = payment_id == SAMPLE_ORDER;
        let paid = matches!(self.financial_status.as_str(), "paid" | "partially_refunded" | "refunded");
        if !paid && !sample {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::Paid(Paid {
            payment_id,
            also_known_as: Vec::new(),
            subscription_id: None,
            kind: self.kind(),
            amount: amount(self.total_price, &self.currency),
            paid_at: self.processed_at.as_deref().or(self.created_at.as_deref()).and_then(millis),
            test: self.test || sample,
            metadata: self.ids(),
        })])
    }

    /// Orders that a subscription makes by itself are said to have this source. Shopify documents no other mark and this
    /// one only in its forums; the first order of a subscription comes from a checkout and has another.
    fn kind(&self) -> PaymentKind {
        match self.source_name.as_deref() {
            Some("subscription_contract") => PaymentKind::Renewal,
            _ => PaymentKind::First,
        }
    }

    fn ids(&self) -> Metadata {
        let attributes = self.note_attributes.as_array().map(Vec::as_slice).unwrap_or_default();
        Metadata::found(|key| {
            attributes
                .iter()
                .filter(|it| it["name"] == key)
                .find_map(|attribute| text_of(&attribute["value"]))
        })
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    order_id: &'a RawValue,
    created_at: Option<String>,
    #[serde(borrow)]
    transactions: Vec<Transaction<'a>>,
    #[serde(default)]
    refund_line_items: Value,
    #[serde(default)]
    refund_shipping_lines: Value,
    #[serde(default)]
    total_duties_set: Value,
    #[serde(default)]
    order_adjustments: Value,
}

#[derive(Deserialize)]
struct Transaction<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    kind: String,
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: Option<String>,
}

impl Refund<'_> {
    /// What went back to the buyer; a refund without such a transaction only puts articles back. Refunds of the sample
    /// order are none. Each transaction settles by itself (a gift card at once, a card days later), so that each of several
    /// is a refund by its own id. `currency` is the shop's, if it is known, and that of transactions that name none.
    fn facts(&self, currency: Option<&str>) -> Result<Vec<Fact>, String> {
        let of = id(self.order_id)?;
        if of == SAMPLE_ORDER {
            return Ok(Vec::new());
        }
        let back: Vec<_> =
            self.transactions.iter().filter(|transaction| transaction.kind == "refund").collect();
        let fact = |transaction: &&Transaction<'_>| -> Result<Fact, String> {
            let own =
                if back.len() > 1 { transaction.id.ok_or("a transaction without an id")? } else { self.id };
            Ok(Fact::Refunded(Refunded {
                refund_id: id(own)?,
                of: of.clone(),
                amount: transaction.amount(currency).and_then(|back| self.in_shop_money(back, currency)),
                counts: Counts::One,
                state: transaction.state(),
                at: self.created_at.as_deref().and_then(millis),
                metadata: Metadata::default(),
            }))
        };
        back.iter().map(fact).collect()
    }
}

impl Transaction<'_> {
    fn state(&self) -> RefundState {
        match self.status.as_str() {
            "success" => RefundState::Succeeded,
            "failure" | "error" => RefundState::Failed,
            _ => RefundState::Pending,
        }
    }

    fn amount(&self, currency: Option<&str>) -> Result<Money, String> {
        let currency = self.currency.as_deref().or(currency).ok_or("no currency")?;
        amount(self.amount, currency)
    }
}

/// The one currency that a body speaks of, if it is one: transactions of a single-currency shop may leave it out (`XXX` is
/// ISO 4217 for none).
fn only_currency(body: &str) -> Option<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(fields) => {
                found.extend(fields.get("currency_code").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(&serde_json::from_str(body).ok()?, &mut found);
    found.remove(NO_CURRENCY);
    found.pop_first().filter(|_| found.is_empty())
}

#[derive(Deserialize)]
struct Dispute<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    order_id: &'a RawValue,
    r#type: String,
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: String,
    initiated_at: Option<String>,
    finalized_on: Option<String>,
}

impl Dispute<'_> {
    /// An inquiry withholds nothing, and neither does a dispute that was settled by a refund: the refund tells of the
    /// money. A state that is not documented says nothing.
    fn facts(&self) -> Result<Vec<Fact>, String> {
        let of = id(self.order_id)?;
        let state = match (self.r#type.as_str(), self.status.as_str()) {
            ("inquiry", _) => DisputeState::Warning,
            (_, "needs_response" | "under_review") => DisputeState::Open,
            (_, "won" | "charge_refunded") => DisputeState::Won,
            (_, "lost" | "accepted") => DisputeState::Lost,
            _ => return Ok(Vec::new()),
        };
        if of == SAMPLE_ORDER {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::Disputed(Disputed {
            dispute_id: id(self.id)?,
            of,
            amount: amount(self.amount, &self.currency),
            state,
            at: self.finalized_on.as_deref().or(self.initiated_at.as_deref()).and_then(millis),
        })])
    }
}

/// An id's digits, exactly as they are written: no float, and no number that is none.
fn id(raw: &RawValue) -> Result<String, String> {
    let text = raw.get().trim_matches('"');
    let digits =
        text.strip_prefix("gid://shopify/").and_then(|rest| rest.split_once('/')).map_or(text, |(_, id)| id);
    let sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse::<u64>() {
        Ok(_) if sound => Ok(digits.to_owned()),
        _ => Err(format!("{:?} is no id", text.chars().take(60).collect::<String>())),
    }
}

/// In major units.
fn amount(raw: &RawValue, currency: &str) -> Result<Money, String> {
    let currency = Currency::parse(currency).map_err(|error| error.to_string())?;
    Money::parse_major(raw.get().trim_matches('"'), currency).map_err(|error| error.to_string())
}

fn millis(text: &str) -> Option<Millis> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests;
