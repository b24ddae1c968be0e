//! The JSON of design 4.4.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::EVENTS_SHOWN;
use crate::domain::Millis;
use crate::domain::attribution::Touch;
use crate::domain::ledger::Conversion;
use crate::domain::money::Money;
use crate::domain::session::{Moment, Session, View, view};
use crate::store::{PaymentRecord, SessionRow};
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
struct ConversionJson {
    provider: String,
    order_id: String,
    conversion_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'static str>,
    timestamp: Millis,
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
    value: Option<Money>,
    started_at: Millis,
    ended_at: Millis,
    view: View,
    touch: Touch,
}

impl Short<'_> {
    fn json(self) -> SummaryJson {
        let seconds = |until: Millis| (until - self.started_at).max(0) / 1000;
        let first = self.conversions.first();
        SummaryJson {
            converted: first.is_some(),
            conversion_type: first.map(|conversion| conversion.conversion_type.clone()),
            conversion_value: self.value.map(Money::major_json),
            net_value: self.value.map(Money::major_json),
            currency: self.value.map(|value| value.currency.code()),
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
pub(super) fn session_json(session: Session, skip: usize, now: Millis) -> SessionJson {
    let summary = Short {
        conversions: &session.conversions,
        value: session.value(),
        started_at: session.started_at(),
        ended_at: session.ended_at(),
        view: view(&session.marks(), now),
        touch: session.touch.clone(),
    };
    let summary = summary.json();
    let all = session.timeline.len();
    let events: Vec<EventJson> =
        session.timeline.into_iter().skip(skip).take(EVENTS_SHOWN).map(event_json).collect();
    let shown = skip + events.len();
    SessionJson {
        session_id: session.session_id.to_string(),
        anonymous_id: session.anonymous_id.map(|id| id.to_string()),
        events,
        next_cursor: (shown < all).then(|| shown.to_string()),
        summary,
    }
}

/// A session in a list.
pub(super) fn item_json(row: &SessionRow, now: Millis) -> SessionItemJson {
    let short = &row.summary;
    let visitor =
        short.visitor.get().or_else(|| row.conversions.iter().find_map(|c| c.anonymous_id.as_ref()));
    let summary = Short {
        conversions: &row.conversions,
        value: short.value,
        started_at: short.started_at,
        ended_at: short.ended_at(),
        view: short.view(now),
        touch: short.touch.get().cloned().unwrap_or_default(),
    };
    SessionItemJson {
        session_id: short.session_id.to_string(),
        anonymous_id: visitor.map(ToString::to_string),
        started_at: short.started_at,
        ended_at: short.ended_at(),
        event_count: short.events_shown(),
        bot: short.bot.clone(),
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

fn conversion_json(conversion: &Conversion) -> ConversionJson {
    ConversionJson {
        provider: conversion.key.provider.clone(),
        order_id: conversion.key.payment_id.clone(),
        conversion_type: conversion.conversion_type.clone(),
        value: conversion.amount.map(Money::major_json),
        currency: conversion.amount.map(|amount| amount.currency.code()),
        timestamp: conversion.converted_at,
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
