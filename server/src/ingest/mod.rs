//! Events in: who may send them, what they must look like, and the answer for each.
//!
//! A 200 lists a result for every event in order; `ok` means that it is on disk. One bad event costs no other.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::now;
use crate::domain::Millis;
use crate::domain::commit::Commit;
use crate::domain::event::{BOT, Event, FunnelId, Source};
use crate::domain::ledger::entry_of_keyed_event;
use crate::domain::money::Currency;
use crate::domain::outbox::Listener;
use crate::error::ApiError;
use crate::failpoints;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use limit::Limit;
use sender::Gate;
use wire::WireEvent;

mod bot;
pub mod limit;
pub mod sender;
mod wire;

/// Events in one request.
const MAX_EVENTS: usize = 500;

/// Who sent a request, as far as the collector has made sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// For which funnel.
    pub funnel: FunnelId,
    /// Browser or key.
    pub source: Source,
    /// Why a browser is taken for a program.
    pub bot: Option<String>,
}

/// Takes events in.
pub struct Collector {
    store: Arc<dyn Store>,
    currency: Currency,
    forward_to: Vec<Listener>,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
pub struct Results {
    /// One for each event, in order.
    pub results: Vec<EventResult>,
}

/// The answer to one event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventResult {
    /// The event's id; derived from its content if it brought none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What became of it.
    pub result: Outcome,
    /// Why, if it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is on disk.
    Ok,
    /// It was there already.
    Duplicate,
    /// It is not taken; sending it again won't help.
    Dropped,
}

/// What a body without events is answered, by whoever lets its sender in.
pub const EMPTY_BATCH: &str = "empty_batch";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<'a> {
    sent_at: Option<f64>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl Collector {
    /// `currency` is that of keyed amounts that name none; `forward_to` is told of what browsers send.
    pub fn new(store: Arc<dyn Store>, currency: Currency, forward_to: Vec<Listener>) -> Self {
        Self { store, currency, forward_to }
    }

    /// Parses a body, commits what is good in it and answers for every event. When the disk is nearly full, browsers are
    /// told to come back later: they keep their events, and those of others may tell of money.
    pub async fn collect(&self, sender: Sender, body: &[u8], now: Millis) -> Result<Results, ApiError> {
        if sender.source == Source::Browser && self.store.scarce() {
            return Err(StoreError::Scarce.into());
        }
        let batch = parse_batch(body)?;
        let skew = batch.sent_at.map_or(0, |sent_at| skew(sent_at, now));
        let parsed: Vec<Result<Parsed, Refused>> =
            batch.events.iter().map(|raw| parse_event(raw, &sender, skew, now)).collect();
        let mut events: Vec<Event> = parsed.iter().flatten().map(|parsed| parsed.event.clone()).collect();
        if let Some(why) = &sender.bot {
            for event in &mut events {
                event.properties.insert(BOT.to_owned(), why.clone().into());
            }
        }
        let entry = |(place, event)| Some((place, entry_of_keyed_event(event, self.currency)?));
        let told = events.iter().enumerate().filter_map(entry).collect();
        let new_events = match events.first() {
            None => Vec::new(),
            Some(first) => {
                let (session_id, count) = (first.session_id.clone(), events.len());
                let forward_to = self.forward_to.clone();
                let commit = Commit { events, told, forward_to, at: now, ..Commit::default() };
                let committed = self.store.commit(commit).await;
                let committed = committed.inspect_err(|error| {
                    let (funnel, source) = (sender.funnel.as_str(), sender.source.as_str());
                    // Not louder: a store that ails says so itself, and everybody sends again.
                    tracing::debug!(funnel, source, %session_id, events = count, %error, "a batch is not recorded");
                });
                let new_events = committed?.new_events;
                failpoints::reach("events.after_commit");
                new_events
            }
        };
        Ok(results(parsed, new_events))
    }
}

/// `POST /api/track/events` and its alias `/api/pulse`. The body is read when its sender is let in.
pub async fn collect(
    State(gate): State<Arc<Gate>>,
    State(limit): State<Arc<Limit>>,
    State(collector): State<Arc<Collector>>,
    State(metrics): State<Arc<Metrics>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Json<Results>, ApiError> {
    let sender = gate.admit(request.headers())?;
    if sender.source == Source::Browser {
        limit.admit(peer.ip(), request.headers())?;
    }
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|rejection| ApiError::new(rejection.status(), "unreadable_body", rejection.body_text()))?;
    let source = sender.source.as_str();
    let results = collector.collect(sender, &body, now()).await?;
    let dropped = results.results.iter().filter(|result| result.result == Outcome::Dropped);
    metrics.events(source, "dropped", dropped.count()); // the others are counted where they are written
    Ok(Json(results))
}

fn results(parsed: Vec<Result<Parsed, Refused>>, new_events: Vec<bool>) -> Results {
    let mut new_events = new_events.into_iter();
    let answer = |parsed: Result<Parsed, Refused>| match parsed {
        Ok(parsed) => EventResult {
            event_id: Some(parsed.event_id),
            result: if new_events.next() == Some(true) { Outcome::Ok } else { Outcome::Duplicate },
            detail: None,
        },
        Err(refused) => {
            EventResult { event_id: refused.event_id, result: Outcome::Dropped, detail: Some(refused.detail) }
        }
    };
    Results { results: parsed.into_iter().map(answer).collect() }
}

/// What can still be read of an event that is none, so that its answer can name it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JustId {
    event_id: Option<String>,
}

/// An event, and the id that its sender knows it by.
struct Parsed {
    event_id: String,
    event: Event,
}

/// An event that is not taken.
struct Refused {
    event_id: Option<String>,
    detail: String,
}

fn parse_batch(body: &[u8]) -> Result<Batch<'_>, ApiError> {
    let bad = |tag, message: String| ApiError::new(StatusCode::BAD_REQUEST, tag, message);
    if body.is_empty() {
        return Err(bad("empty_body", "the body is empty".into()));
    }
    let batch: Batch<'_> = serde_json::from_slice(body)
        .map_err(|error| bad("not_a_batch", format!("the body must be {{\"events\":[…]}}: {error}")))?;
    if batch.events.is_empty() {
        return Err(bad(EMPTY_BATCH, "there are no events".into()).field("events"));
    }
    if batch.events.len() > MAX_EVENTS {
        let message = format!("at most {MAX_EVENTS} events in one request");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", message).field("events"));
    }
    Ok(batch)
}

/// How far the sender's clock is behind ours, ms. A small difference is the way here, not the clock: correcting by it
/// would blur the order of events that reach us by different requests.
fn skew(sent_at: f64, now: Millis) -> Millis {
    const LATENCY: Millis = 2000;
    #[allow(clippy::cast_possible_truncation)] // saturates; far times are clamped later
    let difference = now.saturating_sub(sent_at as Millis);
    if difference.abs() <= LATENCY { 0 } else { difference }
}

fn parse_event(raw: &RawValue, sender: &Sender, skew: Millis, now: Millis) -> Result<Parsed, Refused> {
    let wire: WireEvent = serde_json::from_str(raw.get()).map_err(|error| Refused {
        event_id: serde_json::from_str::<JustId>(raw.get()).ok().and_then(|just| just.event_id),
        detail: format!("not an event: {error}"),
    })?;
    let event_id = wire.event_id.clone();
    match wire.into_event(sender, skew, now) {
        Ok(event) => Ok(Parsed { event_id: event_id.unwrap_or_else(|| event.event_id.to_string()), event }),
        Err(detail) => Err(Refused { event_id, detail }),
    }
}
