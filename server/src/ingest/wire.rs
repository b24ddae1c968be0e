//! An event as it comes over the wire (the seed's shape and our optional additions), and the way to a domain event.

use app::event::{AnonymousId, EventId, SessionId, sender_of};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Sender;
use crate::domain::Millis;
use crate::domain::attribution::scrub;
use crate::domain::event::{BOT, Event, Page, Source, derived_id};

const MAX_NAME: usize = 200;
const MAX_PROPERTIES: usize = 32 * 1024;

/// A clock this little ahead is not worth a word.
const AHEAD: Millis = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEvent {
    pub(super) event_id: Option<String>,
    event_name: String,
    #[serde(default)]
    properties: Option<Map<String, Value>>,
    #[serde(default)]
    context: Context,
    timestamp: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    user: User,
    #[serde(default)]
    session: Session,
    #[serde(default)]
    page: WirePage,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    anonymous_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: Option<String>,
    index: Option<i64>,
}

#[derive(Default, Deserialize)]
struct WirePage {
    url: Option<String>,
    referrer: Option<String>,
}

impl WireEvent {
    /// The domain's event, or why there is none, naming the field.
    pub(super) fn into_event(self, sender: &Sender, skew: Millis, now: Millis) -> Result<Event, String> {
        let name = self.event_name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(format!("eventName must have 1 to {MAX_NAME} characters"));
        }
        if sender.source == Source::Browser && sender_of(&name) == app::event::Sender::Server {
            return Err(format!("eventName: a browser can't say {name}"));
        }
        let session_id = self.context.session.session_id.ok_or("context.session.sessionId is missing")?;
        let session_id =
            SessionId::parse(session_id).map_err(|error| format!("context.session.sessionId {error}"))?;
        let anonymous_id = self.context.user.anonymous_id.map(AnonymousId::parse).transpose();
        let anonymous_id = anonymous_id.map_err(|error| format!("context.user.anonymousId {error}"))?;
        let mut properties = self.properties.unwrap_or_default();
        if sender.source == Source::Browser {
            properties.remove(BOT); // ours to say
        }
        let event_id = match self.event_id {
            Some(id) => own_id(id, sender.source)?,
            None => content_id(&name, &session_id, anonymous_id.as_ref(), &properties, self.timestamp),
        };
        let properties_text = Value::Object(properties.clone()).to_string();
        if properties_text.len() > MAX_PROPERTIES {
            return Err(format!("properties must have at most {MAX_PROPERTIES} bytes"));
        }
        Ok(Event {
            funnel: sender.funnel.clone(),
            source: sender.source,
            event_id,
            session_id,
            anonymous_id,
            name,
            properties,
            page: Page {
                url: self.context.page.url.as_deref().and_then(scrub),
                referrer: self.context.page.referrer.as_deref().and_then(scrub),
            },
            index: self.context.session.index,
            timestamp: happened_at(self.timestamp, skew, now),
            received_at: now,
        })
    }
}

/// The server's events have ids of version 5. Where events are forwarded to, its and the browsers' stand side by side: a
/// browser that guesses such an id gets another one made from it.
fn own_id(id: String, source: Source) -> Result<EventId, String> {
    let id = EventId::parse(id).map_err(|error| format!("eventId {error}"))?;
    let guessed =
        Uuid::try_parse(id.as_str()).is_ok_and(|uuid| uuid.get_version() == Some(uuid::Version::Sha1));
    Ok(if guessed && source == Source::Browser { derived_id(&["browser", id.as_str()]) } else { id })
}

/// Without an id of its own an event is named by its content: the same content sent again is the same event.
fn content_id(
    name: &str,
    session_id: &SessionId,
    anonymous_id: Option<&AnonymousId>,
    properties: &Map<String, Value>,
    timestamp: Option<f64>,
) -> EventId {
    let content =
        json!([name, session_id.as_str(), anonymous_id.map(AnonymousId::as_str), properties, timestamp]);
    derived_id(&["content", &content.to_string()])
}

/// Corrected for skew; only the future is clamped, old times stay. Without a time of its own: when it arrived.
fn happened_at(timestamp: Option<f64>, skew: Millis, now: Millis) -> Millis {
    #[allow(clippy::cast_possible_truncation)] // saturates, and the future is clamped below
    let timestamp = timestamp.map_or(now, |timestamp| (timestamp as Millis).saturating_add(skew));
    if timestamp > now + AHEAD { now } else { timestamp.max(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::FunnelId;

    const NOW: Millis = 1_703_001_300_000;

    fn parse(json: &str, source: Source) -> Result<Event, String> {
        let sender = Sender { funnel: FunnelId::parse("ttr").unwrap(), source, bot: None };
        serde_json::from_str::<WireEvent>(json).unwrap().into_event(&sender, 0, NOW)
    }

    #[test]
    fn the_seeds_exact_shape_is_an_event() {
        let body = r#"{"eventName":"checkout_completed","properties":{"revenue":99},
            "context":{"user":{"anonymousId":"a"},"session":{"sessionId":"s"}},"timestamp":1703001200000}"#;
        let event = parse(body, Source::Key).unwrap();
        assert_eq!(event.timestamp, 1_703_001_200_000);
        assert_eq!(
            event.event_id,
            parse(body, Source::Key).unwrap().event_id,
            "the same content is the same event"
        );
        assert_eq!(
            parse(body, Source::Browser).unwrap_err(),
            "eventName: a browser can't say checkout_completed"
        );
    }

    #[test]
    fn each_fault_names_its_field() {
        for (body, field) in [
            (r#"{"eventName":" "}"#, "eventName"),
            (r#"{"eventName":"x"}"#, "context.session.sessionId"),
            (r#"{"eventName":"x","context":{"session":{"sessionId":"a b"}}}"#, "context.session.sessionId"),
            (
                r#"{"eventName":"x","context":{"session":{"sessionId":"s"},"user":{"anonymousId":""}}}"#,
                "anonymousId",
            ),
            (r#"{"eventName":"x","eventId":"é","context":{"session":{"sessionId":"s"}}}"#, "eventId"),
        ] {
            let fault = parse(body, Source::Browser).unwrap_err();
            assert!(fault.contains(field), "{body}: {fault}");
        }
    }

    #[test]
    fn a_browser_can_not_take_the_id_of_a_servers_event() {
        let guess = derived_id(&["whop", "pay_1", "session_end"]);
        let body = |id: &str| {
            format!(r#"{{"eventName":"x","eventId":"{id}","context":{{"session":{{"sessionId":"s"}}}}}}"#)
        };
        let taken = |id: &str, source| parse(&body(id), source).unwrap().event_id;
        assert_ne!(taken(guess.as_str(), Source::Browser), guess);
        assert_eq!(taken(guess.as_str(), Source::Browser), taken(guess.as_str(), Source::Browser));
        assert_eq!(taken(guess.as_str(), Source::Key), guess);
        let own = "0190b4a8-7c1e-7000-8000-000000000001";
        assert_eq!(taken(own, Source::Browser).as_str(), own);
    }

    #[test]
    fn only_the_future_is_clamped() {
        assert_eq!(happened_at(Some(1.0), 0, NOW), 1);
        assert_eq!(happened_at(Some(-5.0), 0, NOW), 0);
        assert_eq!(happened_at(Some(4e12), 0, NOW), NOW);
        assert_eq!(happened_at(Some(1e300), 0, NOW), NOW);
        assert_eq!(happened_at(None, 0, NOW), NOW);
        #[allow(clippy::cast_precision_loss)] // ms of this century are exact in f64
        let three_hours_ahead = (NOW + 10_800_000) as f64;
        assert_eq!(happened_at(Some(three_hours_ahead), -10_800_000, NOW), NOW);
    }

    #[test]
    fn properties_have_a_limit() {
        let body = format!(
            r#"{{"eventName":"x","properties":{{"a":"{}"}},"context":{{"session":{{"sessionId":"s"}}}}}}"#,
            "x".repeat(MAX_PROPERTIES)
        );
        assert!(parse(&body, Source::Browser).unwrap_err().contains("properties"));
    }
}
