//! The JSON of design 4.4.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{EVENTS_SHOWN, redact, visitor_of};
use crate::domain::Millis;
use crate::domain::attribution::Touch;
use crate::domain::checkout::BegunCheckout;
use crate::domain::ledger::{Conversion, Dispute, Entry, Later, Refund, totals};
use crate::domain::money::{Currency, Money, major_json};
use crate::domain::session::{Moment, Session, View, view};
use crate::store::{PaymentRecord, SessionRow, Uncounted};
use app::event::{AnonymousId, SessionId};

/// One session, as the seed shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionJson {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<String>,
    events: Vec<EventJson>,
    /// Where the events go on, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// How the ids of its checkouts went to the provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checkouts: Vec<CheckoutJson>,
    #[serde(flatten)]
    summary: SummaryJson,
}

/// A session without its events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionItemJson {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<String>,
    started_at: Millis,
    ended_at: Millis,
    event_count: u64,
    /// Why its visitor is taken for a bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    bot: Option<String>,
    #[serde(flatten)]
    summary: SummaryJson,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryJson {
    converted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion_value: Option<Value>,
    /// What is left of that and of the renewals after refunds and disputes.
    #[serde(skip_serializing_if = "Option::is_none")]
    net_value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    total_duration: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_convert: Option<i64>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<&'static str>,
    touch: Touch,
    conversions: Vec<ConversionJson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    event_name: String,
    timestamp: Millis,
    #[serde(skip_serializing_if = "Map::is_empty")]
    properties: Map<String, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    after_end: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckoutJson {
    provider: String,
    carried: &'static str,
    started_at: Millis,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConversionJson {
    provider: String,
    order_id: String,
    conversion_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    /// What is left of it and of its renewals after refunds and disputes.
    #[serde(skip_serializing_if = "Option::is_none")]
    net_value: Option<Value>,
    /// What happened to its money later; nothing, for most.
    #[serde(flatten)]
    later: LaterJson,
    timestamp: Millis,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct LaterJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    renewals: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal_value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disputed_value: Option<Value>,
}

/// A page of sessions, newest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionsJson {
    pub(super) sessions: Vec<SessionItemJson>,
    pub(super) next_cursor: Option<String>,
}

/// What a folded session and one in a list have in common.
struct Short<'a> {
    conversions: &'a [Conversion],
    started_at: Millis,
    ended_at: Millis,
    view: View,
    touch: Touch,
}

impl Short<'_> {
    fn json(self) -> SummaryJson {
        let seconds = |until: Millis| (until - self.started_at).max(0) / 1000;
        let first = self.conversions.first();
        let sum = |of: fn(&Conversion) -> Option<Money>| totals(self.conversions, of).first().copied();
        let value = sum(|conversion| conversion.amount);
        SummaryJson {
            converted: first.is_some(),
            conversion_type: first.map(|conversion| conversion.conversion_type.clone()),
            conversion_value: value.map(Money::major_json),
            net_value: sum(Conversion::net).map(Money::major_json),
            currency: value.map(|value| value.currency.code()),
            total_duration: seconds(self.ended_at),
            time_to_convert: first.map(|conversion| seconds(conversion.converted_at)),
            state: self.view.state.as_str(),
            end_reason: self.view.end_reason,
            conversions: self.conversions.iter().map(conversion_json).collect(),
            touch: self.touch,
        }
    }
}

/// A session with its events from `skip` on.
pub(super) fn session_json(
    session: Session,
    checkouts: &[BegunCheckout],
    skip: usize,
    now: Millis,
) -> SessionJson {
    let summary = Short {
        conversions: &session.conversions,
        started_at: session.started_at(),
        ended_at: session.ended_at(),
        view: view(&session.marks(), now),
        touch: session.touch.clone(),
    };
    let summary = summary.json();
    let all = session.timeline.len();
    let events: Vec<EventJson> =
        session.timeline.into_iter().skip(skip).take(EVENTS_SHOWN).map(event_json).collect();
    let shown = skip.saturating_add(events.len());
    SessionJson {
        session_id: session.session_id.to_string(),
        anonymous_id: session.anonymous_id.map(|id| id.to_string()),
        events,
        next_cursor: (shown < all).then(|| shown.to_string()),
        checkouts: checkouts.iter().map(checkout_json).collect(),
        summary,
    }
}

/// A session in a list.
pub(super) fn item_json(row: &SessionRow, now: Millis) -> SessionItemJson {
    let short = &row.summary;
    let summary = Short {
        conversions: &row.conversions,
        started_at: short.started_at(),
        ended_at: short.ended_at(),
        view: short.view(now),
        touch: short.touch.get().cloned().unwrap_or_default(),
    };
    SessionItemJson {
        session_id: short.session_id.to_string(),
        anonymous_id: visitor_of(row).map(ToString::to_string),
        started_at: short.started_at(),
        ended_at: short.ended_at(),
        event_count: short.events_shown(),
        bot: short.kept_apart().map(str::to_owned),
        summary: summary.json(),
    }
}

fn event_json(moment: Moment) -> EventJson {
    EventJson {
        event_name: moment.event.name,
        timestamp: moment.event.timestamp,
        properties: moment.event.properties,
        after_end: moment.after_end,
    }
}

fn checkout_json(begun: &BegunCheckout) -> CheckoutJson {
    CheckoutJson {
        provider: begun.provider.clone(),
        carried: begun.carried.as_str(),
        started_at: begun.started_at,
    }
}

fn conversion_json(conversion: &Conversion) -> ConversionJson {
    ConversionJson {
        provider: conversion.key.provider.clone(),
        order_id: conversion.key.payment_id.clone(),
        conversion_type: conversion.conversion_type.clone(),
        value: conversion.amount.map(Money::major_json),
        currency: conversion.amount.map(|amount| amount.currency.code()),
        net_value: conversion.net().map(Money::major_json),
        later: conversion
            .amount
            .map(|amount| later_json(conversion.later, amount.currency))
            .unwrap_or_default(),
        timestamp: conversion.converted_at,
        test: conversion.test,
    }
}

fn later_json(later: Later, currency: Currency) -> LaterJson {
    let value = |minor: i64| (minor != 0).then(|| major_json(minor, currency));
    LaterJson {
        renewals: Some(later.renewals).filter(|renewals| *renewals > 0),
        renewal_value: value(later.renewed),
        refunded_value: value(later.refunded),
        disputed_value: value(later.disputed),
    }
}

/// A payment with the deliveries that told of it.
pub(super) fn payment_json(record: &PaymentRecord) -> Value {
    let payment = &record.payment;
    let deliveries = record.deliveries.iter().map(|told| {
        json!({"deliveryId": told.delivery_id, "type": told.event_type, "state": told.state, "receivedAt": told.received_at})
    });
    let amount = payment.amount.as_ref();
    json!({
        "provider": payment.key.provider,
        "test": payment.test,
        "reconciled": payment.reconciled,
        "joinedByHandAt": record.joined_at,
        "state": record.standing.state.as_str(),
        "net": amount.ok().map(|paid| record.standing.left_of(*paid).major_json()),
        "refunds": record.refunds.iter().map(refund_json).collect::<Vec<_>>(),
        "disputes": record.disputes.iter().map(dispute_json).collect::<Vec<_>>(),
        "paymentId": payment.key.payment_id,
        "kind": payment.kind.as_str(),
        "amount": amount.ok().map(|money| money.major_json()),
        "currency": amount.ok().map(|money| money.currency.code()),
        "amountFault": amount.err(),
        "paidAt": payment.paid_at,
        "sessionId": payment.attribution.session_id.as_ref().map(SessionId::as_str),
        "anonymousId": payment.attribution.anonymous_id.as_ref().map(AnonymousId::as_str),
        "unattributed": payment.attribution.session_id.is_none(),
        "deliveries": deliveries.collect::<Vec<_>>(),
    })
}

/// A refund or dispute whose payment is not known.
pub(super) fn unjoined_json(entry: &Entry) -> Option<Value> {
    match entry {
        Entry::Refund(refund) => Some(refund_json(refund)),
        Entry::Dispute(dispute) => Some(dispute_json(dispute)),
        Entry::Payment(_) | Entry::Conversion(_) | Entry::Name(_) | Entry::Joined(_) => None,
    }
}

/// A delivery that counts for nothing, with its body as the screens show it.
pub(super) fn uncounted_json(uncounted: &Uncounted) -> Value {
    let (told, body) = (&uncounted.told, redact::shown(&uncounted.body));
    json!({
        "provider": uncounted.provider,
        "deliveryId": told.delivery_id,
        "type": told.event_type,
        "state": told.state,
        "why": uncounted.why,
        "receivedAt": told.received_at,
        "body": body.text,
        "bodyCut": body.cut,
    })
}

fn refund_json(refund: &Refund) -> Value {
    let amount = refund.amount.as_ref();
    json!({
        "provider": refund.of.provider,
        "refundId": refund.refund_id,
        "paymentId": refund.of.payment_id,
        "amount": amount.ok().map(|money| money.major_json()),
        "currency": amount.ok().map(|money| money.currency.code()),
        "amountFault": amount.err(),
        "counts": refund.counts.as_str(),
        "status": refund.state.as_str(),
        "timestamp": refund.at,
    })
}

fn dispute_json(dispute: &Dispute) -> Value {
    let amount = dispute.amount.as_ref();
    json!({
        "provider": dispute.of.provider,
        "disputeId": dispute.dispute_id,
        "paymentId": dispute.of.payment_id,
        "amount": amount.ok().map(|money| money.major_json()),
        "currency": amount.ok().map(|money| money.currency.code()),
        "amountFault": amount.err(),
        "status": dispute.state.as_str(),
        "timestamp": dispute.at,
    })
}
