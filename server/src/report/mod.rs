//! The questions that the owner's JSON and screens ask, answered in the shape of design.md 4.4.

use std::sync::Arc;

use app::event::SessionId;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::Millis;
use crate::domain::attribution::Touch;
use crate::domain::event::FunnelId;
use crate::domain::ledger::{Conversion, Payment};
use crate::domain::money::major_json;
use crate::domain::session::{Moment, Session, fold, view};
use crate::store::{SessionCursor, SessionFilter, Store, StoreError};

/// Events that one answer shows.
const EVENTS_SHOWN: usize = 500;

/// Sessions on one page.
const SESSIONS_SHOWN: usize = 50;

/// Payments on one page.
const PAYMENTS_SHOWN: usize = 100;

/// Answers questions from the store.
#[derive(Clone)]
pub struct Report {
    store: Arc<dyn Store>,
}

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
pub struct SessionItemJson {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<String>,
    started_at: Millis,
    ended_at: Millis,
    event_count: usize,
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
    sessions: Vec<SessionItemJson>,
    next_cursor: Option<String>,
}

impl Report {
    /// A report over this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// One session with its events from `skip` on; `None` if nothing is known of it.
    pub async fn session(
        &self,
        funnel: &FunnelId,
        session_id: &SessionId,
        skip: usize,
        now: Millis,
    ) -> Result<Option<SessionJson>, StoreError> {
        let record = self.store.session(funnel, session_id).await?;
        Ok(fold(record.events, record.conversions).map(|session| session_json(session, skip, now)))
    }

    /// A page of sessions.
    pub async fn sessions(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        now: Millis,
    ) -> Result<SessionsJson, StoreError> {
        let found = self.store.sessions(funnel, filter, after, SESSIONS_SHOWN + 1).await?;
        let more = found.len() > SESSIONS_SHOWN;
        let shown = &found[..found.len().min(SESSIONS_SHOWN)];
        let next_cursor = shown.last().filter(|_| more).map(cursor_text);
        let mut sessions = Vec::with_capacity(shown.len());
        for (_, session_id) in shown {
            let record = self.store.session(funnel, session_id).await?;
            sessions.extend(fold(record.events, record.conversions).map(|session| item_json(session, now)));
        }
        Ok(SessionsJson { sessions, next_cursor })
    }

    /// The newest payments.
    pub async fn payments(&self, funnel: &FunnelId) -> Result<Value, StoreError> {
        let payments = self.store.payments(funnel, PAYMENTS_SHOWN).await?;
        Ok(json!({ "payments": payments.iter().map(payment_json).collect::<Vec<_>>() }))
    }
}

/// `{ms}_{sessionId}`.
fn cursor_text((last_at, session_id): &SessionCursor) -> String {
    format!("{last_at}_{session_id}")
}

/// Reads what an earlier answer gave as `nextCursor`.
pub fn parse_cursor(text: &str) -> Option<SessionCursor> {
    let (last_at, session_id) = text.split_once('_')?;
    Some((last_at.parse().ok()?, SessionId::parse(session_id).ok()?))
}

fn summary(session: &Session, now: Millis) -> SummaryJson {
    let value = session.value();
    let view = view(session, now);
    let value_json = value.map(|(minor, currency)| major_json(minor, currency));
    SummaryJson {
        converted: session.converted(),
        conversion_type: session.conversions.first().map(|conversion| conversion.conversion_type.clone()),
        conversion_value: value_json.clone(),
        net_value: value_json,
        currency: value.map(|(_, currency)| currency.code()),
        total_duration: session.total_seconds(),
        time_to_convert: session.seconds_to_convert(),
        state: view.state.as_str(),
        end_reason: view.end_reason,
        touch: session.touch.clone(),
        conversions: session.conversions.iter().map(conversion_json).collect(),
    }
}

fn session_json(session: Session, skip: usize, now: Millis) -> SessionJson {
    let summary = summary(&session, now);
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

fn item_json(session: Session, now: Millis) -> SessionItemJson {
    SessionItemJson {
        started_at: session.started_at(),
        ended_at: session.ended_at(),
        event_count: session.timeline.len(),
        summary: summary(&session, now),
        session_id: session.session_id.to_string(),
        anonymous_id: session.anonymous_id.map(|id| id.to_string()),
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
        value: conversion.amount.map(crate::domain::money::Money::major_json),
        currency: conversion.amount.map(|amount| amount.currency.code()),
        timestamp: conversion.converted_at,
    }
}

fn payment_json(payment: &Payment) -> Value {
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
        "anonymousId": payment.attribution.anonymous_id.as_ref().map(app::event::AnonymousId::as_str),
        "unattributed": payment.attribution.session_id.is_none(),
    })
}
