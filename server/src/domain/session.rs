//! The session: a pure function of the SET of its events and conversions.
//!
//! [`fold`] gives the same session for any order, batching and duplication of the events. What depends on the time of
//! asking, the state, is [`view`].

use std::collections::BTreeMap;

use app::event::{AnonymousId, SessionId, name};

use super::attribution::{Touch, first_touch};
use super::event::{BOT, Event};
use super::ledger::{self, Conversion};
use super::money::Money;
use super::{DAY, Millis};

/// A session is over after so long without activity.
pub const IDLE_TIMEOUT: Millis = 30 * 60 * 1000;

/// One visit, folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its id.
    pub session_id: SessionId,
    /// The visitor, as the earliest event that names one says.
    pub anonymous_id: Option<AnonymousId>,
    /// What happened, in order; provisional ends that were overtaken are left out.
    pub timeline: Vec<Moment>,
    /// The money, oldest first.
    pub conversions: Vec<Conversion>,
    /// How the visitor arrived.
    pub touch: Touch,
    /// When the conversion closed the session.
    pub converted_end: Option<Millis>,
}

/// One event in a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// The event.
    pub event: Event,
    /// True when the conversion had already closed the session; such an event re-opens nothing.
    pub after_end: bool,
}

/// Folds events and conversions, all of one session. `None` when there are no events.
pub fn fold(events: impl IntoIterator<Item = Event>, mut conversions: Vec<Conversion>) -> Option<Session> {
    let mut unique = BTreeMap::new();
    for event in events {
        unique.entry((event.source, event.event_id.clone())).or_insert(event);
    }
    let mut events: Vec<Event> = unique.into_values().collect();
    events.sort_by(|a, b| order(a).cmp(&order(b)));
    leave_out_explained_sums(&mut events);
    ledger::sort(&mut conversions);

    let touch = first_touch(&events);
    let anonymous_id = events
        .iter()
        .find_map(|event| event.anonymous_id.clone())
        .or_else(|| conversions.iter().find_map(|conversion| conversion.anonymous_id.clone()));
    if events.is_empty() {
        return None;
    }
    let last = events.iter().rposition(is_activity);
    let mut position = 0;
    events.retain(|event| {
        let keep = !event.is_provisional_end() || (Some(position) == last && conversions.is_empty());
        position += 1;
        keep
    });

    let converted_end = events
        .iter()
        .find(|event| event.is_converted_end() && !conversions.is_empty())
        .map(|event| event.timestamp);
    let session_id = events
        .first()
        .map_or_else(|| conversions[0].session_id.clone(), |event| Some(event.session_id.clone()))?;
    let mut ended = false;
    let timeline = events
        .into_iter()
        .map(|event| {
            let after_end = ended;
            ended |= Some(event.timestamp) == converted_end && event.is_converted_end();
            Moment { event, after_end }
        })
        .collect();
    Some(Session { session_id, anonymous_id, timeline, conversions, touch, converted_end })
}

/// Timestamp, then rank, then the browser's count, then id. The source comes last: where events were forwarded to, all of
/// them came by key, and the session must look the same there.
fn order(event: &Event) -> (Millis, u8, i64, &str, super::event::Source) {
    let index = event.index.unwrap_or(i64::MAX);
    (event.timestamp, rank(&event.name), index, event.event_id.as_str(), event.source)
}

/// A provider may tell both of single refunds and of their sum so far: a sum that the single ones explain says nothing.
fn leave_out_explained_sums(events: &mut Vec<Event>) {
    let refund = |event: &Event| {
        let order_id = event.properties.get("orderId")?.as_str()?.to_owned();
        Some((order_id, ledger::amount_in(&event.properties, "amount", None)?))
    };
    let mut explained: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for event in
        events.iter().filter(|event| event.name == name::PAYMENT_REFUNDED && !event.is_sum_of_refunds())
    {
        if let Some((order_id, money)) = refund(event) {
            let sign = if event.properties.contains_key("status") { -1 } else { 1 };
            *explained.entry((order_id, money.currency.code())).or_default() += sign * money.minor;
        }
    }
    events.retain(|event| {
        let sum = Some(event).filter(|event| event.is_sum_of_refunds()).and_then(refund);
        sum.is_none_or(|(order_id, money)| {
            explained.get(&(order_id, money.currency.code())).is_none_or(|explained| *explained < money.minor)
        })
    });
}

/// Whether the visitor was there. That a checkout came to nothing is the provider's word, perhaps a day later: it overtakes
/// no end and wakes nobody up.
fn is_activity(event: &Event) -> bool {
    event.name != name::CHECKOUT_FAILED
}

/// Orders what carries the same time: a payment stands after the click that led to it, an end after everything but what
/// happened to the money later.
fn rank(event_name: &str) -> u8 {
    match event_name {
        name::CHECKOUT_STARTED => 1,
        name::CHECKOUT_COMPLETED => 2,
        name::SESSION_END => 3,
        name::PAYMENT_REFUNDED | name::PAYMENT_DISPUTED | name::SUBSCRIPTION_RENEWED => 4,
        _ => 0,
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The visitor is on the site.
    Active,
    /// The visitor is at the provider; the clock is suspended.
    Checkout,
    /// It led to money.
    Converted,
    /// The checkout was begun and not finished.
    Abandoned,
    /// It is over, without a checkout.
    Ended,
}

impl State {
    /// As it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Checkout => "checkout",
            Self::Converted => "converted",
            Self::Abandoned => "abandoned",
            Self::Ended => "ended",
        }
    }
}

/// A session at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Where it stands.
    pub state: State,
    /// Why it is over: `converted`, `checkout_expired`, `tab_closed`, `inactive`.
    pub end_reason: Option<&'static str>,
}

/// The times that decide where a session stands. Each is the newest of its kind, so that they need no timeline and no
/// order: a list reads them from the session's summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Whether it led to money.
    pub converted: bool,
    /// When a checkout was begun last.
    pub checkout_at: Option<Millis>,
    /// When the visitor came to a page last.
    pub arrived_at: Option<Millis>,
    /// When an end was told last; overtaken if anything is later.
    pub closed_at: Option<Millis>,
    /// When anything happened last; that a checkout failed is nothing that the visitor did.
    pub last_at: Millis,
}

impl Marks {
    /// Takes one more event in; in any order and however often.
    pub fn absorb(&mut self, event: &Event) {
        let at = event.timestamp;
        let kind = match event.name.as_str() {
            name::CHECKOUT_STARTED => Some(&mut self.checkout_at),
            // A page that is being left may still say a word; only arriving on one is coming back.
            name::PAGE_VIEW | name::CHECKOUT_RETURNED => Some(&mut self.arrived_at),
            name::SESSION_END => Some(&mut self.closed_at),
            _ => None,
        };
        if let Some(newest) = kind {
            *newest = (*newest).max(Some(at));
        }
        if is_activity(event) {
            self.last_at = self.last_at.max(at);
        }
    }

    /// Whether the last word is that of a checkout nobody came back from.
    fn at_checkout(&self) -> Option<Millis> {
        self.checkout_at.filter(|started| self.arrived_at.is_none_or(|arrived| arrived <= *started))
    }
}

/// How a session stands at `now`.
pub fn view(marks: &Marks, now: Millis) -> View {
    if marks.converted {
        return View { state: State::Converted, end_reason: Some("converted") };
    }
    if let Some(started) = marks.at_checkout() {
        return if now - started < DAY {
            View { state: State::Checkout, end_reason: None }
        } else {
            View { state: State::Abandoned, end_reason: Some("checkout_expired") }
        };
    }
    let over = if marks.checkout_at.is_some() { State::Abandoned } else { State::Ended };
    if marks.closed_at == Some(marks.last_at) {
        View { state: over, end_reason: Some("tab_closed") }
    } else if now - marks.last_at > IDLE_TIMEOUT {
        View { state: over, end_reason: Some("inactive") }
    } else {
        View { state: State::Active, end_reason: None }
    }
}

impl Session {
    /// True when it led to money.
    pub fn converted(&self) -> bool {
        !self.conversions.is_empty()
    }

    /// When its first event happened.
    pub fn started_at(&self) -> Millis {
        self.timeline.first().map_or(0, |moment| moment.event.timestamp)
    }

    /// When it was closed by a conversion, else when its last event happened.
    pub fn ended_at(&self) -> Millis {
        let last = self.timeline.last().map_or(0, |moment| moment.event.timestamp);
        self.converted_end.unwrap_or(last)
    }

    /// Whole seconds from the first event to the end.
    pub fn total_seconds(&self) -> i64 {
        (self.ended_at() - self.started_at()).max(0) / 1000
    }

    /// Whole seconds from the first event to the first conversion.
    pub fn seconds_to_convert(&self) -> Option<i64> {
        let conversion = self.conversions.first()?;
        Some((conversion.converted_at - self.started_at()).max(0) / 1000)
    }

    /// What its first payments brought, in the currency of the first.
    pub fn value(&self) -> Option<Money> {
        ledger::totals(&self.conversions, |conversion| conversion.amount).first().copied()
    }

    /// Why its visitor is taken for a bot, as the collector noted. Whoever paid is none.
    pub fn bot(&self) -> Option<&str> {
        let why = self.timeline.iter().filter_map(|moment| moment.event.properties.get(BOT)?.as_str()).min();
        why.filter(|_| !self.converted())
    }

    /// What decides where it stands.
    pub fn marks(&self) -> Marks {
        let mut marks = Marks { converted: self.converted(), ..Marks::default() };
        self.timeline.iter().for_each(|moment| marks.absorb(&moment.event));
        marks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::event::{FunnelId, Page, Source};
    use crate::domain::ledger::{Attribution, Payment, PaymentKey, PaymentKind, Purchase, settle};
    use crate::domain::money::Currency;
    use app::event::EventId;

    fn event(event_name: &str, timestamp: Millis) -> Event {
        Event {
            funnel: FunnelId::parse("ttr").unwrap(),
            source: Source::Browser,
            event_id: EventId::parse(format!("{event_name}-{timestamp}")).unwrap(),
            session_id: SessionId::parse("s1").unwrap(),
            anonymous_id: AnonymousId::parse("a1").ok(),
            name: event_name.into(),
            properties: serde_json::Map::new(),
            page: Page::default(),
            index: None,
            timestamp,
            received_at: timestamp,
        }
    }

    fn names(session: &Session) -> Vec<&str> {
        session.timeline.iter().map(|moment| moment.event.name.as_str()).collect()
    }

    fn purchase(paid_at: Millis) -> (Vec<Event>, Vec<Conversion>) {
        let payment = Payment {
            key: PaymentKey {
                funnel: FunnelId::parse("ttr").unwrap(),
                provider: "whop".into(),
                payment_id: format!("pay_{paid_at}"),
            },
            also_known_as: vec![],
            subscription_id: None,
            test: false,
            reconciled: false,
            kind: PaymentKind::First,
            amount: Ok(Money { minor: 9900, currency: Currency::parse("USD").unwrap() }),
            paid_at,
            attribution: Attribution {
                session_id: SessionId::parse("s1").ok(),
                anonymous_id: AnonymousId::parse("a1").ok(),
                checkout_started_at: Some(50_000),
            },
            received_at: paid_at,
        };
        let settled = settle(Purchase { payments: vec![payment], ..Purchase::default() });
        (settled.events, settled.conversions)
    }

    #[test]
    fn a_closed_tab_is_forgotten_when_the_visitor_goes_on() {
        let closed = fold([event("page_view", 0), event("session_end", 10)], vec![]).unwrap();
        assert_eq!(names(&closed), ["page_view", "session_end"]);
        assert_eq!(view(&closed.marks(), 20), View { state: State::Ended, end_reason: Some("tab_closed") });
        let went_on =
            fold([event("page_view", 0), event("session_end", 10), event("faq_opened", 11)], vec![]).unwrap();
        assert_eq!(names(&went_on), ["page_view", "faq_opened"]);
        assert_eq!(view(&went_on.marks(), 20).state, State::Active);
    }

    #[test]
    fn a_checkout_suspends_the_clock_for_a_day() {
        let session = fold([event("page_view", 0), event("checkout_started", 1000)], vec![]).unwrap();
        assert_eq!(view(&session.marks(), 45 * 60_000).state, State::Checkout);
        assert_eq!(
            view(&session.marks(), 1000 + DAY),
            View { state: State::Abandoned, end_reason: Some("checkout_expired") }
        );
        let back =
            fold([event("page_view", 0), event("checkout_started", 1000), event("page_view", 2000)], vec![])
                .unwrap();
        assert_eq!(view(&back.marks(), 3000).state, State::Active);
        assert_eq!(
            view(&back.marks(), 2001 + IDLE_TIMEOUT),
            View { state: State::Abandoned, end_reason: Some("inactive") }
        );
    }

    #[test]
    fn a_checkout_that_expires_a_day_later_wakes_nobody_up() {
        let visit = [
            event("page_view", 0),
            event("checkout_started", 1000),
            event("page_view", 2000),
            event("checkout_failed", DAY + 1000),
        ];
        let left = fold(visit.clone(), vec![]).unwrap();
        let inactive = View { state: State::Abandoned, end_reason: Some("inactive") };
        assert_eq!(view(&left.marks(), DAY + 2000), inactive);
        assert_eq!(left.total_seconds(), (DAY + 1000) / 1000, "from the first event to the last");
        let closed = fold(visit.into_iter().chain([event("session_end", 2500)]), vec![]).unwrap();
        assert_eq!(names(&closed)[3..], ["session_end", "checkout_failed"], "it overtakes no end");
        assert_eq!(view(&closed.marks(), DAY + 2000).end_reason, Some("tab_closed"));
    }

    #[test]
    fn a_last_word_from_a_page_that_is_being_left_does_not_end_the_checkout() {
        let leaving =
            [event("page_view", 0), event("checkout_started", 1000), event("scroll_depth_50", 1800)];
        let session = fold(leaving, vec![]).unwrap();
        assert_eq!(view(&session.marks(), 1800 + 45 * 60_000).state, State::Checkout);
    }

    #[test]
    fn an_end_that_somebody_with_a_key_tells_is_an_end_and_converts_nothing() {
        let mut end = event("session_end", 10);
        end.source = Source::Key;
        end.properties = json!({"converted": true}).as_object().cloned().unwrap();
        let session = fold([event("page_view", 0), end, event("page_view", 30)], vec![]).unwrap();
        assert!(!session.converted() && session.timeline.iter().all(|moment| !moment.after_end));
        assert_eq!(session.total_seconds(), 0);
        let ended = fold(session.timeline.into_iter().take(2).map(|moment| moment.event), vec![]).unwrap();
        assert_eq!(view(&ended.marks(), 20).state, State::Ended);
    }

    #[test]
    fn half_an_hour_of_silence_is_the_end_and_not_a_millisecond_less() {
        let session = fold([event("page_view", 0)], vec![]).unwrap();
        assert_eq!(view(&session.marks(), IDLE_TIMEOUT).state, State::Active);
        assert_eq!(view(&session.marks(), IDLE_TIMEOUT + 1).state, State::Ended);
    }

    #[test]
    fn a_conversion_is_final() {
        let (mut events, conversions) = purchase(200_000);
        events.extend([
            event("page_view", 0),
            event("checkout_started", 50_000),
            event("page_view", 300_000),
        ]);
        let session = fold(events, conversions).unwrap();
        assert_eq!(
            names(&session),
            ["page_view", "checkout_started", "checkout_completed", "session_end", "page_view"]
        );
        assert!(session.timeline[4].after_end && !session.timeline[3].after_end);
        assert_eq!(session.total_seconds(), 200);
        assert_eq!(session.seconds_to_convert(), Some(200));
        assert_eq!(view(&session.marks(), 10 * DAY).state, State::Converted);
    }

    #[test]
    fn a_browser_that_says_converted_converts_nothing() {
        let mut lie = event("session_end", 10);
        lie.properties = json!({"converted": true}).as_object().cloned().unwrap();
        let session = fold([event("page_view", 0), lie], vec![]).unwrap();
        assert!(!session.converted());
        assert_eq!(session.converted_end, None);
    }

    #[test]
    fn two_currencies_are_never_added() {
        let (events, mut conversions) = purchase(1000);
        let (_, mut second) = purchase(2000);
        second[0].amount = Some(Money { minor: 1000, currency: Currency::parse("JPY").unwrap() });
        conversions.append(&mut second);
        let value = fold(events, conversions).unwrap().value().unwrap();
        assert_eq!((value.minor, value.currency.code()), (9900, "USD"));
    }

    prop_compose! {
        fn any_event()(
            event_name in prop::sample::select(vec!["page_view", "faq_opened", "session_end", "checkout_started", "checkout_failed", "custom"]),
            timestamp in 0_i64..100,
            id in 0_u8..40,
            index in prop::option::of(0_i64..10),
        ) -> Event {
            // The same id always stands for the same event, as the store's unique key guarantees.
            let mut made = event(event_name, timestamp);
            made.event_id = EventId::parse(format!("{event_name}-{timestamp}-{id}-{index:?}").replace(['(', ')'], "_")).unwrap();
            made.index = index;
            made
        }
    }

    prop_compose! {
        /// Events of a visit and perhaps of its payment, and the same twice over in any order: the webhook's may stand
        /// anywhere among the browser's.
        fn a_visit()(
            events in prop::collection::vec(any_event(), 1..20),
            paid_at in prop::option::of(0_i64..150),
        )(
            shuffled in {
                let (money, _) = paid_at.map(purchase).unwrap_or_default();
                let all: Vec<Event> = events.iter().cloned().chain(money).collect();
                Just([all.clone(), all].concat()).prop_shuffle()
            },
            events in Just(events),
            paid_at in Just(paid_at),
        ) -> (Vec<Event>, Vec<Event>, Vec<Conversion>) {
            let (money, conversions) = paid_at.map(purchase).unwrap_or_default();
            (events.into_iter().chain(money).collect(), shuffled, conversions)
        }
    }

    proptest! {
        #[test]
        fn any_order_and_duplication_folds_to_the_same_session((events, shuffled, conversions) in a_visit()) {
            let doubled = [conversions.clone(), conversions.clone()].concat();
            prop_assert_eq!(fold(shuffled, doubled), fold(events, conversions));
        }
    }
}
