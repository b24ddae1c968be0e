//! What the screens are tried with: an ordinary shop, an empty one, and texts that want to break the page.

use app::aurea::model::{
    Amount, Day, DeliveryItem, Figures, Filter, Forwarding, Frame, FunnelItem, FunnelPage, Moment,
    ParkedItem, PaymentItem, PaymentState, Refused, SessionItem, SessionPage, SessionsPage, SourceItem,
    State, Touch,
};
use app::aurea::{failed, funnel, funnels, login, not_found, session, sessions};

#[path = "payments.rs"]
mod payments;

/// The moment of asking.
pub(crate) const NOW: i64 = 1_795_474_865_250;
const S: i64 = 1000;
const MIN: i64 = 60 * S;
const H: i64 = 60 * MIN;
const D: i64 = 24 * H;

/// A screen by name.
pub(crate) type Screen = (&'static str, Box<dyn Fn() -> String>);

/// Every screen in every state worth looking at.
pub(crate) fn screens() -> Vec<Screen> {
    fn screen(name: &'static str, draw: impl Fn() -> String + 'static) -> Screen {
        (name, Box::new(draw))
    }
    let empty = || SessionsPage { funnel: "ttr".into(), ..SessionsPage::default() };
    let mut screens = vec![
        screen("login", || login(&frame(), "/aurea", None)),
        screen("login-refused", || {
            login(&frame(), &naughty(), Some("This token is not the one. Try again in 5 s."))
        }),
        screen("funnels", || funnels(&frame(), &[item("ttr", 1), item("newsletter", 40)])),
        screen("funnels-refused", || funnels(&refused(), &[item("ttr", 1)])),
        screen("funnels-empty", || funnels(&frame(), &[])),
        screen("funnel", || funnel(&frame(), &funnel_page())),
        screen("funnel-waiting", || {
            funnel(&waiting(), &FunnelPage { unattributed: vec![payment(None)], ..funnel_page() })
        }),
        screen("funnel-refused", || funnel(&refused(), &funnel_page())),
        screen("funnel-unsold", || funnel(&frame(), &unsold())),
        screen("funnel-empty", || {
            funnel(&frame(), &FunnelPage { item: named("ttr"), ..FunnelPage::default() })
        }),
        screen("funnel-hostile", || funnel(&hostile_frame(), &hostile_funnel())),
        screen("sessions", || sessions(&frame(), &sessions_page())),
        screen("sessions-filtered", || sessions(&frame(), &filtered())),
        screen("sessions-none", || {
            sessions(&frame(), &SessionsPage { sessions: vec![], next_cursor: None, ..filtered() })
        }),
        screen("sessions-fault", || {
            let fault = Some("from must be a date such as 2026-11-23".to_owned());
            sessions(&frame(), &SessionsPage { fault, sessions: vec![], next_cursor: None, ..filtered() })
        }),
        screen("sessions-empty", move || sessions(&frame(), &empty())),
        screen("sessions-hostile", || sessions(&hostile_frame(), &hostile_sessions())),
        screen("session-converted", || session(&frame(), &converted())),
        screen("session-checkout", || session(&frame(), &at_checkout())),
        screen("session-abandoned", || session(&frame(), &abandoned())),
        screen("session-active", || session(&frame(), &short())),
        screen("session-long", || session(&frame(), &long())),
        screen("session-hostile", || session(&hostile_frame(), &hostile_session())),
        screen("not-found", || not_found(&frame(), "session")),
        screen("not-found-hostile", || not_found(&frame(), &naughty())),
        screen("failed", || failed(&frame(), "The store does not answer: database is locked")),
        screen("failed-hostile", || failed(&frame(), &naughty())),
    ];
    screens.extend(payments::screens());
    screens
}

fn frame() -> Frame {
    Frame {
        stylesheet: "/aurea.css".into(),
        script: "/aurea.js".into(),
        now: NOW,
        simulated: true,
        forwarding: Vec::new(),
        refused: Vec::new(),
    }
}

fn waiting() -> Frame {
    let refused = |events: &[&str], minutes| ParkedItem {
        events: events.iter().map(|name| (*name).to_owned()).collect(),
        session_id: Some("1703001000000_xyz7k3j9x2q7w1e5".into()),
        why: "it answered 422".into(),
        funnel: "ttr".into(),
        written_at: NOW - minutes * MIN,
    };
    let aurea = Forwarding {
        destination: "aurea".into(),
        host: Some("crm.example".into()),
        waiting: 1204,
        parked: 3,
        oldest_at: Some(NOW - 42 * MIN),
        last_error: Some("it answered 503".into()),
        given_up: vec![refused(&["checkout_completed", "session_end"], 12), refused(&["my_event"], 40)],
    };
    let webhooks = Forwarding {
        destination: "webhooks".into(),
        waiting: 2,
        oldest_at: Some(NOW - 50 * MIN),
        ..Forwarding::default()
    };
    let calm = Forwarding { host: Some("owner.example".into()), ..Forwarding::default() };
    Frame { forwarding: vec![aurea, webhooks, calm], simulated: false, ..frame() }
}

fn refused() -> Frame {
    let whop = Refused {
        provider: "whop".into(),
        in_a_row: 7,
        since: Some(NOW - 42 * MIN),
        why: "the signature does not match".into(),
        kept: 3,
    };
    Frame { refused: vec![whop], ..frame() }
}

fn usd(minor: i64) -> Amount {
    Amount { minor, currency: "USD".into(), digits: 2 }
}

fn figures(sessions: u64, checkouts: u64, conversions: u64) -> Figures {
    let revenue =
        if conversions == 0 { vec![] } else { vec![usd(i64::try_from(conversions).unwrap_or(0) * 9900)] };
    let mut net = revenue.clone();
    if conversions > 20 {
        net[0].minor -= 2 * 9900;
    }
    Figures { sessions, checkouts, conversions, revenue, net }
}

fn named(funnel: &str) -> FunnelItem {
    let days = (0..30).map(|at| Day { at: (NOW / D - 29 + at) * D, ..Day::default() }).collect();
    FunnelItem { funnel: funnel.into(), days, ..FunnelItem::default() }
}

fn item(funnel: &str, scale: u64) -> FunnelItem {
    let mut item = named(funnel);
    let (mut sessions, mut checkouts, mut conversions) = (0, 0, 0);
    for (at, day) in item.days.iter_mut().enumerate() {
        let at = at as u64;
        let on_day = (180 + 6 * at + 90 * (at * at * 7 % 11) / 10 - 40 * u64::from(at % 7 >= 5)) / scale;
        let (gone, paid) = (on_day / 14, on_day / 24 * (at % 5) / 4);
        day.figures = figures(on_day, gone, paid);
        (sessions, checkouts, conversions) = (sessions + on_day, checkouts + gone, conversions + paid);
    }
    item.figures = figures(sessions, checkouts, conversions);
    item
}

fn sources() -> Vec<SourceItem> {
    [
        (None, 3120, 190, 51),
        (Some("google"), 2240, 150, 64),
        (Some("youtube"), 1180, 96, 22),
        (Some("newsletter-november"), 340, 70, 38),
        (Some("t.co"), 88, 1, 0),
    ]
    .into_iter()
    .map(|(source, a, b, c)| SourceItem { source: source.map(str::to_owned), figures: figures(a, b, c) })
    .collect()
}

fn funnel_page() -> FunnelPage {
    FunnelPage { item: item("ttr", 1), sources: sources(), newest: list(8), ..FunnelPage::default() }
}

fn unsold() -> FunnelPage {
    let mut page = FunnelPage { sources: vec![], newest: list(2), ..funnel_page() };
    page.item = named("ttr");
    for (at, day) in page.item.days.iter_mut().enumerate().skip(27) {
        day.figures = figures(at as u64 - 26, 0, 0);
    }
    page.item.figures = figures(6, 0, 0);
    page
}

fn list(length: i64) -> Vec<SessionItem> {
    let states = [
        State::Active,
        State::Checkout,
        State::Ended,
        State::Converted,
        State::Ended,
        State::Abandoned,
        State::Ended,
    ];
    let sources = [None, Some("google"), Some("youtube"), Some("newsletter-november"), Some("google")];
    (0..length)
        .map(|at| {
            let nth = usize::try_from(at).unwrap_or(0);
            let state = states[nth % states.len()];
            let started_at = NOW - at * at * 9 * MIN - 40 * S;
            SessionItem {
                session_id: format!("{started_at}_s{:09}w1e5r8", at * 7_919_113),
                anonymous_id: (at % 6 != 5)
                    .then(|| format!("1703001000000_k{:09}2q7w1e5", at * 48_271_301 % 999_999_937)),
                started_at,
                last_at: started_at + (30 + at * 17) * S,
                events: 3 + nth as u64 * 5 % 31,
                state,
                source: sources[nth % 5].map(str::to_owned),
                campaign: (nth % 5 == 3).then(|| "black-friday".to_owned()),
                value: (state == State::Converted).then(|| usd(9900)),
                net: (state == State::Converted).then(|| usd(if nth % 2 == 0 { 9900 } else { 8900 })),
                test: at == 17,
                bot: (at == 7).then(|| "a crawler of a search engine".to_owned()),
            }
        })
        .collect()
}

fn sessions_page() -> SessionsPage {
    SessionsPage {
        funnel: "ttr".into(),
        sessions: list(50),
        next_cursor: Some("MTcwMzAwMTAwMDAwMA==".into()),
        sources: vec!["google".into(), "youtube".into(), "newsletter-november".into()],
        any: true,
        ..SessionsPage::default()
    }
}

fn filtered() -> SessionsPage {
    let filter = Filter {
        converted: "true".into(),
        source: "google".into(),
        event: "faq_opened".into(),
        from: "2026-11-01".into(),
        anonymous_id: "1703001000000_k3j9x2q7w1e5r8t4".into(),
        ..Filter::default()
    };
    SessionsPage { filter, sessions: list(3), continued: true, ..sessions_page() }
}

/// One event: seconds from the start, name, properties.
type Told<'a> = (i64, &'a str, &'a [(&'a str, &'a str)]);

fn moments(start: i64, told: &[Told<'_>]) -> Vec<Moment> {
    told.iter()
        .enumerate()
        .map(|(nth, (at, name, facts))| {
            let server = ["checkout_completed", "payment_refunded"].contains(name);
            let priced = facts.iter().any(|(name, _)| *name == "currency");
            Moment {
                event_id: format!("0190c0de-0000-7000-8000-{nth:012}"),
                name: (*name).to_owned(),
                at: start + at * S,
                properties: json(facts),
                facts: facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
                page_url: (!server)
                    .then(|| "https://ttr.example/?utm_source=google&utm_campaign=black-friday".to_owned()),
                source: if server { "server" } else { "browser" }.to_owned(),
                amount: priced.then(|| usd(9900)),
                after_end: false,
            }
        })
        .collect()
}

fn json(facts: &[(&str, &str)]) -> String {
    let lines: Vec<_> = facts.iter().map(|(name, value)| format!("  {name:?}: {value:?}")).collect();
    if lines.is_empty() { String::new() } else { format!("{{\n{}\n}}", lines.join(",\n")) }
}

const PRICE: &[(&str, &str)] =
    &[("productId", "ttr-vip"), ("productName", "TTR VIP Access"), ("price", "99"), ("currency", "USD")];
const READING: &[Told<'_>] = &[
    (0, "page_view", &[]),
    (4, "web_vitals", &[("lcp", "612"), ("cls", "0")]),
    (6, "scroll_depth_25", &[]),
    (11, "scroll_depth_50", &[]),
    (14, "video_started", &[("video", "The tour"), ("position", "0")]),
    (36, "video_progress_25", &[("video", "The tour"), ("position", "22")]),
    (58, "video_progress_50", &[("video", "The tour"), ("position", "44")]),
    (60, "video_paused", &[("video", "The tour"), ("position", "46")]),
    (65, "scroll_depth_75", &[]),
    (70, "faq_opened", &[("question", "Is it a subscription?")]),
    (82, "faq_opened", &[("question", "What if I don't like it?")]),
    (820, "section_viewed", &[("section", "Pricing")]),
    (824, "cta_clicked", &[("label", "See what is inside")]),
    (828, "discount_code_copied", &[("code", "FRIDAY")]),
    (840, "buy_button_clicked", &[("location", "pricing"), ("product", "TTR VIP Access")]),
    (841, "checkout_started", PRICE),
];

fn page(state: State, told: &[Told<'_>]) -> SessionPage {
    let start = NOW - 22 * MIN;
    let moments = moments(start, told);
    let last_at = moments.last().map_or(start, |moment| moment.at);
    SessionPage {
        funnel: "ttr".into(),
        item: SessionItem {
            session_id: "1703001000000_xyz7k3j9x2q7w1e5".into(),
            anonymous_id: Some("1703001000000_k3j9x2q7w1e5r8t4".into()),
            started_at: start,
            last_at,
            events: moments.len() as u64,
            state,
            source: Some("google".into()),
            campaign: Some("black-friday".into()),
            ..SessionItem::default()
        },
        total_seconds: (last_at - start) / S,
        touch: Touch {
            source: Some("google".into()),
            medium: Some("cpc".into()),
            campaign: Some("black-friday".into()),
            referrer: Some("https://www.google.com/".into()),
            click_id: Some("EAIaIQobChMI".into()),
        },
        moments,
        json: "{\n  \"sessionId\": \"1703001000000_xyz7k3j9x2q7w1e5\",\n  \"converted\": false\n}".into(),
        ..SessionPage::default()
    }
}

fn converted() -> SessionPage {
    let paid: &[Told<'_>] = &[
        (990, "checkout_completed", &[("revenue", "99"), ("currency", "USD"), ("orderId", "pay_1")]),
        (990, "session_end", &[("converted", "true"), ("duration", "149")]),
        (996, "checkout_returned", &[]),
        (997, "page_view", &[]),
        (999, "payment_refunded", &[("amount", "99"), ("currency", "USD")]),
    ];
    let mut page = page(State::Converted, &[READING, paid].concat());
    let from = page.moments.len() - 3;
    for moment in &mut page.moments[from..] {
        moment.after_end = true;
    }
    page.item.value = Some(usd(9900));
    page.end_reason = Some("converted".into());
    page.seconds_to_convert = Some(990);
    page.payments = vec![payment(Some("1703001000000_xyz7k3j9x2q7w1e5"))];
    page.others = list(3);
    page
}

fn at_checkout() -> SessionPage {
    let mut page = page(State::Checkout, READING);
    let late = NOW - 3 * MIN - page.moments[READING.len() - 1].at;
    for moment in &mut page.moments {
        moment.at += late;
    }
    page.item.started_at += late;
    page
}

fn abandoned() -> SessionPage {
    let mut page = page(State::Abandoned, READING);
    page.end_reason = Some("checkout_expired".into());
    page.item.anonymous_id = None;
    page
}

fn short() -> SessionPage {
    let mut page = page(State::Active, &READING[..2]);
    page.item.source = None;
    page.item.campaign = None;
    page.touch = Touch::default();
    page
}

fn long() -> SessionPage {
    let told: Vec<Told<'_>> = (0..500_i64)
        .map(|at| {
            let (_, name, facts) = READING[usize::try_from(at * 7 % 13).unwrap_or(0)];
            (at * 21, name, facts)
        })
        .collect();
    SessionPage { skipped: 500, next_cursor: Some("1000".into()), ..page(State::Ended, &told) }
}

fn payment(session: Option<&str>) -> PaymentItem {
    let delivery = |event_type: &str, state: &str| DeliveryItem {
        delivery_id: "msg_2Lml5ZQ0mVxkYw".into(),
        event_type: event_type.into(),
        state: state.into(),
        received_at: NOW - 5 * MIN,
        body: None,
    };
    PaymentItem {
        provider: "whop".into(),
        payment_id: "pay_9vQn2Xw".into(),
        renewal: false,
        amount: Ok(Some(usd(9900))),
        net: Some(usd(9900)),
        state: PaymentState::Paid,
        test: false,
        reconciled: false,
        joined_at: None,
        elsewhere: false,
        paid_at: NOW - 5 * MIN,
        session_id: session.map(str::to_owned),
        deliveries: vec![
            delivery("payment.succeeded", "recorded"),
            delivery("membership.went_valid", "ignored"),
        ],
    }
}

/// Markup, quotes, the wrong direction, emoji, marks upon marks, control characters, and 10,000 letters without a space.
pub(crate) fn naughty() -> String {
    let marks = "Z\u{0351}\u{0363}\u{0335}\u{034c}".repeat(20);
    let long = "x".repeat(10_000);
    format!(
        "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\u{202e}olleh שלום 👩‍👩‍👧‍👦🏳️‍🌈{marks}\0\u{1b}[31m\u{7f}\u{85}{long}"
    )
}

/// Markup first and 10,000 wide letters: nothing but a cut keeps it in its box.
fn wide() -> String {
    "\u{fdfd}".repeat(200) + &"W".repeat(10_000)
}

fn hostile_frame() -> Frame {
    let parked = ParkedItem {
        events: vec![naughty(), wide()],
        session_id: Some(naughty()),
        why: naughty(),
        funnel: naughty(),
        written_at: i64::MIN,
    };
    let forwarding = Forwarding {
        destination: naughty(),
        host: Some(naughty()),
        waiting: u64::MAX,
        parked: u64::MAX,
        oldest_at: Some(i64::MIN),
        last_error: Some(naughty()),
        given_up: vec![parked],
    };
    let refused = Refused {
        provider: naughty(),
        in_a_row: u64::MAX,
        since: Some(i64::MIN),
        why: naughty(),
        kept: u64::MAX,
    };
    Frame { forwarding: vec![forwarding], refused: vec![refused], ..frame() }
}

fn hostile_amount() -> Amount {
    Amount { minor: i64::MIN, currency: naughty(), digits: 255 }
}

fn hostile_item() -> SessionItem {
    SessionItem {
        session_id: naughty(),
        anonymous_id: Some(naughty()),
        started_at: i64::MIN,
        last_at: i64::MAX,
        events: u64::MAX,
        state: State::Converted,
        source: Some(naughty()),
        campaign: Some(wide()),
        value: Some(usd(i64::MIN)),
        net: Some(usd(i64::MAX)),
        test: false,
        bot: Some(naughty()),
    }
}

fn hostile_payment() -> PaymentItem {
    PaymentItem {
        provider: naughty(),
        payment_id: naughty(),
        renewal: true,
        amount: Err(naughty()),
        net: None,
        state: PaymentState::Unclear,
        test: true,
        reconciled: true,
        joined_at: Some(i64::MIN),
        elsewhere: false,
        paid_at: i64::MAX,
        session_id: Some(naughty()),
        deliveries: vec![DeliveryItem {
            delivery_id: naughty(),
            event_type: wide(),
            state: "unparsable".into(),
            received_at: i64::MIN,
            body: None,
        }],
    }
}

fn hostile_funnel() -> FunnelPage {
    let huge = Figures {
        sessions: u64::MAX,
        checkouts: 1,
        conversions: u64::MAX,
        revenue: vec![usd(i64::MAX); 3],
        net: vec![usd(i64::MIN)],
    };
    let mut page = funnel_page();
    page.item.funnel = naughty();
    page.item.figures = huge.clone();
    page.item.days[4].figures = huge.clone();
    page.sources.insert(0, SourceItem { source: Some(naughty()), figures: huge });
    page.unattributed = vec![hostile_payment(), payment(None)];
    page.newest = vec![hostile_item(), list(1).remove(0)];
    page
}

fn hostile_sessions() -> SessionsPage {
    let filter = Filter {
        converted: naughty(),
        state: naughty(),
        source: naughty(),
        event: naughty(),
        from: naughty(),
        to: naughty(),
        anonymous_id: naughty(),
    };
    let sessions = [vec![hostile_item()], list(4), vec![hostile_item()]].concat();
    SessionsPage {
        funnel: naughty(),
        filter,
        fault: None,
        sessions,
        next_cursor: Some(naughty()),
        continued: true,
        sources: vec![naughty()],
        any: true,
    }
}

fn hostile_session() -> SessionPage {
    let text = naughty();
    let facts =
        |names: &[&str]| -> Vec<_> { names.iter().map(|name| ((*name).to_owned(), naughty())).collect() };
    let mut page = converted();
    let url = [
        "javascript:alert(1)".to_owned(),
        format!("https://ttr.example/{text}"),
        format!("https://{}", wide()),
    ];
    for (nth, moment) in page.moments.iter_mut().enumerate() {
        moment.facts = facts(&[
            "question", "video", "product", "label", "section", "url", "price", "revenue", "currency",
        ]);
        moment.properties.clone_from(&text);
        moment.page_url = Some(url[nth % 3].clone());
        moment.source.clone_from(&text);
        moment.event_id = format!("{text}{nth}");
        moment.amount = (nth % 2 == 0).then(hostile_amount);
        if moment.name == "discount_code_copied" {
            moment.name.clone_from(&text);
        }
    }
    page.item = SessionItem { started_at: NOW - 22 * MIN, ..hostile_item() };
    page.funnel.clone_from(&text);
    page.end_reason = Some(naughty());
    page.touch = Touch {
        source: Some(naughty()),
        medium: Some(wide()),
        campaign: Some(naughty()),
        referrer: Some(format!("https://{}", wide())),
        click_id: Some(naughty()),
    };
    page.payments = vec![hostile_payment()];
    page.others = vec![hostile_item()];
    page.json = text;
    page
}
