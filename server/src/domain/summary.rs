//! A session in short: what lists and figures need, kept beside the events so that nobody folds a hundred thousand
//! sessions to count them.
//!
//! Every part is the newest, the earliest or the number of something, so that the summary is, like the session itself, a
//! function of the SET of events: [`Summary::absorb`] gives the same in any order, as long as each event comes once.

use app::event::{AnonymousId, SessionId};
use serde_json::Value;

use super::attribution::{Touch, touch_of};
use super::event::{BOT, Event};
use super::ledger::{Conversion, totals};
use super::money::Money;
use super::session::{Marks, View, view};
use super::{DAY, Millis};

/// A session in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its id.
    pub session_id: SessionId,
    /// What decides where it stands.
    pub marks: Marks,
    /// When the first and the newest of its events happened, ends that may be overtaken not counted.
    pub span: Option<(Millis, Millis)>,
    /// How many events it has, ends that may be overtaken and sums of refunds not counted.
    pub events: u64,
    /// How many ends that may be overtaken, and when the newest of them was told.
    pub provisional_ends: (u64, Option<Millis>),
    /// When a conversion closed it first, if one did.
    pub closed_by_conversion_at: Option<Millis>,
    /// The visitor that its earliest event names.
    pub visitor: Earliest<AnonymousId>,
    /// How that visitor arrived: the touch of its earliest event with a page.
    pub touch: Earliest<Touch>,
    /// Why its visitor may be taken for a bot, as the collector noted.
    pub bot: Option<String>,
    /// How many conversions it has, tests not counted.
    pub conversions: u64,
    /// What they and their renewals brought, by currency, the oldest conversion's first.
    pub revenue: Vec<Money>,
    /// What is left of that after refunds and disputes, by the same currencies.
    pub net: Vec<Money>,
}

/// What the earliest event says; of two in the same millisecond, the one with the smaller id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earliest<T>(pub Option<(Millis, String, T)>);

impl<T> Earliest<T> {
    /// What it says, if any event said anything.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, _, value)| value)
    }

    fn offer(&mut self, event: &Event, value: impl FnOnce() -> T) {
        let earlier = (self.0.as_ref())
            .is_none_or(|(at, id, _)| (event.timestamp, event.event_id.as_str()) < (*at, id.as_str()));
        if earlier {
            self.0 = Some((event.timestamp, event.event_id.to_string(), value()));
        }
    }
}

impl Summary {
    /// Of a session that nothing is known of yet.
    pub fn new(session_id: SessionId) -> Self {
        Self {
            session_id,
            marks: Marks::default(),
            span: None,
            events: 0,
            provisional_ends: (0, None),
            closed_by_conversion_at: None,
            visitor: Earliest(None),
            touch: Earliest(None),
            bot: None,
            conversions: 0,
            revenue: Vec::new(),
            net: Vec::new(),
        }
    }

    /// Takes one more event in. It must not have been taken in before.
    pub fn absorb(&mut self, event: &Event) {
        self.marks.absorb(event);
        if event.is_provisional_end() {
            let (count, newest) = &mut self.provisional_ends;
            *count += 1;
            *newest = (*newest).max(Some(event.timestamp));
        } else {
            self.events += u64::from(!event.is_sum_of_refunds());
            let (first, newest) = self.span.unwrap_or((event.timestamp, event.timestamp));
            self.span = Some((first.min(event.timestamp), newest.max(event.timestamp)));
        }
        if event.is_converted_end() {
            let first = self.closed_by_conversion_at.get_or_insert(event.timestamp);
            *first = (*first).min(event.timestamp);
        }
        if let Some(visitor) = &event.anonymous_id {
            self.visitor.offer(event, || visitor.clone());
        }
        if event.page.url.is_some() {
            self.touch.offer(event, || touch_of(&event.page));
        }
        if let Some(Value::String(why)) = event.properties.get(BOT) {
            self.bot = self.bot.take().into_iter().chain([why.clone()]).min();
        }
    }

    /// Says which conversions it has, all of them, oldest first.
    pub fn convert(&mut self, conversions: &[Conversion]) {
        self.marks.converted = !conversions.is_empty();
        self.conversions = conversions.iter().filter(|conversion| !conversion.test).count() as u64;
        self.revenue = totals(conversions, Conversion::earned);
        self.net = totals(conversions, Conversion::net);
    }

    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.provisional_ends.0 == 0
    }

    /// Why it is kept apart, if it is: whoever paid is no bot.
    pub fn kept_apart(&self) -> Option<&str> {
        self.bot.as_deref().filter(|_| !self.marks.converted)
    }

    /// When its first event happened.
    pub fn started_at(&self) -> Millis {
        let (_, lone_end) = self.provisional_ends;
        let first = self.span.map(|(first, _)| first);
        first.into_iter().chain(self.open_end()).min().or(lone_end).unwrap_or_default()
    }

    /// How it stands at `now`.
    pub fn view(&self, now: Millis) -> View {
        view(&self.marks, now)
    }

    /// When it was closed by a conversion, else when its last event happened.
    pub fn ended_at(&self) -> Millis {
        let newest = self.span.map(|(_, newest)| newest);
        let last = newest.max(self.open_end());
        self.closed_by_conversion_at.filter(|_| self.marks.converted).or(last).unwrap_or(self.marks.last_at)
    }

    /// When the newest end that may be overtaken was told, as long as it stands.
    fn open_end(&self) -> Option<Millis> {
        let (_, newest) = self.provisional_ends;
        newest.filter(|at| *at == self.marks.last_at && !self.marks.converted)
    }

    /// Events that its timeline shows: an end that was overtaken is none of them.
    pub fn events_shown(&self) -> u64 {
        self.events + u64::from(self.open_end().is_some())
    }

    /// What it adds to the figures of its funnel; nothing if it is kept apart.
    pub fn tally(&self) -> Option<Tally> {
        let counted = self.kept_apart().is_none() && !self.is_empty();
        counted.then(|| Tally {
            day: self.started_at().div_euclid(DAY),
            source: self.touch.get().and_then(|touch| touch.source.clone()),
            checkout: self.marks.checkout_at.is_some(),
            conversions: self.conversions,
            revenue: self.revenue.clone(),
            net: self.net.clone(),
        })
    }
}

/// What one session adds to the figures of its funnel: everything counts to the day on which it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Days since 1970, UTC.
    pub day: i64,
    /// Where its visitor came from; absent is direct.
    pub source: Option<String>,
    /// Whether it went to the checkout.
    pub checkout: bool,
    /// How many conversions it has.
    pub conversions: u64,
    /// What they brought, by currency.
    pub revenue: Vec<Money>,
    /// What is left of it, by the same currencies.
    pub net: Vec<Money>,
}

/// What sessions led to, summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions that began.
    pub sessions: u64,
    /// Of them, those that went to the checkout.
    pub checkouts: u64,
    /// Their conversions.
    pub conversions: u64,
    /// Revenue, one amount for each currency.
    pub revenue: Vec<Money>,
    /// What is left of it after refunds and disputes.
    pub net: Vec<Money>,
}

impl Figures {
    /// Adds revenue, and what is left of it, to that of its currency.
    pub fn earn(&mut self, revenue: Money, net: Money) {
        revenue.add_to(&mut self.revenue);
        net.add_to(&mut self.net);
    }

    /// Adds the figures of other sessions.
    pub fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.checkouts += other.checkouts;
        self.conversions += other.conversions;
        other.revenue.iter().for_each(|money| money.add_to(&mut self.revenue));
        other.net.iter().for_each(|money| money.add_to(&mut self.net));
    }
}

#[cfg(test)]
mod tests {
    use app::event::EventId;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::domain::event::{FunnelId, Page, Source};
    use crate::domain::ledger::{Later, PaymentKey};
    use crate::domain::money::Currency;
    use crate::domain::session::fold;

    fn session_id() -> SessionId {
        SessionId::parse("s1").unwrap()
    }

    fn summary(events: &[Event]) -> Summary {
        let mut summary = Summary::new(session_id());
        for event in events {
            summary.absorb(event);
        }
        summary
    }

    prop_compose! {
        /// Times are apart, as ties are broken by other means here than in a timeline.
        fn any_event(at: Millis)(
            name in prop::sample::select(vec![
                "page_view", "faq_opened", "session_end", "checkout_started", "checkout_returned", "checkout_failed",
                "custom",
            ]),
            source in prop::sample::select(vec![Source::Browser, Source::Key, Source::Server]),
            visitor in prop::sample::select(vec![None, Some("a1"), Some("a2")]),
            url in prop::sample::select(vec![None, Some("https://t.example/"), Some("https://t.example/?utm_source=n")]),
            provisional in any::<bool>(),
        ) -> Event {
            let properties = if provisional && name == "session_end" { json!({"provisional": true}) } else { json!({}) };
            Event {
                funnel: FunnelId::parse("ttr").unwrap(),
                source,
                event_id: EventId::parse(format!("e{at}")).unwrap(),
                session_id: session_id(),
                anonymous_id: visitor.map(|id| AnonymousId::parse(id).unwrap()),
                name: name.to_owned(),
                properties: properties.as_object().cloned().unwrap(),
                page: Page { url: url.map(str::to_owned), referrer: None },
                index: None,
                timestamp: at,
                received_at: at,
            }
        }
    }

    fn any_visit() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
        let events = (1..15_usize).prop_flat_map(|count| {
            (0..count).map(|at| any_event(1000 * i64::try_from(at).unwrap())).collect::<Vec<_>>()
        });
        events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_summary((events, shuffled) in any_visit()) {
            prop_assert_eq!(summary(&shuffled), summary(&events));
        }

        #[test]
        fn a_summary_says_what_the_timeline_says((events, _) in any_visit(), later in 0..100_000_000_i64) {
            let short = summary(&events);
            let session = fold(events, vec![]).unwrap();
            prop_assert_eq!(short.view(later), view(&session.marks(), later));
            prop_assert_eq!(short.started_at(), session.started_at());
            prop_assert_eq!(short.ended_at(), session.ended_at());
            prop_assert_eq!(short.events_shown(), session.timeline.len() as u64);
            prop_assert_eq!(short.touch.get().cloned().unwrap_or_default(), session.touch);
            prop_assert_eq!(short.visitor.get(), session.anonymous_id.as_ref());
        }
    }

    #[test]
    fn a_bot_is_counted_nowhere_unless_it_pays() {
        let mut event = Event {
            funnel: FunnelId::parse("ttr").unwrap(),
            source: Source::Browser,
            event_id: EventId::parse("e1").unwrap(),
            session_id: session_id(),
            anonymous_id: None,
            name: "page_view".into(),
            properties: Map::new(),
            page: Page::default(),
            index: None,
            timestamp: 5,
            received_at: 5,
        };
        assert!(summary(std::slice::from_ref(&event)).tally().is_some());
        event.properties.insert(BOT.into(), "crawler".into());
        let mut bot = summary(std::slice::from_ref(&event));
        assert_eq!(bot.tally(), None);
        bot.convert(&[conversion(9900, "USD")]);
        assert_eq!(bot.tally().unwrap().conversions, 1);
    }

    fn conversion(minor: i64, currency: &str) -> Conversion {
        Conversion {
            key: PaymentKey {
                funnel: FunnelId::parse("ttr").unwrap(),
                provider: "whop".into(),
                payment_id: format!("pay_{minor}"),
            },
            conversion_type: "purchase".into(),
            amount: Some(Money { minor, currency: Currency::parse(currency).unwrap() }),
            converted_at: 5,
            session_id: Some(session_id()),
            anonymous_id: None,
            test: false,
            later: Later { refunded: 100, ..Later::default() },
        }
    }

    #[test]
    fn each_conversion_and_each_currency_counts() {
        let mut summary = Summary::new(session_id());
        summary.convert(&[conversion(9900, "USD"), conversion(5000, "EUR"), conversion(100, "USD")]);
        let sums: Vec<String> = summary.revenue.iter().map(ToString::to_string).collect();
        assert_eq!((summary.conversions, sums), (3, vec!["100.00 USD".to_owned(), "50.00 EUR".to_owned()]));
        let net: Vec<String> = summary.net.iter().map(ToString::to_string).collect();
        assert_eq!(net, ["98.00 USD", "49.00 EUR"]);
    }
}
