//! A checkout that has begun, as it is kept: how its ids went to the provider, and by what its return is known.

use app::event::{EventId, SessionId};

use super::Millis;
use super::commit::Digest;
use super::event::FunnelId;

/// How the ids travel to the provider and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// As metadata of a checkout that the provider's API made; the buyer surely comes back to our return URL.
    Api,
    /// In the link's query.
    Link,
    /// In the link's query, because the API failed.
    Fallback,
}

impl Carried {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Link => "link",
            Self::Fallback => "fallback",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Api, Self::Link, Self::Fallback].into_iter().find(|carried| carried.as_str() == text)
    }
}

/// A checkout that has begun. One click is one checkout, however often its form is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunCheckout {
    /// The funnel.
    pub funnel: FunnelId,
    /// The session that began it.
    pub session_id: SessionId,
    /// The click that began it.
    pub click_id: EventId,
    /// Where the buyer was sent.
    pub provider: String,
    /// How the ids went there.
    pub carried: Carried,
    /// The hash of the token that the return URL carries: with it a buyer may ask how this checkout stands.
    pub return_hash: Digest,
    /// When the buy button was pressed.
    pub started_at: Millis,
}
