//! What visitors, key holders and Whop send: each request is a function of the seed, the start and its number, so that
//! nothing of it need be remembered to know what must be found in the end.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use crate::content::Content;
use crate::dice::{dice, hash};

/// Requests that belong to one session.
const REQUESTS_OF_A_SESSION: u64 = 8;

/// Sessions of one visitor.
const SESSIONS_OF_A_VISITOR: u64 = 3;

/// From the buy button to the payment, seconds.
const CHECKOUT_SECONDS: i64 = 90;

/// How long before it is sent an event happened, ms: never in the future.
const AGO: i64 = 60_000;

/// Everything that is ever sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    /// When it begins, ms since 1970.
    pub(crate) start: i64,
    /// Requests a second.
    pub(crate) rate: u64,
}

/// Something that must be found if its request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Name {
    /// An event that was posted, by its place in the request.
    Event(u64, u64),
    /// The `checkout_completed` that a payment makes.
    Completed(u64),
    /// The `session_end` that it makes.
    Ended(u64),
    /// A delivery: a payment may be told of twice.
    Delivery(u64, u64),
    Payment(u64),
    Conversion(u64),
}

/// It, what it says, and whether the remote Aurea must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) name: Name,
    pub(crate) content: u64,
    pub(crate) told: bool,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) number: u64,
    pub(crate) what: What,
    /// It is sent so often at the same time.
    pub(crate) copies: u64,
    /// Its sender hangs up without waiting for the answer, and does not come back.
    pub(crate) hangs_up: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Events of a page of ours.
    Browser(Vec<Content>),
    /// Events of a holder of a key.
    Key(Vec<Content>),
    /// A delivery of Whop's, under one id after the other.
    Delivery { ids: Vec<String>, body: String },
    /// A delivery that nobody signed.
    Forgery { id: String, body: String },
}

/// A payment, and what becomes of it.
struct Payment {
    id: String,
    major: i64,
    paid_at: i64,
    session: String,
    visitor: String,
}

impl Traffic {
    /// The request with this number.
    pub(crate) fn offer(&self, number: u64) -> Offer {
        let mut dice = dice(self.seed, number);
        let what = match dice.random_range(0..100) {
            0..70 => What::Browser(self.events(number, &mut dice)),
            70..84 => What::Key(self.keyed_events(number, &mut dice)),
            84..98 => {
                let ids = if dice.random_ratio(1, 10) { 2 } else { 1 };
                let body = self.payment(number).body();
                What::Delivery { ids: (0..ids).map(|part| self.id("msg", number, part)).collect(), body }
            }
            98 => {
                let body = json!({"type": "membership.activated", "data": {"id": self.id("mem", number, 0)}});
                What::Delivery { ids: vec![self.id("msg", number, 0)], body: body.to_string() }
            }
            _ => What::Forgery { id: self.id("msg", number, 0), body: self.payment(number).body() },
        };
        let copies = if dice.random_ratio(1, 10) { 2 } else { 1 };
        let hangs_up = matches!(what, What::Browser(_)) && dice.random_ratio(1, 20);
        Offer { number, what, copies, hangs_up }
    }

    /// What a request makes, if it is taken.
    pub(crate) fn things(&self, number: u64) -> Vec<Thing> {
        let offer = self.offer(number);
        let delivery = |part, body: &str| Thing {
            name: Name::Delivery(number, part),
            content: hash(&body.as_bytes()),
            told: false,
        };
        let (events, told) = match &offer.what {
            What::Forgery { .. } => return Vec::new(),
            What::Delivery { ids, body } => {
                let mut things: Vec<Thing> = (0..).zip(ids).map(|(part, _)| delivery(part, body)).collect();
                if body.contains("payment.succeeded") {
                    things.extend(self.payment(number).things(number));
                }
                return things;
            }
            What::Browser(events) => (events, true),
            What::Key(events) => (events, false),
        };
        let thing = |(place, event): (u64, &Content)| Thing {
            name: Name::Event(number, place),
            content: event.hash(),
            told,
        };
        let mut things: Vec<Thing> = (0..).zip(events).map(thing).collect();
        let sale = events.iter().find(|event| event.name == "checkout_completed");
        things.extend(sale.map(|_| conversion(number, "key", self.major(number), &self.session(number))));
        things
    }

    /// The id of a part of a request; `kind` says of what.
    pub(crate) fn id(&self, kind: &str, number: u64, part: u64) -> String {
        format!("{kind}-{:x}-{number}-{part}", self.seed)
    }

    /// Which part of which request an id names.
    pub(crate) fn parts(&self, kind: &str, id: &str) -> Option<(u64, u64)> {
        let rest = id.strip_prefix(&format!("{kind}-{:x}-", self.seed))?;
        let (number, part) = rest.split_once('-')?;
        let parts = (number.parse().ok()?, part.parse().ok()?);
        (self.id(kind, parts.0, parts.1) == id).then_some(parts)
    }

    fn session(&self, number: u64) -> String {
        format!("s-{:x}-{}", self.seed, number / REQUESTS_OF_A_SESSION)
    }

    fn visitor(&self, number: u64) -> String {
        format!("v-{:x}-{}", self.seed, number / REQUESTS_OF_A_SESSION / SESSIONS_OF_A_VISITOR)
    }

    fn sent_at(&self, number: u64) -> i64 {
        self.start + i64::try_from(number * 1000 / self.rate).unwrap()
    }

    fn events(&self, number: u64, dice: &mut impl Rng) -> Vec<Content> {
        const NAMES: &[&str] = &["page_view", "faq_opened", "scroll_depth_50", "video_started", "chaos"];
        let count = *[1, 1, 1, 2, 3].choose(dice).unwrap();
        let event = |place| {
            let mut properties = Map::new();
            properties.insert("number".into(), number.into());
            properties.insert("text".into(), "„Größe“ \\ \"<b>\" 🤔\u{1}".into());
            if dice.random_ratio(1, 50) {
                properties.insert("long".into(), "x".repeat(8000).into());
            }
            Content {
                name: (*NAMES.choose(dice).unwrap()).into(),
                properties,
                session: self.session(number),
                visitor: Some(self.visitor(number)),
                url: Some("https://ttr.example/?utm_source=chaos".into()),
                referrer: dice.random_bool(0.5).then(|| "https://www.google.com/".into()),
                index: dice.random_bool(0.5).then_some(place),
                timestamp: self.sent_at(number) - AGO + place,
            }
        };
        (0..count).map(event).collect()
    }

    /// Some of them tell of a sale.
    fn keyed_events(&self, number: u64, dice: &mut impl Rng) -> Vec<Content> {
        let mut events = self.events(number, dice);
        if dice.random_ratio(1, 6) {
            events[0].name = "checkout_completed".into();
            events[0].properties.insert("orderId".into(), self.id("pay", number, 0).into());
            events[0].properties.insert("revenue".into(), self.major(number).into());
        }
        events
    }

    fn major(&self, number: u64) -> i64 {
        dice(self.seed, ("amount", number)).random_range(1..1000)
    }

    fn payment(&self, number: u64) -> Payment {
        Payment {
            id: self.id("pay", number, 0),
            major: self.major(number),
            paid_at: (self.sent_at(number) - AGO) / 1000,
            session: self.session(number),
            visitor: self.visitor(number),
        }
    }
}

impl Payment {
    fn body(&self) -> String {
        json!({
            "type": "payment.succeeded",
            "data": {
                "id": self.id, "total": self.major, "currency": "usd", "paid_at": self.paid_at,
                "metadata": {
                    "aurea_anonymous_id": self.visitor, "aurea_session_id": self.session,
                    "checkout_started_at": ((self.paid_at - CHECKOUT_SECONDS) * 1000).to_string(),
                },
            },
        })
        .to_string()
    }

    /// The payment, its conversion and its two events.
    fn things(&self, number: u64) -> Vec<Thing> {
        let event = |name, event_name: &str, properties: Value| {
            let content = Content {
                name: event_name.into(),
                properties: properties.as_object().unwrap().clone(),
                session: self.session.clone(),
                visitor: Some(self.visitor.clone()),
                timestamp: self.paid_at * 1000,
                ..Content::default()
            };
            Thing { name, content: content.hash(), told: true }
        };
        let completed = json!({
            "conversionType": "purchase", "revenue": self.major, "currency": "USD", "orderId": self.id,
            "checkoutDuration": CHECKOUT_SECONDS, "source": "whop_webhook", "sessionEnd": true,
        });
        let ended = json!({
            "converted": true, "conversionType": "purchase", "revenue": self.major, "currency": "USD",
            "orderId": self.id, "duration": CHECKOUT_SECONDS, "source": "whop_webhook",
        });
        vec![
            Thing {
                name: Name::Payment(number),
                content: money("whop", self.major * 100, &self.session),
                told: false,
            },
            conversion(number, "whop", self.major, &self.session),
            event(Name::Completed(number), "checkout_completed", completed),
            event(Name::Ended(number), "session_end", ended),
        ]
    }
}

fn conversion(number: u64, provider: &str, major: i64, session: &str) -> Thing {
    Thing { name: Name::Conversion(number), content: money(provider, major * 100, session), told: false }
}

/// What a payment or a conversion says.
pub(crate) fn money(provider: &str, minor: i64, session: &str) -> u64 {
    hash(&(provider, minor, session))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TRAFFIC: Traffic = Traffic { seed: 7, start: 1_795_435_200_000, rate: 300 };

    #[test]
    fn a_request_is_the_same_whenever_it_is_asked_for_and_another_for_another_seed() {
        let other = Traffic { seed: 8, ..TRAFFIC };
        for number in 0..1000 {
            assert_eq!(TRAFFIC.offer(number), TRAFFIC.offer(number));
            assert_eq!(TRAFFIC.things(number), TRAFFIC.things(number));
            assert_ne!(TRAFFIC.offer(number).what, other.offer(number).what);
        }
    }

    #[test]
    fn nothing_has_the_name_of_anything_else_and_names_read_back() {
        let names: Vec<Name> =
            (0..1000).flat_map(|number| TRAFFIC.things(number)).map(|thing| thing.name).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert_eq!(TRAFFIC.parts("e", &TRAFFIC.id("e", 12, 3)), Some((12, 3)));
        for foreign in ["e-8-12-3", "e-7-12", "e-7-012-3", "msg-7-12-3", ""] {
            assert_eq!(TRAFFIC.parts("e", foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_kind_of_request_is_among_them() {
        let offers: Vec<Offer> = (0..2000).map(|number| TRAFFIC.offer(number)).collect();
        let count = |is: fn(&Offer) -> bool| offers.iter().filter(|offer| is(offer)).count();
        for (kind, least, number) in [
            ("browser", 1300, count(|offer| matches!(offer.what, What::Browser(_)))),
            ("key", 200, count(|offer| matches!(offer.what, What::Key(_)))),
            ("delivery", 200, count(|offer| matches!(offer.what, What::Delivery { .. }))),
            ("twice", 10, count(|offer| matches!(&offer.what, What::Delivery { ids, .. } if ids.len() == 2))),
            ("forgery", 5, count(|offer| matches!(offer.what, What::Forgery { .. }))),
            ("twins", 150, count(|offer| offer.copies == 2)),
            ("hangs up", 40, count(|offer| offer.hangs_up)),
        ] {
            assert!(number >= least, "{kind}: {number}");
        }
    }
}
