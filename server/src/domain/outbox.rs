//! The outbox: which events are told to somebody else, and in which words.
//!
//! One row is one fixed body with one key (`Idempotency-Key`): however often it is sent, it is the same bytes under the
//! same name. Another Aurea folds the events to the same session as here. Events that came by key are not told on: two that
//! forward to each other would never stop.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::Millis;
use super::event::{Event, FunnelId, Page, Source, derived_id};

/// Events in one body; the answer to so many surely fits into what is read of an answer.
const MAX_EVENTS: usize = 100;

/// Bytes of events in one body: far below what a receiver takes. A single event may be larger.
const MAX_BYTES: usize = 256 * 1024;

/// Who is told, by name (`aurea`); `outbox/` knows how to reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Destination(pub &'static str);

/// Somebody who is told: who, of what, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub destination: Destination,
    /// Of what, in which form.
    pub form: Form,
}

/// Of what somebody is told, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Every event, many in one body: JSON of the form that events come in, so that another Aurea takes it. Without
    /// `sentAt`: the times are corrected already, and a retry comes late.
    Events,
    /// Events of these names, each in a message of its own: `{type, timestamp, data}`, as Standard Webhooks has it.
    Messages(Arc<[String]>),
}

/// Something that must still be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names it for ever; sent as `Idempotency-Key`.
    pub id: String,
    /// Who is to be told.
    pub destination: Destination,
    /// The funnel of its events.
    pub funnel: FunnelId,
    /// The body, as it is sent.
    pub body: Vec<u8>,
    /// When its first event was received.
    pub received_at: Millis,
}

/// The rows that tell `listener` of these events, which are new.
pub fn rows<'a>(listener: &Listener, events: impl IntoIterator<Item = &'a Event>) -> Vec<Row> {
    let events = events.into_iter().filter(|event| event.source != Source::Key);
    match &listener.form {
        Form::Events => batches(listener.destination, events),
        Form::Messages(names) => {
            let wanted = |event: &&Event| names.contains(&event.name) && !event.is_provisional_end();
            let message =
                |event: &Event| new_row(listener.destination, &[event], message(event).into_bytes());
            events.filter(wanted).filter_map(message).collect()
        }
    }
}

fn batches<'a>(destination: Destination, events: impl Iterator<Item = &'a Event>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut open: Vec<(&Event, Box<RawValue>)> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let Ok(told) = to_raw_value(&told(event)) else { continue }; // a `Value` is always JSON
        let full = open.len() == MAX_EVENTS || bytes + told.get().len() > MAX_BYTES;
        if full || open.first().is_some_and(|(first, _)| first.funnel != event.funnel) {
            rows.extend(batch(destination, &std::mem::take(&mut open)));
            bytes = 0;
        }
        bytes += told.get().len();
        open.push((event, told));
    }
    rows.extend(batch(destination, &open));
    rows
}

fn batch(destination: Destination, events: &[(&Event, Box<RawValue>)]) -> Option<Row> {
    let body = body_of(events.iter().map(|(_, told)| &**told));
    new_row(destination, &events.iter().map(|(event, _)| *event).collect::<Vec<_>>(), body)
}

/// Its id comes from what it tells of.
fn new_row(destination: Destination, events: &[&Event], body: Vec<u8>) -> Option<Row> {
    let first = events.first()?;
    let mut parts = vec!["outbox", destination.0, first.funnel.as_str()];
    parts.extend(events.iter().flat_map(|event| [event.source.as_str(), event.event_id.as_str()]));
    Some(Row {
        id: derived_id(&parts).to_string(),
        destination,
        funnel: first.funnel.clone(),
        body,
        received_at: first.received_at,
    })
}

/// An event as it is told: there it comes by key, so what is believed of a browser must be said in so many words.
fn told(event: &Event) -> Value {
    let mut properties = event.properties.clone();
    if event.is_provisional_end() {
        properties.remove("converted");
        properties.insert("provisional".into(), Value::Bool(true));
    }
    json!({
        "eventId": event.event_id.as_str(),
        "eventName": event.name,
        "properties": properties,
        "context": {
            "user": present([("anonymousId", visitor(event))]),
            "session": present([
                ("sessionId", Some(event.session_id.as_str().into())),
                ("index", event.index.map(Value::from)),
            ]),
            "page": page(event),
        },
        "timestamp": event.timestamp,
    })
}

/// An event as a message: its name, when it happened, and all that is known of it.
fn message(event: &Event) -> String {
    let at = Timestamp::from_millisecond(event.timestamp).unwrap_or(Timestamp::UNIX_EPOCH); // out of any calendar
    let data = present([
        ("eventId", Some(event.event_id.as_str().into())),
        ("funnelId", Some(event.funnel.as_str().into())),
        ("anonymousId", visitor(event)),
        ("sessionId", Some(event.session_id.as_str().into())),
        ("properties", Some(event.properties.clone().into())),
        ("page", Some(page(event)).filter(|page| !page.is_empty()).map(Value::from)),
    ]);
    json!({ "type": event.name, "timestamp": format!("{at:.3}"), "data": data }).to_string()
}

fn visitor(event: &Event) -> Option<Value> {
    event.anonymous_id.as_ref().map(|visitor| visitor.as_str().into())
}

fn page(event: &Event) -> Map<String, Value> {
    let Page { url, referrer } = &event.page;
    present([("url", url.as_deref().map(Value::from)), ("referrer", referrer.as_deref().map(Value::from))])
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

/// An event that a body tells of, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its session.
    pub session_id: Option<String>,
}

/// The events that a body tells of, whatever its form.
pub fn told_by(body: &[u8]) -> Vec<Told> {
    let read = |name: &Value, session_id: &Value| {
        Some(Told { name: name.as_str()?.to_owned(), session_id: session_id.as_str().map(str::to_owned) })
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    match body["events"].as_array() {
        Some(events) => events
            .iter()
            .filter_map(|event| read(&event["eventName"], &event["context"]["session"]["sessionId"]))
            .collect(),
        None => read(&body["type"], &body["data"]["sessionId"]).into_iter().collect(),
    }
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
    use app::event::{AnonymousId, EventId, SessionId};

    use super::*;

    const AUREA: Listener = Listener { destination: Destination("aurea"), form: Form::Events };

    fn webhooks(names: &[&str]) -> Listener {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Listener { destination: Destination("webhooks"), form: Form::Messages(names) }
    }

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
        let rows = rows(&AUREA, &events);
        assert_eq!(rows.len(), 1);
        assert_eq!(body(&rows[0])["events"].as_array().unwrap().len(), 1);
        assert!(super::rows(&AUREA, &events[..1]).is_empty());
    }

    #[test]
    fn the_same_events_are_the_same_row_and_others_another() {
        let [one, two] = ["e1", "e2"].map(|id| event(Source::Server, id, "x"));
        let id = |events: &[Event]| rows(&AUREA, events).remove(0).id;
        assert_eq!(rows(&AUREA, [&one, &two]), rows(&AUREA, [&one, &two]));
        assert_ne!(id(std::slice::from_ref(&one)), id(std::slice::from_ref(&two)));
        assert_ne!(id(&[one]), id(&[event(Source::Browser, "e1", "x")]));
    }

    #[test]
    fn a_browsers_end_is_told_as_the_provisional_one_that_it_is() {
        let mut end = event(Source::Browser, "e1", "session_end");
        end.properties.insert("converted".into(), Value::Bool(true));
        let told = body(&rows(&AUREA, [&end])[0]);
        assert_eq!(told["events"][0]["properties"], json!({"provisional": true}));
        end.source = Source::Server;
        let told = body(&rows(&AUREA, [&end])[0]);
        assert_eq!(told["events"][0]["properties"], json!({"converted": true}));
    }

    #[test]
    fn each_event_that_is_wanted_is_a_message_of_its_own() {
        let mut paid = event(Source::Server, "e1", "checkout_completed");
        paid.properties.insert("revenue".into(), 99.into());
        let events = [
            paid,
            event(Source::Server, "e2", "session_end"),
            event(Source::Browser, "e3", "session_end"),
            event(Source::Browser, "e4", "page_view"),
            event(Source::Key, "e5", "checkout_completed"),
        ];
        let rows = rows(&webhooks(&["checkout_completed", "session_end"]), &events);
        let [first, second] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(
            body(first),
            json!({
                "type": "checkout_completed", "timestamp": "1970-01-01T00:00:01.000Z",
                "data": {"eventId": "e1", "funnelId": "ttr", "anonymousId": "a1", "sessionId": "s1", "properties": {"revenue": 99}},
            })
        );
        assert_eq!(body(second)["data"]["eventId"], "e2", "a tab that closes ends nothing");
        assert_ne!(first.id, second.id);
        let aurea = super::rows(&AUREA, &events[..1]).remove(0);
        assert_ne!(first.id, aurea.id, "each destination has keys of its own");
        assert_eq!(halves(&first.body), None);
        for row in [first, &aurea] {
            let told = Told { name: "checkout_completed".into(), session_id: Some("s1".into()) };
            assert_eq!(told_by(&row.body), [told]);
        }
        assert_eq!(told_by(b"nonsense"), []);
    }

    #[test]
    fn many_or_large_events_make_several_rows() {
        let many: Vec<Event> =
            (0..250).map(|number| event(Source::Browser, &format!("e{number}"), "x")).collect();
        assert_eq!(rows(&AUREA, &many).len(), 3);
        let mut large = event(Source::Browser, "e", "x");
        large.properties.insert("a".into(), "x".repeat(MAX_BYTES / 2).into());
        assert_eq!(rows(&AUREA, [&large, &large, &large]).len(), 3);
    }

    #[test]
    fn a_body_is_halved_until_one_event_is_left() {
        let three = ["e1", "e2", "e3"].map(|id| event(Source::Browser, id, "x"));
        let row = rows(&AUREA, &three).remove(0);
        let [first, second] = halves(&row.body).unwrap();
        assert_eq!((events_in(&first).len(), events_in(&second).len()), (1, 2));
        assert_eq!(halves(&first), None);
        assert_ne!(child_id(&row.id, &first), child_id(&row.id, &second));
        assert_eq!(halves(b"not json"), None);
    }
}
