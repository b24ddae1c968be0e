//! Who is counted: ids, and whether anything may be remembered at all.
//!
//! Promises: an id of ours is `{ms}_{16 base36}`; an event id is a UUID of version 7; in private mode nothing is stored and there is
//! no `anonymousId`.

use crate::event::CONSENT_GRANTED;

const BASE_36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A new `anonymousId`, `sessionId` or `clickId`, made at `now` (ms) from random bytes.
pub fn new_id(now: u64, random: [u8; 16]) -> String {
    let mut id = now.to_string();
    id.push('_');
    id.extend(random.iter().map(|byte| char::from(BASE_36[usize::from(byte % 36)])));
    id
}

/// A new `eventId`: a UUID of version 7 from `now` (ms) and random bytes.
pub fn event_id(now: u64, random: [u8; 16]) -> String {
    let mut bytes = random;
    bytes[..6].copy_from_slice(&now.to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let mut id = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        for half in [byte >> 4, byte & 0x0f] {
            id.push(char::from(BASE_36[usize::from(half)]));
        }
    }
    id
}

/// What the visitor and the page's owner have said about being remembered.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// This browser is kept out of the figures.
    pub ignored: bool,
    /// Global Privacy Control.
    pub gpc: bool,
    /// `navigator.doNotTrack`, empty if there is none.
    pub do_not_track: String,
    /// The page asks for consent first.
    pub consent_required: bool,
    /// What was answered: `granted`, `denied` or nothing yet.
    pub consent: String,
}

impl Wishes {
    /// The browser itself says no; no answer to a consent bar overrides that.
    pub fn refused_by_browser(&self) -> bool {
        self.gpc || matches!(self.do_not_track.as_str(), "1" | "yes")
    }

    /// Nothing may be stored and nobody named.
    pub fn private(&self) -> bool {
        self.ignored
            || self.refused_by_browser()
            || match self.consent.as_str() {
                "" => self.consent_required,
                answer => answer != CONSENT_GRANTED,
            }
    }

    /// The page must ask: consent is required, not answered yet, and the browser has not answered for the visitor.
    pub fn undecided(&self) -> bool {
        self.consent_required && self.consent.is_empty() && !self.ignored && !self.refused_by_browser()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AnonymousId, EventId};

    #[test]
    fn an_id_is_its_time_and_sixteen_of_base_36() {
        let id = new_id(1_703_001_000_000, [0, 1, 9, 10, 35, 36, 71, 72, 255, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(id, "1703001000000_019az0z030000000");
        assert!(AnonymousId::parse(id).is_ok());
    }

    #[test]
    fn an_event_id_is_a_uuid_of_version_7_that_sorts_by_time() {
        let id = event_id(0x0190_1234_5678, [0xff; 16]);
        assert_eq!(id, "01901234-5678-7fff-bfff-ffffffffffff");
        assert!(EventId::parse(id.clone()).is_ok());
        assert!(event_id(0x0190_1234_5679, [0; 16]) > id);
    }

    #[test]
    fn the_browsers_no_outweighs_a_granted_consent() {
        let wishes = Wishes { gpc: true, consent: "granted".into(), ..Wishes::default() };
        assert!(wishes.private());
        assert!(!Wishes { consent_required: true, ..wishes }.undecided());
        assert!(Wishes { do_not_track: "yes".into(), ..Wishes::default() }.private());
        assert!(!Wishes { do_not_track: "unspecified".into(), ..Wishes::default() }.private());
    }
}
