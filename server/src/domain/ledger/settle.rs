//! What follows from everything that was told about a purchase: a pure function of the set of entries.

use std::collections::BTreeSet;

use app::event::{EventId, SessionId, name};
use serde_json::{Map, Value, json};

use super::standing::{Standing, counted, standing};
use super::{
    Attribution, Conversion, Counts, Dispute, Entry, Failure, Later, PURCHASE, Payment, PaymentKey,
    PaymentKind, Refund, RefundState, fills_no_gap, sort,
};
use crate::domain::Millis;
use crate::domain::event::{Event, Page, Source, TEST, derived_id};
use crate::domain::money::Money;

/// Everything that was told about payments that belong together: by an id that they share, or by a subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Purchase {
    /// Payments.
    pub payments: Vec<Payment>,
    /// Conversions that somebody with a key tells of.
    pub told: Vec<Conversion>,
    /// Refunds in their states.
    pub refunds: Vec<Refund>,
    /// Disputes in their states.
    pub disputes: Vec<Dispute>,
}

/// What must be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// Whose each payment is.
    pub attributions: Vec<(PaymentKey, Attribution)>,
    /// How the money of each payment stands.
    pub standings: Vec<(PaymentKey, Standing)>,
    /// Its conversions, oldest first.
    pub conversions: Vec<Conversion>,
    /// Events that tell of it in the session that began it; their ids are made from what they tell.
    pub events: Vec<Event>,
}

/// One piece of a conversion's money: its own payment or a renewal.
struct Piece<'a> {
    key: &'a PaymentKey,
    amount: Option<Money>,
    payment: Option<&'a Payment>,
}

/// Says what must be there. Events are told of payments that are ours; what somebody with a key tells of came as events.
pub fn settle(mut purchase: Purchase) -> Settled {
    purchase.payments.sort_by(|a, b| (a.paid_at, &a.key).cmp(&(b.paid_at, &b.key)));
    purchase.refunds.sort_by(|a, b| (a.at, &a.refund_id, a.state).cmp(&(b.at, &b.refund_id, b.state)));
    purchase.disputes.sort_by(|a, b| (&a.dispute_id, a.state).cmp(&(&b.dispute_id, b.state)));
    purchase.attribute();
    let mut settled = Settled { conversions: purchase.conversions(), ..Settled::default() };
    // A subscription has one first payment; should there be more, the renewals belong to the earliest.
    let mut renewals: Vec<&Payment> =
        purchase.payments.iter().filter(|payment| payment.kind == PaymentKind::Renewal).collect();
    for conversion in &mut settled.conversions {
        let first = purchase.payments.iter().find(|payment| payment.key == conversion.key);
        let key = conversion.key.clone();
        let own = Piece { key: &key, amount: conversion.amount, payment: first };
        let renewed =
            std::mem::take(&mut renewals).into_iter().filter(|payment| payment.test == conversion.test);
        let renewed = renewed.map(|payment| Piece {
            key: &payment.key,
            amount: payment.amount.as_ref().ok().copied(),
            payment: Some(payment),
        });
        let pieces: Vec<Piece<'_>> = std::iter::once(own).chain(renewed).collect();
        conversion.later = purchase.later(conversion.amount, &pieces);
        if let Some(teller) = first.and_then(Teller::of) {
            settled.events.extend(teller.tell(&purchase, &pieces));
        }
    }
    settled.standings = purchase.payments.iter().map(|payment| purchase.stands(payment)).collect();
    settled.attributions =
        purchase.payments.into_iter().map(|payment| (payment.key, payment.attribution)).collect();
    settled
}

impl Purchase {
    /// What one of them says about whose the purchase is holds for those that don't say.
    fn attribute(&mut self) {
        let known = |attribution: &&Attribution| attribution.session_id.is_some();
        let of_payments = self.payments.iter().map(|payment| &payment.attribution).find(known);
        let of_refunds = || self.refunds.iter().map(|refund| &refund.attribution).find(known);
        let Some(shared) = of_payments.or_else(of_refunds).cloned() else { return };
        for payment in &mut self.payments {
            if payment.attribution.session_id.is_none() {
                payment.attribution = shared.clone();
            }
        }
    }

    /// Whether an entry tells nothing new.
    pub fn knows(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Payment(told) => {
                self.payments.iter().any(|known| known.key == told.key && known.says_all_of(told))
            }
            Entry::Refund(told) => self.refunds.iter().any(|known| {
                let same = (&known.refund_id, known.counts, known.state)
                    == (&told.refund_id, told.counts, told.state);
                let says_as_much = match told.counts {
                    Counts::One => fills_no_gap(&told.amount, &known.amount),
                    Counts::AllSoFar => known.amount == told.amount,
                };
                same && says_as_much
            }),
            Entry::Dispute(told) => self.disputes.iter().any(|known| {
                let same = (&known.dispute_id, known.state) == (&told.dispute_id, told.state);
                same && fills_no_gap(&told.amount, &known.amount)
            }),
            Entry::Conversion(told) => self.told.iter().any(|known| known.key == told.key),
            Entry::Joined(told) => {
                let whose = |known: &Payment| known.key == told.of && known.attribution.session_id.is_some();
                self.payments.iter().any(whose)
            }
            Entry::Name(told) => {
                let named = |known: &Payment| known.key == told.of && known.is_known_as(&told.also_known_as);
                self.payments.iter().any(named)
            }
        }
    }

    fn conversions(&self) -> Vec<Conversion> {
        let firsts = self.payments.iter().filter(|payment| payment.kind == PaymentKind::First);
        let mut conversions: Vec<Conversion> = firsts.filter_map(conversion_of).collect();
        let ours = |told: &&Conversion| self.payments.iter().any(|payment| payment.key == told.key);
        conversions.extend(self.told.iter().filter(|told| !ours(told)).cloned());
        sort(&mut conversions);
        conversions
    }

    /// Currencies are never added together: what is told in another one is kept, and counts for nothing here.
    fn later(&self, amount: Option<Money>, pieces: &[Piece<'_>]) -> Later {
        let Some(currency) = amount.map(|amount| amount.currency) else { return Later::default() };
        let mut later = Later::default();
        for (place, piece) in pieces.iter().enumerate() {
            let Some(amount) = piece.amount.filter(|amount| amount.currency == currency) else { continue };
            if place > 0 {
                later.renewals += 1;
                later.renewed = later.renewed.saturating_add(amount.minor);
            }
            let Standing { refunded, disputed, .. } =
                standing(Some(amount), &self.refunds_of(piece), &self.disputes_of(piece));
            later.refunded = later.refunded.saturating_add(refunded);
            later.disputed = later.disputed.saturating_add(disputed);
        }
        later
    }

    fn stands(&self, payment: &Payment) -> (PaymentKey, Standing) {
        let amount = payment.amount.as_ref().ok().copied();
        let piece = Piece { key: &payment.key, amount, payment: Some(payment) };
        (payment.key.clone(), standing(amount, &self.refunds_of(&piece), &self.disputes_of(&piece)))
    }

    fn refunds_of(&self, piece: &Piece<'_>) -> Vec<&Refund> {
        self.refunds.iter().filter(|refund| piece.is_known_as(&refund.of.payment_id)).collect()
    }

    fn disputes_of(&self, piece: &Piece<'_>) -> Vec<&Dispute> {
        self.disputes.iter().filter(|dispute| piece.is_known_as(&dispute.of.payment_id)).collect()
    }
}

impl Piece<'_> {
    fn is_known_as(&self, id: &str) -> bool {
        self.payment.map_or(self.key.payment_id == id, |payment| payment.is_known_as(id))
    }
}

fn conversion_of(payment: &Payment) -> Option<Conversion> {
    Some(Conversion {
        key: payment.key.clone(),
        conversion_type: PURCHASE.to_owned(),
        amount: Some(*payment.amount.as_ref().ok()?),
        converted_at: payment.paid_at,
        session_id: payment.attribution.session_id.clone(),
        anonymous_id: payment.attribution.anonymous_id.clone(),
        test: payment.test,
        later: Later::default(),
    })
}

/// Tells of a purchase in the session that began it.
struct Teller<'a> {
    first: &'a Payment,
    session_id: &'a SessionId,
    converted_at: Millis,
}

impl<'a> Teller<'a> {
    fn of(first: &'a Payment) -> Option<Self> {
        let session_id = first.attribution.session_id.as_ref()?;
        // A provider's clock may cut to seconds or lag: the payment still stands after the click that led to it.
        let converted_at = first.paid_at.max(first.attribution.checkout_started_at.unwrap_or(first.paid_at));
        Some(Self { first, session_id, converted_at })
    }

    fn tell(&self, purchase: &Purchase, pieces: &[Piece<'_>]) -> Vec<Event> {
        let mut events = self.conversion();
        for (place, piece) in pieces.iter().enumerate() {
            if let (true, Some(payment)) = (place > 0, piece.payment) {
                events.extend(self.renewal(payment));
            }
            let refunds = purchase.refunds_of(piece);
            let counted = counted(&refunds);
            events.extend(refunds.iter().filter_map(|refund| self.refund(piece, refund, &counted)));
            events
                .extend(purchase.disputes_of(piece).into_iter().map(|dispute| self.dispute(piece, dispute)));
        }
        events
    }

    fn conversion(&self) -> Vec<Event> {
        let Ok(money) = &self.first.amount else { return Vec::new() };
        let duration = self.checkout_seconds();
        let (revenue, currency) = (money.major_json(), money.currency.code());
        let order_id = &self.first.key.payment_id;
        let completed = json!({
            "conversionType": PURCHASE, "revenue": revenue, "currency": currency, "orderId": order_id,
            "checkoutDuration": duration, "sessionEnd": true,
        });
        let ended = json!({
            "converted": true, "conversionType": PURCHASE, "revenue": revenue, "currency": currency,
            "orderId": order_id, "duration": duration.unwrap_or(0),
        });
        [(name::CHECKOUT_COMPLETED, completed), (name::SESSION_END, ended)]
            .into_iter()
            .map(|(event_name, properties)| {
                let said = Said { at: self.first.paid_at, received_at: self.first.received_at };
                self.event(event_name, &[order_id, event_name], properties, said)
            })
            .collect()
    }

    /// Whole seconds from the click to the payment, never negative.
    fn checkout_seconds(&self) -> Option<i64> {
        let started = self.first.attribution.checkout_started_at?;
        Some((self.first.paid_at - started).max(0) / 1000)
    }

    fn renewal(&self, payment: &Payment) -> Option<Event> {
        let money = payment.amount.as_ref().ok()?;
        let order_id = &payment.key.payment_id;
        let properties = json!({
            "orderId": order_id, "renews": self.first.key.payment_id,
            "amount": money.major_json(), "currency": money.currency.code(),
        });
        let said = Said { at: payment.paid_at, received_at: payment.received_at };
        Some(self.event(
            name::SUBSCRIPTION_RENEWED,
            &[order_id, name::SUBSCRIPTION_RENEWED],
            properties,
            said,
        ))
    }

    /// A refund is told when the money went back, and once more should it come again after it had counted. A sum is told
    /// as such: the timeline leaves it out where single refunds explain it.
    fn refund(&self, piece: &Piece<'_>, refund: &Refund, counted: &BTreeSet<&str>) -> Option<Event> {
        let (order_id, refund_id) = (&piece.key.payment_id, &refund.refund_id);
        let amount = refund.amount.as_ref().ok();
        let mut properties = json!({
            "orderId": order_id, "refundId": refund_id,
            "amount": amount.map(|money| money.major_json()), "currency": amount.map(|money| money.currency.code()),
        });
        let said = Said { at: refund.at, received_at: refund.received_at };
        let id: Vec<String> = match (refund.counts, refund.state) {
            (_, RefundState::Pending) | (Counts::AllSoFar, RefundState::Failed) => return None,
            (Counts::One, RefundState::Succeeded) => vec!["refund".to_owned(), refund_id.clone()],
            (Counts::One, RefundState::Failed) => {
                counted.get(refund_id.as_str())?;
                properties["status"] = RefundState::Failed.as_str().into();
                vec!["refund".to_owned(), refund_id.clone(), "failed".to_owned()]
            }
            (Counts::AllSoFar, RefundState::Succeeded) => {
                properties["allSoFar"] = true.into();
                let sum = amount.map_or(String::new(), |money| money.minor.to_string());
                vec!["refunds".to_owned(), order_id.clone(), sum]
            }
        };
        let id: Vec<&str> = id.iter().map(String::as_str).collect();
        Some(self.event(name::PAYMENT_REFUNDED, &id, properties, said))
    }

    fn dispute(&self, piece: &Piece<'_>, dispute: &Dispute) -> Event {
        let state = dispute.state.as_str();
        let amount = dispute.amount.as_ref().ok();
        let properties = json!({
            "orderId": piece.key.payment_id, "disputeId": dispute.dispute_id, "status": state,
            "amount": amount.map(|money| money.major_json()), "currency": amount.map(|money| money.currency.code()),
        });
        let said = Said { at: dispute.at, received_at: dispute.received_at };
        self.event(name::PAYMENT_DISPUTED, &["dispute", &dispute.dispute_id, state], properties, said)
    }

    /// None stands before the payment that it is about.
    fn event(&self, event_name: &str, id: &[&str], properties: Value, said: Said) -> Event {
        let Payment { key, attribution, test, .. } = self.first;
        let mut properties = without_nulls(properties);
        properties.insert("source".to_owned(), source(&key.provider).into());
        mark(&mut properties, *test);
        Event {
            funnel: key.funnel.clone(),
            source: Source::Server,
            event_id: derived_id(&[&[key.provider.as_str()], id].concat()),
            session_id: self.session_id.clone(),
            anonymous_id: attribution.anonymous_id.clone(),
            name: event_name.to_owned(),
            properties,
            page: Page::default(),
            index: None,
            timestamp: said.at.max(self.converted_at),
            received_at: said.received_at,
        }
    }
}

/// The id of the `session_end` that this conversion brings to its session.
pub fn id_of_end(conversion: &PaymentKey) -> EventId {
    derived_id(&[&conversion.provider, &conversion.payment_id, name::SESSION_END])
}

/// When something was told.
#[derive(Clone, Copy)]
struct Said {
    at: Millis,
    received_at: Millis,
}

/// The event of a payment that did not come about, in the session that began the checkout.
pub fn failed_event(failure: &Failure) -> Option<Event> {
    let Failure { key, reason, at, test, attribution, received_at } = failure;
    let mut properties = without_nulls(
        json!({ "orderId": key.payment_id, "reason": reason, "source": source(&key.provider) }),
    );
    mark(&mut properties, *test);
    Some(Event {
        funnel: key.funnel.clone(),
        source: Source::Server,
        event_id: derived_id(&[&key.provider, &key.payment_id, name::CHECKOUT_FAILED, reason]),
        session_id: attribution.session_id.clone()?,
        anonymous_id: attribution.anonymous_id.clone(),
        name: name::CHECKOUT_FAILED.to_owned(),
        properties,
        page: Page::default(),
        index: None,
        timestamp: attribution.checkout_started_at.map_or(*at, |started| started.max(*at)),
        received_at: *received_at,
    })
}

/// Marks what is of the provider's test mode.
fn mark(properties: &mut Map<String, Value>, test: bool) {
    if test {
        properties.insert(TEST.to_owned(), true.into());
    }
}

fn source(provider: &str) -> String {
    format!("{provider}_webhook")
}

fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
