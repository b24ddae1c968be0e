//! The one tracker of this page: who, which session, and what waits to be sent.

use std::cell::RefCell;

use super::page::{self, Area};
use super::unsent;
use crate::event::{name, storage};
use crate::tracking::identity::{self, Wishes};
use crate::tracking::json::Object;
use crate::tracking::limit::Limit;
use crate::tracking::queue::Queue;
use crate::tracking::session::{self, Checkout, Clock, Found, Session};

thread_local! {
    static TRACKER: RefCell<Option<Tracker>> = const { RefCell::new(None) };
}

/// Puts the tracker in charge.
pub(super) fn install(tracker: Tracker) {
    TRACKER.with_borrow_mut(|slot| *slot = Some(tracker));
}

/// Does something with the tracker, if it is in charge.
pub(super) fn with<R>(act: impl FnOnce(&mut Tracker) -> R) -> Option<R> {
    TRACKER.with(|slot| slot.try_borrow_mut().ok()?.as_mut().map(act))
}

/// How often mere activity is written to storage, ms: scrolling is no reason to write at every frame.
const SAVE_EVERY_MS: u64 = 5000;
/// A second press of the buy button within this time belongs to the same click, ms.
const BURST_MS: u64 = 10_000;

/// State of the page; what storage can keep of it is there as well.
pub(super) struct Tracker {
    pub(super) private: bool,
    pub(super) ignored: bool,
    pub(super) anonymous_id: Option<String>,
    pub(super) session: Session,
    pub(super) checkout: Option<Checkout>,
    /// The click that is leaving for the checkout, and when it was made (ms).
    pub(super) click: Option<(String, u64)>,
    pub(super) queue: Queue,
    /// Holds a page back that tells without end.
    limit: Limit,
    /// Counts page views and sessions: what islands remember belongs to one of them.
    pub(super) view: u32,
    saved: u64,
}

impl Tracker {
    pub(super) fn new(private: bool, ignored: bool, anonymous_id: Option<String>, session: Session) -> Self {
        Self {
            private,
            ignored,
            anonymous_id,
            session,
            checkout: None,
            click: None,
            queue: Queue::default(),
            limit: Limit::default(),
            view: 0,
            saved: 0,
        }
    }

    /// The visitor did something; if the session was over, that begins a new one.
    pub(super) fn touch(&mut self, now: u64) {
        if self.session.touch(now, self.checkout.as_ref(), || new_id(now)) {
            self.view += 1;
            self.save();
        } else if now.saturating_sub(self.saved) > SAVE_EVERY_MS {
            self.save();
        }
    }

    /// Something happened because of the visitor.
    pub(super) fn emit(&mut self, event_name: &str, properties: &str) {
        self.touch(page::now());
        self.tell(event_name, properties);
    }

    /// Something happened by itself: no activity, and nothing that could begin a session.
    pub(super) fn emit_passively(&mut self, event_name: &str, properties: &str) {
        if self.session.alive(page::now(), self.checkout.as_ref()) {
            self.tell(event_name, properties);
        }
    }

    fn tell(&mut self, event_name: &str, properties: &str) {
        if self.ignored {
            return;
        }
        let now = page::now();
        self.session.clock.index += 1;
        self.save();
        let user = match &self.anonymous_id {
            Some(id) => Object::new().text("anonymousId", id),
            None => Object::new(),
        };
        let session =
            Object::new().text("sessionId", &self.session.id).number("index", self.session.clock.index);
        let place = Object::new().text("url", &page::url()).text("referrer", &page::referrer());
        let context = Object::new()
            .raw("user", &user.finish())
            .raw("session", &session.finish())
            .raw("page", &place.finish());
        let event = Object::new()
            .text("eventId", &identity::event_id(now, page::random()))
            .text("eventName", event_name)
            .raw("properties", properties)
            .raw("context", &context.finish())
            .number("timestamp", now);
        let event = event.finish();
        if !self.private {
            unsent::keep(std::slice::from_ref(&event));
        }
        self.queue.push(event, now);
    }

    /// Whether the page's own script may tell one more event; says so once in development if not.
    pub(super) fn allows_one_more(&mut self, now: u64) -> bool {
        let allowed = self.limit.allows(now);
        if !allowed && self.limit.refused == 1 && page::flag("data-development") {
            page::log(
                "[TTR] Too many events: trackEvent drops what is over 100 at once, 10 in a second or 1000 in a page",
            );
        }
        allowed
    }

    /// Puts what the store keeps, of this page or of earlier ones, in front of the queue, unless it is in the queue.
    pub(super) fn take_unsent(&mut self) {
        if !self.private {
            let known = self.queue.unsettled();
            let mut unsent = unsent::worth_sending(page::now());
            unsent.retain(|event| !known.contains(event));
            self.queue.put_back(unsent);
        }
    }

    /// Makes sure that the store has everything that this page may not live to see answered.
    pub(super) fn keep_unsettled(&self) {
        if !self.private {
            unsent::keep(&self.queue.unsettled());
        }
    }

    /// A page view begins.
    pub(super) fn view_page(&mut self) {
        self.view += 1;
        self.emit(name::PAGE_VIEW, "{}");
    }

    /// The buy button was pressed: the session stays alive until the visitor is back. Gives the click's id and time.
    pub(super) fn click(&mut self) -> (String, u64) {
        let now = page::now();
        self.touch(now);
        let click = match self.click.take() {
            Some((id, at)) if now.saturating_sub(at) < BURST_MS => (id, at),
            _ => (new_id(now), now),
        };
        self.suspend(click.1);
        self.click = Some(click.clone());
        click
    }

    /// A checkout of this session began at `started_at`.
    pub(super) fn suspend(&mut self, started_at: u64) {
        let checkout = Checkout {
            anonymous_id: self.anonymous_id.clone().unwrap_or_default(),
            session_id: self.session.id.clone(),
            started_at,
        };
        if !self.private {
            page::write(Area::Visitor, storage::CHECKOUT, &checkout.text());
        }
        self.checkout = Some(checkout);
        self.session.clock.bought = true;
        self.save();
    }

    /// The visitor is back from the checkout.
    pub(super) fn come_back(&mut self) {
        if self.checkout.take().is_some_and(|away| away.session_id == self.session.id) {
            self.emit(name::CHECKOUT_RETURNED, "{}");
            page::remove(Area::Visitor, storage::CHECKOUT);
        }
    }

    /// The page is being left: its session may be over, or go on elsewhere. The checkout's end is not ours to tell.
    pub(super) fn close(&mut self) {
        self.click = None;
        if !self.session.clock.bought {
            let end = Object::new()
                .raw("provisional", "true")
                .number("duration", self.session.seconds(page::now()));
            self.emit_passively(name::SESSION_END, &end.finish());
        }
        page::remove(Area::Tab, storage::SESSION_OPEN);
    }

    /// The page came back from the back/forward cache; meanwhile other pages may have gone on with the session.
    pub(super) fn reopen(&mut self) {
        let now = page::now();
        if !self.private {
            let found = Found { session: stored_session(), copied: false, checkout: stored_checkout() };
            let found = Found {
                session: found.session.or_else(|| Some(self.session.clone())),
                checkout: found.checkout.or_else(|| self.checkout.take()),
                ..found
            };
            self.checkout.clone_from(&found.checkout);
            self.session = session::resume(found, page::flag("data-return"), now, || new_id(now));
            self.anonymous_id =
                page::read(Area::Visitor, storage::ANONYMOUS_ID).or_else(|| self.anonymous_id.take());
        }
        self.view_page();
    }

    /// Begins a session anew, whatever the old one was.
    pub(super) fn renew(&mut self) {
        let now = page::now();
        self.session = Session::new(new_id(now), now);
        self.checkout = None;
        self.view += 1;
        self.save();
    }

    /// Writes who and which session to storage, where that is allowed, and that this document owns the session: a
    /// duplicate of the tab must not.
    pub(super) fn save(&mut self) {
        self.saved = page::now();
        if self.private {
            return;
        }
        if let Some(id) = &self.anonymous_id {
            page::write(Area::Visitor, storage::ANONYMOUS_ID, id);
        }
        page::write(Area::Tab, storage::SESSION_OPEN, "1");
        page::write(Area::Tab, storage::SESSION_ID, &self.session.id);
        page::write(Area::Tab, storage::SESSION_CLOCK, &self.session.clock.text());
    }

    /// Tells nothing from now on.
    pub(super) fn ignore(&mut self) {
        self.forget();
        self.queue.clear();
        self.ignored = true;
    }

    /// Removes every trace of the visitor from storage and goes on as somebody else, unnamed.
    pub(super) fn forget(&mut self) {
        forget_stored();
        self.private = true;
        self.anonymous_id = None;
        self.renew();
    }
}

pub(super) fn new_id(now: u64) -> String {
    identity::new_id(now, page::random())
}

fn stored_session() -> Option<Session> {
    let id = crate::event::SessionId::parse(page::read(Area::Tab, storage::SESSION_ID)?).ok()?.to_string();
    let clock = Clock::parse(&page::read(Area::Tab, storage::SESSION_CLOCK)?)?;
    Some(Session { id, clock })
}

fn stored_checkout() -> Option<Checkout> {
    Checkout::parse(&page::read(Area::Visitor, storage::CHECKOUT)?)
}

/// Removes what names the visitor or the session.
pub(super) fn forget_stored() {
    for key in [storage::ANONYMOUS_ID, storage::CHECKOUT, storage::UNSENT] {
        page::remove(Area::Visitor, key);
    }
    for key in [storage::SESSION_ID, storage::SESSION_CLOCK, storage::SESSION_OPEN] {
        page::remove(Area::Tab, key);
    }
}

/// What the visitor and the page's owner have said about being remembered.
pub(super) fn wishes() -> Wishes {
    Wishes {
        ignored: page::read(Area::Visitor, storage::IGNORE).is_some(),
        gpc: !page::navigator("globalPrivacyControl").is_empty(),
        do_not_track: page::navigator("doNotTrack"),
        consent_required: page::flag("data-consent"),
        consent: page::read(Area::Visitor, storage::CONSENT).unwrap_or_default(),
    }
}
