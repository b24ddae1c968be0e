//! Which session a page belongs to, and when a session is over.
//!
//! Promises: a session ends after more than 30 min without activity or more than 24 h in all; a checkout under way
//! suspends both for 24 h; a duplicated tab gets its own session; the return page continues the session that went to the
//! checkout. A timer or a hidden tab is no activity: only [`Session::touch`] is. boot.js applies the same rules at the
//! start of a page; `cases.json` holds both to them.

use crate::event::SessionId;

/// A session is over when it was idle for longer than this.
pub const IDLE_MS: u64 = 30 * 60 * 1000;
/// A session is over when it has lasted longer than this.
pub const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// A checkout is under way for less than this.
pub const CHECKOUT_MS: u64 = 24 * 60 * 60 * 1000;

/// A session's times, in storage as `started,last,index`, with `,1` behind it once a checkout began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When the session began, ms.
    pub started: u64,
    /// When something last happened, ms.
    pub last: u64,
    /// Events so far.
    pub index: u64,
    /// A checkout began in this session, so its end is not the browser's to tell.
    pub bought: bool,
}

impl Clock {
    fn starting(now: u64) -> Self {
        Self { started: now, last: now, index: 0, bought: false }
    }

    /// Reads what [`Clock::text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut number = || parts.next()?.parse().ok();
        Some(Self { started: number()?, last: number()?, index: number()?, bought: number() == Some(1) })
    }

    /// The clock as it stands in storage.
    pub fn text(&self) -> String {
        let mut text = [self.started, self.last, self.index].map(|n| n.to_string()).join(",");
        if self.bought {
            text.push_str(",1");
        }
        text
    }
}

/// The checkout under way, in storage as `anonymousId,sessionId,startedAt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Who went; empty in private mode.
    pub anonymous_id: String,
    /// The session that went.
    pub session_id: String,
    /// When the buy button was pressed, ms.
    pub started_at: u64,
}

impl Checkout {
    /// Reads what [`Checkout::text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let anonymous_id = parts.next()?.to_owned();
        let session_id = SessionId::parse(parts.next()?).ok()?.to_string();
        let started_at = parts.next()?.parse().ok()?;
        Some(Self { anonymous_id, session_id, started_at })
    }

    /// The checkout as it stands in storage.
    pub fn text(&self) -> String {
        [self.anonymous_id.as_str(), &self.session_id, &self.started_at.to_string()].join(",")
    }

    fn under_way(&self, now: u64) -> bool {
        now.saturating_sub(self.started_at) < CHECKOUT_MS
    }
}

/// A session as its tab knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sessionId`.
    pub id: String,
    /// Its times.
    pub clock: Clock,
}

impl Session {
    /// A session that begins at `now`.
    pub fn new(id: String, now: u64) -> Self {
        Self { id, clock: Clock::starting(now) }
    }

    /// Whether what happens at `now` still belongs to this session.
    pub fn alive(&self, now: u64, checkout: Option<&Checkout>) -> bool {
        let suspended = checkout.is_some_and(|away| away.under_way(now) && away.session_id == self.id);
        suspended
            || (now.saturating_sub(self.clock.last) <= IDLE_MS
                && now.saturating_sub(self.clock.started) <= LONGEST_MS)
    }

    /// Something happened: the session goes on, or a new one begins (`true`).
    pub fn touch(&mut self, now: u64, checkout: Option<&Checkout>, new_id: impl FnOnce() -> String) -> bool {
        let over = !self.alive(now, checkout);
        if over {
            *self = Self::new(new_id(), now);
        }
        self.clock.last = now;
        over
    }

    /// Whole seconds from the start to `now`.
    pub fn seconds(&self, now: u64) -> u64 {
        now.saturating_sub(self.clock.started) / 1000
    }
}

/// What a page finds in storage when it starts.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// `aurea_session_id` and `aurea_session_clock`, if both can be read.
    pub session: Option<Session>,
    /// `aurea_session_open` is there: the tab was duplicated and the original lives.
    pub copied: bool,
    /// `aurea_checkout`.
    pub checkout: Option<Checkout>,
}

/// The session that a page belongs to: its tab's own, the one that is at the checkout, or a new one. The return page
/// always continues the checkout's session; another page does so only in a tab that has none of its own.
pub fn resume(found: Found, is_return: bool, now: u64, new_id: impl FnOnce() -> String) -> Session {
    let checkout = found.checkout.filter(|away| away.under_way(now));
    let copied = found.copied && !is_return;
    let own = found.session.filter(|own| !copied && own.alive(now, checkout.as_ref()));
    match (own, checkout) {
        (Some(own), Some(away)) if !is_return || own.id == away.session_id => own,
        (Some(own), None) => own,
        (_, Some(away)) if !copied => Session {
            id: away.session_id,
            clock: Clock { started: away.started_at, last: now, index: 0, bought: true },
        },
        _ => Session::new(new_id(), now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session(last: u64) -> Session {
        Session { id: "s".into(), clock: Clock { started: 0, last, index: 3, bought: false } }
    }

    #[test]
    fn a_session_is_over_only_after_more_than_thirty_idle_minutes() {
        for (now, over) in [(1_799_999, false), (1_800_000, false), (1_800_001, true)] {
            assert_eq!(session(0).touch(now, None, || "new".into()), over, "{now}");
        }
    }

    #[test]
    fn a_session_kept_busy_is_over_after_more_than_a_day() {
        assert!(session(LONGEST_MS).alive(LONGEST_MS, None));
        assert!(!session(LONGEST_MS + 1).alive(LONGEST_MS + 1, None));
    }

    #[test]
    fn a_new_session_starts_with_nothing_of_the_old_one() {
        let mut session = session(0);
        session.clock.bought = true;
        session.touch(IDLE_MS + 1, None, || "new".into());
        assert_eq!(session, Session::new("new".into(), IDLE_MS + 1));
    }

    #[test]
    fn a_checkout_suspends_its_own_session_for_less_than_a_day_and_no_other() {
        let mut away = Checkout { anonymous_id: "a".into(), session_id: "s".into(), started_at: 0 };
        assert!(session(0).alive(CHECKOUT_MS - 1, Some(&away)));
        assert!(!session(0).alive(CHECKOUT_MS, Some(&away)));
        away.session_id = "other".into();
        assert!(!session(0).alive(IDLE_MS + 1, Some(&away)));
    }

    #[test]
    fn looking_at_a_session_does_not_keep_it_alive() {
        let session = session(0);
        for now in (0..=IDLE_MS).step_by(60_000) {
            assert!(session.alive(now, None));
        }
        assert!(!session.alive(IDLE_MS + 1, None));
    }

    proptest! {
        #[test]
        fn clock_and_checkout_read_what_they_wrote(started: u64, last: u64, index: u64, bought: bool) {
            let clock = Clock { started, last, index, bought };
            prop_assert_eq!(Clock::parse(&clock.text()), Some(clock));
            let away = Checkout { anonymous_id: String::new(), session_id: "1_a-b".into(), started_at: started };
            prop_assert_eq!(Checkout::parse(&away.text()), Some(away));
        }

        #[test]
        fn no_text_in_storage_breaks_the_start(clock: String, checkout: String, now: u64) {
            let session = Clock::parse(&clock).map(|clock| Session { id: "s".into(), clock });
            let found = Found { session, copied: false, checkout: Checkout::parse(&checkout) };
            resume(found, true, now, || "new".into());
        }
    }
}
