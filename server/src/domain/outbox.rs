//! The outbox: which events are told to somebody else, and in which words.
//!
//! One row is one fixed body with one key (`Idempotency-Key`): however often it is sent, it is the same bytes under the
//! same name. Whoever gets the events folds them to the same session as here. Events that came by key are not told on:
//! two that forward to each other would never stop.

use app::event::{AnonymousId, name};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::Millis;
use super::event::{Event, FunnelId, Source, derived_id};

/// Events in one body; the answer to so many surely fits into what is read of an answer.
const MAX_EVENTS: usize = 100;

/// Bytes of events in one body: far below what a receiver takes. A single event may be larger.
const MAX_BYTES: usize = 256 * 1024;

/// Who is told, by name (`aurea`); `outbox/` knows how to reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination(pub &'static str);

/// Something that must still be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names it for ever; sent as `Idempotency-Key`.
    pub id: String,
    /// Who is to be told.
    pub destination: Destination,
    /// The funnel of its events.
    pub funnel: FunnelId,
    /// The body, as it is sent: JSON of the form that events come in, without `sentAt` (the times are corrected already,
    /// and a retry comes late).
    pub body: Vec<u8>,
    /// When its first event arrived.
    pub created_at: Millis,
}

/// The rows that tell `destination` of these events, which are new.
pub fn rows<'a>(destination: Destination, events: impl IntoIterator<Item = &'a Event>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut open: Vec<(&Event, Box<RawValue>)> = Vec::new();
    let mut bytes = 0;
    for event in events.into_iter().filter(|event| event.source != Source::Key) {
        let Ok(told) = to_raw_value(&told(event)) else { continue }; // a `Value` is always JSON
        let full = open.len() == MAX_EVENTS || bytes + told.get().len() > MAX_BYTES;
        if full || open.first().is_some_and(|(first, _)| first.funnel != event.funnel) {
            rows.extend(row(destination, &std::mem::take(&mut open)));
            bytes = 0;
        }
        bytes += told.get().len();
        open.push((event, told));
    }
    rows.extend(row(destination, &open));
    rows
}

fn row(destination: Destination, events: &[(&Event, Box<RawValue>)]) -> Option<Row> {
    let (first, _) = events.first()?;
    let mut parts = vec!["outbox", destination.0, first.funnel.as_str()];
    parts.extend(events.iter().flat_map(|(event, _)| [event.source.as_str(), event.event_id.as_str()]));
    Some(Row {
        id: derived_id(&parts).to_string(),
        destination,
        funnel: first.funnel.clone(),
        body: body_of(events.iter().map(|(_, told)| &**told)),
        created_at: first.received_at,
    })
}

/// An event as it is told: there it comes by key, so what is believed of a browser must be said in so many words.
fn told(event: &Event) -> Value {
    let mut properties = event.properties.clone();
    if event.name == name::SESSION_END && event.source == Source::Browser {
        properties.remove("converted");
        properties.insert("provisional".into(), Value::Bool(true));
    }
    json!({
        "eventId": event.event_id.as_str(),
        "eventName": event.name,
        "properties": properties,
        "context": {
            "user": present([("anonymousId", event.anonymous_id.as_ref().map(AnonymousId::as_str).map(Value::from))]),
            "session": present([
                ("sessionId", Some(event.session_id.as_str().into())),
                ("index", event.index.map(Value::from)),
            ]),
            "page": present([
                ("url", event.page.url.as_deref().map(Value::from)),
                ("referrer", event.page.referrer.as_deref().map(Value::from)),
            ]),
        },
        "timestamp": event.timestamp,
    })
}

fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// The events of a body, as they stand in it.
pub fn events_in(body: &[u8]) -> Vec<&RawValue> {
    serde_json::from_slice::<Body<'_>>(body).map(|body| body.events).unwrap_or_default()
}

/// A body of these events.
pub fn body_of<'a>(events: impl IntoIterator<Item = &'a RawValue>) -> Vec<u8> {
    let events: Vec<&str> = events.into_iter().map(RawValue::get).collect();
    format!("{{\"events\":[{}]}}", events.join(",")).into_bytes()
}

/// The two halves of a body; `None` if it can't be halved.
pub fn halves(body: &[u8]) -> Option<[Vec<u8>; 2]> {
    let events = events_in(body);
    let (first, second) = events.split_at(events.len() / 2);
    let halves = [first, second].map(|half| body_of(half.iter().copied()));
    (!first.is_empty()).then_some(halves)
}

/// The id of a row that carries part of what `parent` carried: another body, so another key.
pub fn child_id(parent: &str, body: &[u8]) -> String {
    derived_id(&["outbox", parent, &String::from_utf8_lossy(body)]).to_string()
}

#[cfg(test)]
mod tests {
    use app::event::{EventId, SessionId};

    use super::*;
    use crate::domain::event::Page;

    const AUREA: Destination = Destination("aurea");

    fn event(source: Source, id: &str, event_name: &str) -> Event {
        Event {
            funnel: FunnelId::parse("ttr").unwrap(),
            source,
            event_id: EventId::parse(id).unwrap(),
            session_id: SessionId::parse("s1").unwrap(),
            anonymous_id: AnonymousId::parse("a1").ok(),
            name: event_name.into(),
            properties: Map::new(),
            page: Page::default(),
            index: None,
            timestamp: 1000,
            received_at: 2000,
        }
    }

    fn body(row: &Row) -> Value {
        serde_json::from_slice(&row.body).unwrap()
    }

    #[test]
    fn what_came_by_key_is_not_told_on() {
        let events = [event(Source::Key, "e1", "x"), event(Source::Browser, "e2", "x")];
        let rows = rows(AUREA, &events);
        assert_eq!(rows.len(), 1);
        assert_eq!(body(&rows[0])["events"].as_array().unwrap().len(), 1);
        assert!(super::rows(AUREA, &events[..1]).is_empty());
    }

    #[test]
    fn the_same_events_are_the_same_row_and_others_another() {
        let [one, two] = ["e1", "e2"].map(|id| event(Source::Server, id, "x"));
        let id = |events: &[Event]| rows(AUREA, events).remove(0).id;
        assert_eq!(rows(AUREA, [&one, &two]), rows(AUREA, [&one, &two]));
        assert_ne!(id(std::slice::from_ref(&one)), id(std::slice::from_ref(&two)));
        assert_ne!(id(&[one]), id(&[event(Source::Browser, "e1", "x")]));
    }

    #[test]
    fn a_browsers_end_is_told_as_the_provisional_one_that_it_is() {
        let mut end = event(Source::Browser, "e1", "session_end");
        end.properties.insert("converted".into(), Value::Bool(true));
        let told = body(&rows(AUREA, [&end])[0]);
        assert_eq!(told["events"][0]["properties"], json!({"provisional": true}));
        end.source = Source::Server;
        let told = body(&rows(AUREA, [&end])[0]);
        assert_eq!(told["events"][0]["properties"], json!({"converted": true}));
    }

    #[test]
    fn many_or_large_events_make_several_rows() {
        let many: Vec<Event> =
            (0..250).map(|number| event(Source::Browser, &format!("e{number}"), "x")).collect();
        assert_eq!(rows(AUREA, &many).len(), 3);
        let mut large = event(Source::Browser, "e", "x");
        large.properties.insert("a".into(), "x".repeat(MAX_BYTES / 2).into());
        assert_eq!(rows(AUREA, [&large, &large, &large]).len(), 3);
    }

    #[test]
    fn a_body_is_halved_until_one_event_is_left() {
        let three = ["e1", "e2", "e3"].map(|id| event(Source::Browser, id, "x"));
        let row = rows(AUREA, &three).remove(0);
        let [first, second] = halves(&row.body).unwrap();
        assert_eq!((events_in(&first).len(), events_in(&second).len()), (1, 2));
        assert_eq!(halves(&first), None);
        assert_ne!(child_id(&row.id, &first), child_id(&row.id, &second));
        assert_eq!(halves(b"not json"), None);
    }
}
