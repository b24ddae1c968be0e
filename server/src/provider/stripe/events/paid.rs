//! Money that came in, or did not: Checkout Sessions, the invoices of subscriptions, payment intents.
//!
//! One piece of money has one name here, whichever event tells of it: a payment's is its payment intent, a
//! subscription's is the invoice, since a Checkout Session that begins one names the invoice and no payment intent.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::money;
use super::{Event, id_of};
use crate::domain::money::{Currency, Money};
use crate::provider::{Fact, Failed, Metadata, Named, Paid, PaymentKind, own_id, packed, text_of};

/// A Checkout Session.
#[derive(Deserialize)]
pub(super) struct Session<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    mode: Option<String>,
    payment_status: Option<String>,
    #[serde(borrow)]
    amount_total: Option<&'a RawValue>,
    currency: Option<String>,
    #[serde(default)]
    payment_intent: Value,
    #[serde(default)]
    invoice: Value,
    #[serde(default)]
    subscription: Value,
    client_reference_id: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Session<'_> {
    /// `unpaid` is a way to pay that takes days: the money is told of when it is there. Nothing is sold in `setup` mode.
    pub(super) fn paid(&self, event: &Event<'_>) -> Result<Vec<Fact>, String> {
        if self.mode.as_deref() == Some("setup") {
            return Ok(Vec::new());
        }
        let amount = match self.payment_status.as_deref() {
            Some("paid") => money::amount(self.amount_total, self.currency.as_deref()),
            Some("no_payment_required") => self.nothing(),
            Some("unpaid") => return Ok(Vec::new()),
            Some(other) => return Err(format!("data.object: unknown payment_status {other:?}")),
            None => return Err("data.object: no payment_status".to_owned()),
        };
        let mut names = self.names();
        Ok(vec![Fact::Paid(Paid {
            payment_id: names.remove(0),
            also_known_as: names,
            subscription_id: id_of(&self.subscription),
            kind: PaymentKind::First,
            amount,
            paid_at: event.at(),
            test: event.is_test(),
            metadata: self.ids(),
        })])
    }

    pub(super) fn failed(&self, reason: &str, event: &Event<'_>) -> Vec<Fact> {
        vec![Fact::Failed(Failed {
            id: self.names().remove(0),
            reason: reason.to_owned(),
            at: event.at(),
            test: event.is_test(),
            metadata: self.ids(),
        })]
    }

    /// A trial, or a code that takes everything off.
    fn nothing(&self) -> Result<Money, String> {
        let currency = Currency::parse(self.currency.as_deref().ok_or("no currency")?);
        currency.map(|currency| Money { minor: 0, currency }).map_err(|error| error.to_string())
    }

    /// The payment's name, then the others.
    fn names(&self) -> Vec<String> {
        let (intent, invoice) = (id_of(&self.payment_intent), id_of(&self.invoice));
        let order = if id_of(&self.subscription).is_some() { [invoice, intent] } else { [intent, invoice] };
        order.into_iter().flatten().chain([self.id.clone()]).collect()
    }

    fn ids(&self) -> Metadata {
        let carried = Metadata::found(|key| text_of(&self.metadata[key]));
        if carried != Metadata::default() {
            return carried;
        }
        self.client_reference_id.as_deref().and_then(packed::unpack).unwrap_or_default()
    }
}

/// An invoice.
#[derive(Deserialize)]
pub(super) struct Invoice<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    billing_reason: Option<String>,
    #[serde(borrow)]
    amount_paid: Option<&'a RawValue>,
    currency: Option<String>,
    /// Since 2025 the subscription stands here.
    #[serde(default)]
    parent: Value,
    #[serde(default)]
    subscription: Value,
    #[serde(default)]
    subscription_details: Value,
    #[serde(default)]
    lines: Value,
    #[serde(default)]
    payment_intent: Value,
    #[serde(default)]
    charge: Value,
}

impl Invoice<'_> {
    /// The first invoice of a subscription is the money of its Checkout Session, the others renew. What is not of a
    /// subscription is no purchase that a checkout led to, or its Checkout Session tells of it.
    pub(super) fn paid(&self, event: &Event<'_>) -> Vec<Fact> {
        let parent = &self.parent["subscription_details"];
        let Some(subscription_id) = id_of(&parent["subscription"]).or_else(|| id_of(&self.subscription))
        else {
            return Vec::new();
        };
        let first = self.billing_reason.as_deref() == Some("subscription_create");
        let places =
            [&parent["metadata"], &self.subscription_details["metadata"], &self.lines["data"][0]["metadata"]];
        vec![Fact::Paid(Paid {
            payment_id: self.id.clone(),
            also_known_as: [&self.payment_intent, &self.charge].into_iter().filter_map(id_of).collect(),
            subscription_id: Some(subscription_id),
            kind: if first { PaymentKind::First } else { PaymentKind::Renewal },
            amount: money::amount(self.amount_paid, self.currency.as_deref()),
            paid_at: event.at(),
            test: event.is_test(),
            metadata: Metadata::found(|key| places.iter().find_map(|place| text_of(&place[key]))),
        })]
    }
}

/// Says by what an invoice was paid: since 2025 the invoice itself does not, and refunds know nothing else.
#[derive(Deserialize)]
pub(super) struct InvoicePayment {
    #[serde(default)]
    invoice: Value,
    #[serde(default)]
    payment: Value,
}

impl InvoicePayment {
    pub(super) fn named(&self) -> Vec<Fact> {
        let Some(payment_id) = id_of(&self.invoice) else { return Vec::new() };
        let by = [&self.payment["payment_intent"], &self.payment["charge"]];
        let named = |also_known_as| Fact::Named(Named { payment_id: payment_id.clone(), also_known_as });
        by.into_iter().filter_map(id_of).map(named).collect()
    }
}

/// A payment intent.
#[derive(Deserialize)]
pub(super) struct Intent {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(default)]
    last_payment_error: Value,
    #[serde(default)]
    metadata: Value,
}

impl Intent {
    /// A try that failed; the buyer may try again on the same page. What was not begun here (a renewal) says nothing.
    pub(super) fn failed(&self, event: &Event<'_>) -> Vec<Fact> {
        let metadata = Metadata::found(|key| text_of(&self.metadata[key]));
        if metadata == Metadata::default() {
            return Vec::new();
        }
        let error = &self.last_payment_error;
        let reason = text_of(&error["decline_code"]).or_else(|| text_of(&error["code"]));
        vec![Fact::Failed(Failed {
            id: self.id.clone(),
            reason: reason.unwrap_or_else(|| "payment_failed".to_owned()),
            at: event.at(),
            test: event.is_test(),
            metadata,
        })]
    }
}
