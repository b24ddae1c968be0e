//! What a commit costs, in steps of SQLite's machine: the same however much is stored. Without statistics SQLite sometimes
//! goes through a whole table where an index would lead to one row; nothing else shows it before the table is large.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::event::{AnonymousId, EventId, SessionId};
use rusqlite::Connection;
use serde_json::{Map, json};

use super::{migrations, rows};
use crate::domain::commit::{Commit, Delivery, DeliveryState};
use crate::domain::event::{Event, FunnelId, Page, Source};
use crate::domain::ledger::{
    Attribution, Counts, Dispute, DisputeState, Entry, Payment, PaymentKey, PaymentKind, Refund, RefundState,
};
use crate::domain::money::{Currency, Money};
use crate::outbox::aurea::Aurea;

/// Visits that are looked at, at the beginning and at the end.
const LOOKED_AT: usize = 20;

const VISITS: usize = 300;

fn funnel() -> FunnelId {
    FunnelId::parse("ttr").unwrap()
}

fn attribution(visit: usize) -> Attribution {
    Attribution {
        session_id: SessionId::parse(format!("s{visit}")).ok(),
        anonymous_id: AnonymousId::parse(format!("a{visit}")).ok(),
        checkout_started_at: Some(1000),
    }
}

fn event(visit: usize, name: &str) -> Event {
    let Attribution { session_id, anonymous_id, .. } = attribution(visit);
    Event {
        funnel: funnel(),
        source: Source::Browser,
        session_id: session_id.unwrap(),
        event_id: EventId::parse(format!("{name}-{visit}")).unwrap(),
        anonymous_id,
        name: name.to_owned(),
        properties: Map::from_iter([("scrollPercent".to_owned(), json!(visit))]),
        page: Page { url: Some("https://shop.example/?utm_source=mail".into()), referrer: None },
        index: None,
        timestamp: 1000,
        received_at: 1000,
    }
}

fn key(payment_id: String) -> PaymentKey {
    PaymentKey { funnel: funnel(), provider: "whop".into(), payment_id }
}

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("USD").unwrap() }
}

fn payment(visit: usize, kind: PaymentKind) -> Entry {
    Entry::Payment(Payment {
        key: key(format!("{}-{visit}", kind.as_str())),
        also_known_as: vec![format!("charge-{}-{visit}", kind.as_str())],
        subscription_id: Some(format!("member-{visit}")),
        kind,
        amount: Ok(usd(9900)),
        paid_at: 2000,
        test: false,
        reconciled: false,
        attribution: if kind == PaymentKind::First { attribution(visit) } else { Attribution::default() },
        received_at: 2000,
    })
}

fn refund(visit: usize) -> Entry {
    Entry::Refund(Refund {
        refund_id: format!("refund-{visit}"),
        of: key(format!("charge-first-{visit}")),
        amount: Ok(usd(100)),
        counts: Counts::One,
        state: RefundState::Succeeded,
        at: 3000,
        attribution: Attribution::default(),
        received_at: 3000,
    })
}

fn dispute(visit: usize) -> Entry {
    Entry::Dispute(Dispute {
        dispute_id: format!("dispute-{visit}"),
        of: key(format!("charge-renewal-{visit}")),
        amount: Ok(usd(100)),
        state: DisputeState::Open,
        at: 4000,
        received_at: 4000,
    })
}

fn delivered(visit: usize, nth: usize, entry: Entry) -> Commit {
    let delivery = Delivery {
        provider: "whop",
        delivery_id: format!("msg-{visit}-{nth}"),
        event_type: "payment.succeeded".into(),
        state: DeliveryState::Recorded,
        why: None,
        body: format!("{{\"visit\":{visit}}}").into_bytes(),
        digest: [0; 32],
        received_at: 2000,
        payment_id: Some(entry.about().payment_id.clone()),
    };
    let forward_to = vec![Aurea::listener()];
    Commit { delivery: Some(delivery), entries: vec![entry], forward_to, ..Commit::default() }
}

/// A whole visit, from the landing page to a dispute about its second payment.
fn commits(visit: usize) -> Vec<Commit> {
    let events = ["page_view", "scroll", "checkout_started"].map(|name| event(visit, name)).into();
    let told = [
        payment(visit, PaymentKind::First),
        refund(visit),
        payment(visit, PaymentKind::Renewal),
        dispute(visit),
        refund(visit + 1_000_000), // of a payment that nobody knows
    ];
    let told = told.into_iter().enumerate().map(|(nth, entry)| delivered(visit, nth, entry));
    let visited = Commit { events, forward_to: vec![Aurea::listener()], ..Commit::default() };
    std::iter::once(visited).chain(told).collect()
}

#[test]
fn a_commit_costs_the_same_however_much_is_stored() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations().to_latest(&mut connection).unwrap();
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || counted.fetch_add(1, Ordering::Relaxed) == u64::MAX; // never cuts
    connection.progress_handler(1, Some(count)).unwrap();
    let mut visit = |number| {
        let before = steps.load(Ordering::Relaxed);
        for commit in commits(number) {
            rows::insert(&connection, &commit).unwrap();
        }
        steps.load(Ordering::Relaxed) - before
    };
    let costs: Vec<u64> = (0..VISITS).map(&mut visit).collect();
    let dearest = |costs: &[u64]| costs.iter().copied().max().unwrap();
    let (first, last) = (dearest(&costs[..LOOKED_AT]), dearest(&costs[VISITS - LOOKED_AT..]));
    assert!(last <= first + first / 4, "{first} steps at the beginning, {last} after {VISITS} visits");
}
