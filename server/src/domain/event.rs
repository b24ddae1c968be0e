//! An event as it is stored: parsed, its time corrected, its origin known.

use app::event::{AnonymousId, BadId, EventId, SessionId, name};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Millis;

/// Names a funnel: one site or product line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunnelId(String);

impl FunnelId {
    /// Takes 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadId> {
        SessionId::parse(text).map(|id| Self(id.as_str().to_owned()))
    }

    /// As it stands in URLs and headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for FunnelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an event came from; an `eventId` is unique per funnel and source, so that no browser can pre-empt the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A visitor's browser: untrusted.
    Browser,
    /// Somebody with a key (another ttr, the owner's backend).
    Key,
    /// This server: the buy button's door and the webhooks.
    Server,
}

impl Source {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Key => "key",
            Self::Server => "server",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Browser, Self::Key, Self::Server].into_iter().find(|source| source.as_str() == text)
    }
}

/// The property in which the collector notes why it takes a visitor for a bot.
pub const BOT: &str = "$bot";

/// The property of an event that tells of a provider's test mode.
pub const TEST: &str = "test";

/// The page an event happened on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Its URL, scrubbed to what attribution needs.
    pub url: Option<String>,
    /// Its referrer, scrubbed the same way.
    pub referrer: Option<String>,
}

/// One event of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The funnel.
    pub funnel: FunnelId,
    /// Who said so.
    pub source: Source,
    /// Unique per funnel and source.
    pub event_id: EventId,
    /// The session.
    pub session_id: SessionId,
    /// The visitor; absent without consent.
    pub anonymous_id: Option<AnonymousId>,
    /// From the catalogue, or a custom one.
    pub name: String,
    /// Free properties.
    pub properties: Map<String, Value>,
    /// Where it happened.
    pub page: Page,
    /// The how-many-eth event of its session, by the browser's count.
    pub index: Option<i64>,
    /// When it happened, corrected for skew.
    pub timestamp: Millis,
    /// When it arrived.
    pub received_at: Millis,
}

impl Event {
    /// True for a `session_end` that only says that a tab was closed; anything later overtakes it.
    pub fn is_provisional_end(&self) -> bool {
        self.name == name::SESSION_END && (self.source == Source::Browser || self.says("provisional"))
    }

    /// True for the `session_end` that a conversion brought. A browser can't say so.
    pub fn is_converted_end(&self) -> bool {
        self.name == name::SESSION_END && self.source != Source::Browser && self.says("converted")
    }

    /// True for what the ledger tells of a provider's test mode: it is told to nobody else.
    pub fn is_test(&self) -> bool {
        self.source == Source::Server && self.says(TEST)
    }

    /// True for a `payment_refunded` that tells what was given back so far, not a refund.
    pub fn is_sum_of_refunds(&self) -> bool {
        self.name == name::PAYMENT_REFUNDED && self.says("allSoFar")
    }

    fn says(&self, property: &str) -> bool {
        self.properties.get(property) == Some(&Value::Bool(true))
    }
}

/// Derives an event id from what makes the event unique, so that a repeat gets the same id.
pub fn derived_id(parts: &[&str]) -> EventId {
    let text = parts.join("\u{1f}");
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).to_string();
    EventId::parse(id).unwrap_or_else(|_| unreachable!("a UUID is an id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_repeats_for_the_same_parts_only() {
        assert_eq!(derived_id(&["a", "b"]), derived_id(&["a", "b"]));
        assert_ne!(derived_id(&["a", "b"]), derived_id(&["ab", ""]));
    }
}
