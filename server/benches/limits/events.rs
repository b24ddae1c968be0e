//! Events as visitors make them: fifty to a session, told in batches of one session.

use std::sync::atomic::{AtomicI64, Ordering};

use app::event::{AnonymousId, EventId, SessionId};
use serde_json::{Value, json};
use server::domain::event::{Event, FunnelId, Page, Source};
use uuid::Uuid;

/// When the first of them happened.
const START: i64 = 1_795_435_200_000; // 2026-11-23 12:00:00 UTC

const OF_A_SESSION: i64 = 50;

/// Makes events, each once.
#[derive(Default)]
pub(crate) struct Events(AtomicI64);

impl Events {
    pub(crate) fn batch(&self, size: i64) -> Vec<Event> {
        let first = self.0.fetch_add(size, Ordering::Relaxed);
        (first..first + size).map(event).collect()
    }

    /// The same as they are posted.
    pub(crate) fn body(&self, size: i64) -> Value {
        let wire = |event: Event| {
            json!({
                "eventId": event.event_id.as_str(), "eventName": event.name, "properties": event.properties,
                "context": {"user": {"anonymousId": "a1"}, "session": {"sessionId": event.session_id.as_str()}},
                "timestamp": event.timestamp,
            })
        };
        json!({ "events": self.batch(size).into_iter().map(wire).collect::<Vec<_>>() })
    }
}

fn event(number: i64) -> Event {
    let Value::Object(properties) = json!({"question": "Is it a subscription?"}) else {
        unreachable!("an object")
    };
    Event {
        funnel: FunnelId::parse("ttr").unwrap(),
        source: Source::Browser,
        event_id: EventId::parse(Uuid::now_v7().to_string()).unwrap(),
        session_id: SessionId::parse(format!("{START}_{:016}", number / OF_A_SESSION)).unwrap(),
        anonymous_id: AnonymousId::parse("a1").ok(),
        name: "faq_opened".to_owned(),
        properties,
        page: Page { url: Some("https://ttr.example/?utm_source=x".to_owned()), referrer: None },
        index: None,
        timestamp: START + number,
        received_at: START + number,
    }
}
