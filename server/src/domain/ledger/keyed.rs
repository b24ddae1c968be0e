//! What events that are posted with a key say about money: the entries of a receiving Aurea's ledger, under (funnel,
//! source, orderId), so that it comes to the same sums as whoever forwarded them.

use app::event::name;
use serde_json::{Map, Value};

use super::{
    Attribution, Conversion, Counts, Dispute, DisputeState, Entry, Later, PURCHASE, Payment, PaymentKey,
    PaymentKind, Refund, RefundState,
};
use crate::domain::event::{Event, Source, TEST};
use crate::domain::money::{Currency, Money};

/// What such an event says; nothing, if it is not about money or does not say about which.
///
/// A missing currency is the funnel's, a missing type is `purchase`. What is no amount of money stays unknown rather than
/// guessed.
pub fn entry_of_keyed_event(event: &Event, funnel_currency: Currency) -> Option<Entry> {
    if event.source != Source::Key {
        return None;
    }
    let said = Said { event, currency: funnel_currency };
    match event.name.as_str() {
        name::CHECKOUT_COMPLETED => Some(Entry::Conversion(said.conversion())),
        name::SUBSCRIPTION_RENEWED => said.renewal().map(Entry::Payment),
        name::PAYMENT_REFUNDED => said.refund().map(Entry::Refund),
        name::PAYMENT_DISPUTED => said.dispute().map(Entry::Dispute),
        _ => None,
    }
}

/// An event that somebody with a key tells.
struct Said<'a> {
    event: &'a Event,
    currency: Currency,
}

impl Said<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        text_in(&self.event.properties, key)
    }

    fn says(&self, key: &str) -> bool {
        self.event.properties.get(key) == Some(&Value::Bool(true))
    }

    fn id(&self) -> &str {
        self.event.event_id.as_str()
    }

    fn key(&self, payment_id: &str) -> PaymentKey {
        PaymentKey {
            funnel: self.event.funnel.clone(),
            provider: self.text("source").unwrap_or("key").to_owned(),
            payment_id: payment_id.to_owned(),
        }
    }

    fn amount(&self) -> Result<Money, String> {
        let amount = amount_in(&self.event.properties, "amount", Some(self.currency));
        amount.ok_or_else(|| "the event names no amount of money".to_owned())
    }

    fn attribution(&self) -> Attribution {
        Attribution {
            session_id: Some(self.event.session_id.clone()),
            anonymous_id: self.event.anonymous_id.clone(),
            checkout_started_at: None,
        }
    }

    fn conversion(&self) -> Conversion {
        Conversion {
            key: self.key(self.text("orderId").unwrap_or(self.id())),
            conversion_type: self.text("conversionType").unwrap_or(PURCHASE).to_owned(),
            amount: amount_in(&self.event.properties, "revenue", Some(self.currency)),
            converted_at: self.event.timestamp,
            session_id: Some(self.event.session_id.clone()),
            anonymous_id: self.event.anonymous_id.clone(),
            test: self.says(TEST),
            later: Later::default(),
        }
    }

    fn renewal(&self) -> Option<Payment> {
        Some(Payment {
            key: self.key(self.text("orderId").unwrap_or(self.id())),
            also_known_as: Vec::new(),
            subscription_id: Some(self.text("renews")?.to_owned()),
            kind: PaymentKind::Renewal,
            amount: self.amount(),
            paid_at: self.event.timestamp,
            test: self.says(TEST),
            reconciled: false,
            attribution: self.attribution(),
            received_at: self.event.received_at,
        })
    }

    fn refund(&self) -> Option<Refund> {
        let failed = self.text("status") == Some(RefundState::Failed.as_str());
        Some(Refund {
            refund_id: self.text("refundId").unwrap_or(self.id()).to_owned(),
            of: self.key(self.text("orderId")?),
            amount: self.amount(),
            counts: if self.says("allSoFar") { Counts::AllSoFar } else { Counts::One },
            state: if failed { RefundState::Failed } else { RefundState::Succeeded },
            at: self.event.timestamp,
            attribution: self.attribution(),
            received_at: self.event.received_at,
        })
    }

    fn dispute(&self) -> Option<Dispute> {
        Some(Dispute {
            dispute_id: self.text("disputeId").unwrap_or(self.id()).to_owned(),
            of: self.key(self.text("orderId")?),
            amount: self.amount(),
            state: DisputeState::parse(self.text("status").unwrap_or(DisputeState::Open.as_str()))?,
            at: self.event.timestamp,
            received_at: self.event.received_at,
        })
    }
}

fn text_in<'a>(properties: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The money under `key`, in the `currency` beside it or in `otherwise`. What is no amount of money is none.
pub fn amount_in(properties: &Map<String, Value>, key: &str, otherwise: Option<Currency>) -> Option<Money> {
    let currency = match text_in(properties, "currency") {
        Some(code) => Currency::parse(code).ok()?,
        None => otherwise?,
    };
    let text = match properties.get(key)? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    Money::parse_major(&text, currency).ok()
}
