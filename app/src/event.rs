//! The vocabulary that browser and server share: event names, ids, metadata keys, storage keys.
//!
//! A new event is one line in [`CATALOGUE`]. Nothing here does I/O or reads a clock, and nothing needs JSON, so that
//! the browser's module stays small.

use std::fmt;

/// Names of the events, as they stand in JSON. Unknown names are custom events.
pub mod name {
    #![allow(missing_docs)] // the names say it
    pub const PAGE_VIEW: &str = "page_view";
    pub const SCROLL_DEPTH_25: &str = "scroll_depth_25";
    pub const SCROLL_DEPTH_50: &str = "scroll_depth_50";
    pub const SCROLL_DEPTH_75: &str = "scroll_depth_75";
    pub const SCROLL_DEPTH_90: &str = "scroll_depth_90";
    pub const SCROLL_DEPTH_100: &str = "scroll_depth_100";
    pub const VIDEO_STARTED: &str = "video_started";
    pub const VIDEO_PROGRESS_25: &str = "video_progress_25";
    pub const VIDEO_PROGRESS_50: &str = "video_progress_50";
    pub const VIDEO_PROGRESS_75: &str = "video_progress_75";
    pub const VIDEO_COMPLETED: &str = "video_completed";
    pub const VIDEO_PAUSED: &str = "video_paused";
    pub const FAQ_OPENED: &str = "faq_opened";
    pub const FAQ_CLOSED: &str = "faq_closed";
    pub const CTA_CLICKED: &str = "cta_clicked";
    pub const SECTION_VIEWED: &str = "section_viewed";
    pub const OUTBOUND_CLICKED: &str = "outbound_clicked";
    pub const WEB_VITALS: &str = "web_vitals";
    pub const BUY_BUTTON_CLICKED: &str = "buy_button_clicked";
    pub const CHECKOUT_STARTED: &str = "checkout_started";
    pub const CHECKOUT_RETURNED: &str = "checkout_returned";
    pub const CHECKOUT_COMPLETED: &str = "checkout_completed";
    pub const CHECKOUT_FAILED: &str = "checkout_failed";
    pub const PAYMENT_REFUNDED: &str = "payment_refunded";
    pub const PAYMENT_DISPUTED: &str = "payment_disputed";
    pub const SUBSCRIPTION_RENEWED: &str = "subscription_renewed";
    pub const SESSION_END: &str = "session_end";
}

/// Who may say that an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A visitor's browser, or anybody with a key.
    Browser,
    /// Only the server or somebody with a key: money depends on it.
    Server,
}

/// Every event that has a meaning of its own, and who may send it.
pub const CATALOGUE: &[(&str, Sender)] = &[
    (name::PAGE_VIEW, Sender::Browser),
    (name::SCROLL_DEPTH_25, Sender::Browser),
    (name::SCROLL_DEPTH_50, Sender::Browser),
    (name::SCROLL_DEPTH_75, Sender::Browser),
    (name::SCROLL_DEPTH_90, Sender::Browser),
    (name::SCROLL_DEPTH_100, Sender::Browser),
    (name::VIDEO_STARTED, Sender::Browser),
    (name::VIDEO_PROGRESS_25, Sender::Browser),
    (name::VIDEO_PROGRESS_50, Sender::Browser),
    (name::VIDEO_PROGRESS_75, Sender::Browser),
    (name::VIDEO_COMPLETED, Sender::Browser),
    (name::VIDEO_PAUSED, Sender::Browser),
    (name::FAQ_OPENED, Sender::Browser),
    (name::FAQ_CLOSED, Sender::Browser),
    (name::CTA_CLICKED, Sender::Browser),
    (name::SECTION_VIEWED, Sender::Browser),
    (name::OUTBOUND_CLICKED, Sender::Browser),
    (name::WEB_VITALS, Sender::Browser),
    (name::BUY_BUTTON_CLICKED, Sender::Browser),
    (name::CHECKOUT_STARTED, Sender::Browser),
    (name::CHECKOUT_RETURNED, Sender::Browser),
    (name::SESSION_END, Sender::Browser),
    (name::CHECKOUT_COMPLETED, Sender::Server),
    (name::CHECKOUT_FAILED, Sender::Server),
    (name::PAYMENT_REFUNDED, Sender::Server),
    (name::PAYMENT_DISPUTED, Sender::Server),
    (name::SUBSCRIPTION_RENEWED, Sender::Server),
];

/// Who may send `event_name`; a custom event may come from a browser.
pub fn sender_of(event_name: &str) -> Sender {
    CATALOGUE.iter().find(|(known, _)| *known == event_name).map_or(Sender::Browser, |(_, sender)| *sender)
}

/// Metadata keys that the checkout carries to the provider and back (seed).
pub mod metadata {
    /// The visitor's `anonymousId`.
    pub const ANONYMOUS_ID: &str = "aurea_anonymous_id";
    /// The `sessionId` that the purchase belongs to.
    pub const SESSION_ID: &str = "aurea_session_id";
    /// When the buy button was pressed, ms since 1970.
    pub const CHECKOUT_STARTED_AT: &str = "checkout_started_at";
}

/// Keys in the browser's storage. The first two are the seed's.
pub mod storage {
    /// localStorage: the visitor's `anonymousId`.
    pub const ANONYMOUS_ID: &str = "aurea_anonymous_id";
    /// sessionStorage: the tab's `sessionId`.
    pub const SESSION_ID: &str = "aurea_session_id";
    /// sessionStorage: `start.last.index`, the session's clock (ms, ms, count of events so far), with `.1` behind it once
    /// a checkout began in this session.
    pub const SESSION_CLOCK: &str = "aurea_session_clock";
    /// sessionStorage: present while a living document owns the session; a duplicated tab finds it and starts anew.
    pub const SESSION_OPEN: &str = "aurea_session_open";
    /// localStorage: `anonymousId.sessionId.startedAt` of the checkout under way.
    pub const CHECKOUT: &str = "aurea_checkout";
    /// localStorage: events that the server has not answered for, one in a line.
    pub const UNSENT: &str = "aurea_unsent";
    /// localStorage: `granted` or `denied`.
    pub const CONSENT: &str = "aurea_consent";
    /// localStorage: any value keeps this browser out of the figures.
    pub const IGNORE: &str = "aurea_ignore";
}

/// The answer in [`storage::CONSENT`] that allows storing.
pub const CONSENT_GRANTED: &str = "granted";
/// The answer in [`storage::CONSENT`] that forbids it.
pub const CONSENT_DENIED: &str = "denied";

/// Where browsers post their events (design 4.2: a name that filter lists don't match).
pub const PULSE_PATH: &str = "/api/pulse";

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be 1 to 64 of A-Z a-z 0-9 _ -")
    }
}

impl std::error::Error for BadId {}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 64 of `A-Z a-z 0-9 _ -`, and nothing else.
            pub fn parse(text: impl Into<String>) -> Result<Self, BadId> {
                let text = text.into();
                if is_id(&text) { Ok(Self(text)) } else { Err(BadId) }
            }

            /// The id as it stands in JSON and in storage.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names a visitor: a browser.
    AnonymousId
}
id! {
    /// Names a session: one visit.
    SessionId
}
id! {
    /// Names one event, for ever: the key that makes a retry count once.
    EventId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_their_alphabet_and_nothing_else() {
        for good in ["a", "1703001000000_k3j9x2q7w1e5r8t4", &"x".repeat(64), "A-Z_09"] {
            assert!(SessionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", &"x".repeat(65), "a b", "a.b", "é", "a\0", "<script>"] {
            assert_eq!(SessionId::parse(bad), Err(BadId), "{bad}");
        }
    }

    #[test]
    fn a_browser_may_not_say_that_money_came_in() {
        assert_eq!(sender_of(name::CHECKOUT_COMPLETED), Sender::Server);
        assert_eq!(sender_of("something_of_the_owner"), Sender::Browser);
    }
}
