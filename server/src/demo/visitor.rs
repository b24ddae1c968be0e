//! One visitor: who, from where, how often, and what they do. A pure function of the seed and the visitor's number.

use app::event::{metadata, name};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::moment::{Moment, Said};
use super::sources::Source;
use super::visit::{self, Visit};
use super::{Window, rhythm};
use crate::config::Config;
use crate::domain::{DAY, Millis};

/// What the visits need to know of the site.
pub(super) struct Landing {
    pub(super) origin: String,
    pub(super) total: Value,
    pub(super) currency: String,
    questions: Vec<String>,
    video: String,
}

impl Landing {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            origin: config.site.origin(),
            total: config.price.major_json(),
            currency: config.price.currency.code().to_ascii_lowercase(),
            questions: config.words.faq.items.iter().map(|item| item.question.clone()).collect(),
            video: config.words.video.name.clone(),
        }
    }
}

/// What a visitor sends, in order.
pub(super) struct Visitor {
    /// How many sessions that makes.
    pub(super) sessions: u32,
    pub(super) moments: Vec<Moment>,
}

/// How a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// Leaves after a glance.
    Glance,
    /// Reads, and leaves.
    Read,
    /// Presses the buy button and does not pay.
    Abandon,
    /// The card is declined; some pay with another.
    Declined,
    /// Pays.
    Pay,
    /// Is reading right now.
    Reading,
    /// Is at the checkout right now.
    AtCheckout,
}

/// Payments that nobody here led to: somebody was given the bare link. One for so many visitors.
const STRANGERS: u64 = 400;

/// What happens to a payment later. Each to one of so many visitors.
const FATED: u64 = 600;

/// What happens to a payment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Renewed,
    Refunded,
    Disputed,
}

impl Fate {
    fn of(number: u64) -> Option<Self> {
        match number % FATED {
            70 => Some(Self::Renewed),
            170 => Some(Self::Refunded),
            270 => Some(Self::Disputed),
            _ => None,
        }
    }
}

impl Visitor {
    /// The visitor with this number. The first few of all are there right now; `most` is how many sessions may still
    /// be made.
    pub(super) fn new(
        landing: &Landing,
        seed: u64,
        number: u64,
        window: Window,
        of_sessions: u32,
        most: u32,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let rng = &mut rng;
        let source = Source::pick(rng);
        let right_now = number < u64::from((of_sessions / 25).clamp(1, 12));
        let mut at = if right_now {
            window.until - rng.random_range(40_000..200_000)
        } else {
            rhythm::pick(window, rng)
        };
        // Some don't want to be remembered: every visit of theirs is somebody new.
        let anonymous_id = rng.random_bool(0.96).then(|| visit::new_id(at, rng));
        let visits = if right_now || anonymous_id.is_none() { 1 } else { visits(rng) }.min(most);
        let mut visitor = Self { sessions: 0, moments: Vec::new() };
        for again in 0..visits {
            let course = match (right_now, number % 2) {
                (true, 0) => Course::AtCheckout,
                (true, _) => Course::Reading,
                (false, _) if Fate::of(number).is_some() => Course::Pay,
                (false, _) => course(source, again > 0, rng),
            };
            let (query, referrer) = if again > 0 && rng.random_bool(0.5) {
                ("", "") // knows the way by now
            } else {
                (source.query(rng), source.referrer(rng))
            };
            let mut visit = Visit::begin(landing, rng, anonymous_id.clone(), at, query, referrer);
            tell(&mut visit, landing, course, Fate::of(number));
            let end = visit.at;
            visitor.moments.append(&mut visit.moments);
            visitor.sessions += 1;
            at = end + rng.random_range(DAY / 12..DAY * 4);
            if course == Course::Pay || at >= window.until {
                break;
            }
        }
        if number % STRANGERS == 50 {
            let at = rhythm::pick(window, rng);
            let (id, body) = visit::delivery(landing, rng, at, "payment.succeeded", "one_time", &json!({}));
            visitor.moments.push(Moment { at, said: Said::Whop { id, body } });
        }
        visitor.moments.retain(|moment| moment.at <= window.until);
        visitor
    }
}

/// How often somebody comes.
fn visits(rng: &mut StdRng) -> u32 {
    match rng.random_range(0..100) {
        0..82 => 1,
        82..94 => 2,
        94..98 => 3,
        _ => 4,
    }
}

/// Who comes again means it more.
fn course(source: &Source, again: bool, rng: &mut StdRng) -> Course {
    let (bounce, buy) =
        if again { (source.bounce * 0.6, source.buy * 1.5) } else { (source.bounce, source.buy) };
    if rng.random_bool(bounce) {
        Course::Glance
    } else if !rng.random_bool(buy) {
        Course::Read
    } else {
        match rng.random_range(0..100) {
            0..24 => Course::Pay,
            24..35 => Course::Declined,
            _ => Course::Abandon,
        }
    }
}

fn tell(visit: &mut Visit<'_>, landing: &Landing, course: Course, fate: Option<Fate>) {
    match course {
        Course::Glance => return glance(visit),
        Course::Read => {
            let interest = 0.1 + 0.1 * f64::from(u32::try_from(visit.one_of(7)).unwrap_or_default());
            read(visit, landing, interest);
            if visit.chance(6.0) {
                let page = ["/terms", "/privacy"][visit.one_of(2)];
                visit.turn_to(page);
                visit.wait(5..60);
            }
            return visit.close();
        }
        Course::Reading => {
            visit.wait(3..8);
            visit.emit(name::SCROLL_DEPTH_25, &json!({}));
            return visit.send();
        }
        Course::AtCheckout => visit.wait(5..30),
        _ => read(visit, landing, 0.9),
    }
    let started_at = visit.buy();
    visit.wait(40..200);
    match course {
        Course::Declined => {
            visit.delivered("payment.failed", "one_time", &ids(visit, started_at));
            visit.wait(20..90);
            if visit.chance(35.0) {
                pay(visit, started_at, None);
            }
        }
        Course::Pay => pay(visit, started_at, fate),
        _ => {}
    }
}

fn glance(visit: &mut Visit<'_>) {
    visit.wait(1..12);
    if visit.chance(45.0) {
        visit.emit(name::SCROLL_DEPTH_25, &json!({}));
        visit.wait(1..8);
    }
    visit.close();
}

/// Goes down the page; `interest` from 0 to 1 decides how far, what is watched and what is asked.
fn read(visit: &mut Visit<'_>, landing: &Landing, interest: f64) {
    visit.wait(3..15);
    visit.emit(name::SCROLL_DEPTH_25, &json!({}));
    if visit.chance(15.0 + 50.0 * interest) {
        watch(visit, landing, interest);
    }
    visit.wait(5..25);
    visit.emit(name::SCROLL_DEPTH_50, &json!({}));
    if visit.chance(3.0) {
        visit.emit("wishlist_added", &json!({ "item": "Worksheets" }));
    }
    if visit.chance(3.0) {
        visit.told_by_key("newsletter_subscribed", &json!({ "list": "friday-notes" }));
    }
    let deeper = [name::SCROLL_DEPTH_75, name::SCROLL_DEPTH_90, name::SCROLL_DEPTH_100];
    for depth in deeper {
        if !visit.chance(30.0 + 70.0 * interest) {
            break;
        }
        visit.wait(4..20);
        visit.emit(depth, &json!({}));
        if visit.chance(40.0 * interest) {
            ask(visit, landing);
        }
    }
    visit.wait(2..30);
}

fn watch(visit: &mut Visit<'_>, landing: &Landing, interest: f64) {
    const LENGTH: Millis = 48;
    let at = |position: Millis| json!({ "video": landing.video, "position": position });
    visit.wait(2..10);
    visit.emit(name::VIDEO_STARTED, &at(0));
    let progress =
        [name::VIDEO_PROGRESS_25, name::VIDEO_PROGRESS_50, name::VIDEO_PROGRESS_75, name::VIDEO_COMPLETED];
    let mut position = 0;
    for event_name in progress {
        if !visit.chance(40.0 + 60.0 * interest) {
            visit.wait(1..8);
            visit.emit(name::VIDEO_PAUSED, &at(position + 3));
            return;
        }
        visit.wait(LENGTH / 4..LENGTH / 4 + 1);
        position += LENGTH / 4;
        visit.emit(event_name, &at(position));
    }
}

fn ask(visit: &mut Visit<'_>, landing: &Landing) {
    let Some(question) = landing.questions.get(visit.one_of(landing.questions.len())) else {
        return;
    };
    visit.emit(name::FAQ_OPENED, &json!({ "question": question }));
    visit.wait(5..25);
    if visit.chance(60.0) {
        visit.emit(name::FAQ_CLOSED, &json!({ "question": question }));
    }
}

/// The delivery, the way back, and now and then what comes later.
fn pay(visit: &mut Visit<'_>, started_at: Millis, fate: Option<Fate>) {
    let ids = match visit.one_of(100) {
        0..3 => json!({}), // lost on the way: unattributed
        3..6 => json!({ metadata::ANONYMOUS_ID: visit.anonymous_id }),
        _ => ids(visit, started_at),
    };
    let payment = visit.delivered("payment.succeeded", "one_time", &ids);
    visit.wait(2..12);
    if visit.chance(85.0) {
        visit.turn_to("/thank-you");
        visit.emit(name::CHECKOUT_RETURNED, &json!({}));
        visit.wait(4..40);
        visit.send();
    }
    if visit.chance(20.0) {
        visit.wait(60..900);
        visit.told_by_key("library_opened", &json!({ "shelf": "Playbooks" }));
    }
    match fate {
        Some(Fate::Renewed) => {
            visit.at += DAY;
            visit.delivered("payment.succeeded", "subscription_cycle", &ids);
        }
        Some(Fate::Refunded) => {
            visit.wait(600..1200);
            visit.delivered_later("refund.updated", "succeeded", &json!(10), &payment);
        }
        Some(Fate::Disputed) => {
            visit.wait(600..1200);
            visit.disputed(&payment);
        }
        None => {}
    }
}

/// The checkout's metadata as it comes back.
fn ids(visit: &Visit<'_>, started_at: Millis) -> Value {
    let mut ids = json!({
        metadata::SESSION_ID: visit.session_id, metadata::CHECKOUT_STARTED_AT: started_at.to_string(),
    });
    if let Some(anonymous_id) = &visit.anonymous_id {
        ids[metadata::ANONYMOUS_ID] = json!(anonymous_id);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { from: 1_790_000_000_000, until: 1_790_000_000_000 + 30 * DAY };

    fn landing() -> Landing {
        Landing {
            origin: "http://127.0.0.1:3000".into(),
            total: json!(99),
            currency: "usd".into(),
            questions: vec!["Is it a subscription?".into()],
            video: "A tour".into(),
        }
    }

    fn visitors(sessions: u32) -> Vec<Visitor> {
        let mut made = 0;
        let mut visitors = Vec::new();
        while made < sessions {
            let number = visitors.len() as u64;
            let visitor = Visitor::new(&landing(), 7, number, WINDOW, sessions, sessions - made);
            made += visitor.sessions;
            visitors.push(visitor);
        }
        visitors
    }

    fn text(moment: &Moment) -> String {
        match &moment.said {
            Said::Browser(body) | Said::KeyHolder(body) => String::from_utf8(body.clone()).unwrap(),
            Said::Buyer { form, .. } => format!("{form:?}"),
            Said::Whop { id, body } => format!("{id} {body}"),
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_visits() {
        let all = |visitors: Vec<Visitor>| -> Vec<String> {
            visitors.iter().flat_map(|visitor| visitor.moments.iter().map(text)).collect()
        };
        assert_eq!(all(visitors(300)), all(visitors(300)));
    }

    #[test]
    fn the_proportions_are_believable() {
        let visitors = visitors(6000);
        let moments = || visitors.iter().flat_map(|visitor| &visitor.moments);
        #[allow(clippy::cast_precision_loss)]
        let share = |count: usize| count as f64 / 60.0;
        let bought = share(moments().filter(|moment| matches!(moment.said, Said::Buyer { .. })).count());
        let paid = share(moments().filter(|moment| text(moment).contains("payment.succeeded")).count());
        let bounced =
            100.0 - share(moments().filter(|moment| text(moment).contains("scroll_depth_50")).count());
        assert!((40.0..50.0).contains(&bounced), "{bounced} % leave after a glance");
        assert!((10.0..14.0).contains(&bought), "{bought} % press the button");
        assert!((3.0..4.2).contains(&paid), "{paid} % pay");
        let of_sessions = |visitor: &&Visitor| visitor.sessions > 1;
        let again = share(visitors.iter().filter(of_sessions).count());
        assert!((10.0..20.0).contains(&again), "{again} % come again");
        assert_eq!(visitors.iter().map(|visitor| visitor.sessions).sum::<u32>(), 6000);
    }

    #[test]
    fn nothing_happens_after_the_end() {
        for visitor in visitors(300) {
            let mut before = 0;
            for moment in &visitor.moments {
                assert!((WINDOW.from..=WINDOW.until).contains(&moment.at));
                before = before.max(moment.at);
            }
        }
    }
}
