//! What every store promises. A second store is one more line in `stores`.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId};
use futures::future::join_all;
use proptest::prelude::*;
use server::domain::commit::Commit;
use server::domain::event::FunnelId;
use server::domain::ledger::{Attribution, Payment, PaymentKey, PaymentKind, record};
use server::domain::money::{Currency, Money};
use server::domain::session::fold;
use server::store::sqlite::SqliteStore;
use server::store::{SessionFilter, Store, StoreError};
use tempfile::TempDir;

use crate::support::stored_event;

/// Every store there is, empty, with what keeps it alive.
pub(crate) fn stores() -> Vec<(Arc<dyn Store>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&folder.path().join("ttr.db")).unwrap();
    vec![(Arc::new(sqlite), folder)]
}

fn funnel() -> FunnelId {
    FunnelId::parse("ttr").unwrap()
}

fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn events(list: &[(&str, &str)]) -> Commit {
    let events =
        list.iter().zip(1000..).map(|((session_id, id), at)| stored_event(session_id, id, "page_view", at));
    Commit { events: events.collect(), ..Commit::default() }
}

pub(crate) fn paid(payment_id: &str, paid_at: i64) -> Commit {
    record(Payment {
        key: PaymentKey { funnel: funnel(), provider: "whop".into(), payment_id: payment_id.into() },
        kind: PaymentKind::First,
        amount: Ok(Money { minor: 9900, currency: Currency::parse("USD").unwrap() }),
        paid_at,
        attribution: Attribution {
            session_id: Some(session("s1")),
            anonymous_id: AnonymousId::parse("a1").ok(),
            checkout_started_at: Some(paid_at - 1000),
        },
        received_at: paid_at,
    })
}

#[tokio::test]
async fn what_was_committed_is_read_back_as_it_was() {
    for (store, _folder) in stores() {
        let mut commit = paid("pay_1", 5000);
        commit.events.extend(events(&[("s1", "e1"), ("s1", "e2")]).events);
        store.commit(commit.clone()).await.unwrap();
        let mut read = store.session(&funnel(), &session("s1")).await.unwrap();
        read.events.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        commit.events.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        assert_eq!(read.events, commit.events);
        assert_eq!(read.conversions, commit.conversions);
        assert_eq!(store.payments(&funnel(), 10).await.unwrap(), commit.payments);
    }
}

#[tokio::test]
async fn a_row_that_is_there_stays_as_it_is() {
    for (store, _folder) in stores() {
        let first = store.commit(events(&[("s1", "e1")])).await.unwrap();
        let again = store.commit(events(&[("s2", "e1"), ("s2", "e2")])).await.unwrap();
        assert_eq!((first.new_events, again.new_events), (vec![true], vec![false, true]));
        store.commit(paid("pay_1", 5000)).await.unwrap();
        store.commit(paid("pay_1", 5000)).await.unwrap();
        let read = store.session(&funnel(), &session("s1")).await.unwrap();
        assert_eq!((read.events.len(), read.conversions.len()), (3, 1));
    }
}

#[tokio::test]
async fn a_thousand_at_once_are_all_there() {
    for (store, _folder) in stores() {
        let commits = (0..1000).map(|number| {
            let store = Arc::clone(&store);
            async move { store.commit(events(&[("s1", &format!("e{number}"))])).await }
        });
        assert!(join_all(commits).await.iter().all(Result::is_ok));
        assert_eq!(store.session(&funnel(), &session("s1")).await.unwrap().events.len(), 1000);
    }
}

#[tokio::test]
async fn the_newest_checkout_of_a_visitor_is_found_within_its_time() {
    for (store, _folder) in stores() {
        let visitor = AnonymousId::parse("a1").unwrap();
        let started =
            |session_id: &str, at| stored_event(session_id, &format!("c{at}"), "checkout_started", at);
        let commit = Commit { events: vec![started("s1", 1000), started("s2", 2000)], ..Commit::default() };
        store.commit(commit).await.unwrap();
        for (since, expected) in [(0, Some(session("s2"))), (2001, None)] {
            assert_eq!(store.newest_checkout(&funnel(), &visitor, since).await.unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn a_session_is_listed_by_its_last_event_whatever_came_first() {
    for (store, _folder) in stores() {
        for (session_id, at) in [("s1", 3000), ("s2", 2000), ("s1", 1000)] {
            let event = stored_event(session_id, &format!("{session_id}-{at}"), "page_view", at);
            store.commit(Commit { events: vec![event], ..Commit::default() }).await.unwrap();
        }
        let listed = store.sessions(&funnel(), &SessionFilter::default(), None, 10).await.unwrap();
        assert_eq!(listed, [(3000, session("s1")), (2000, session("s2"))]);
    }
}

#[tokio::test]
async fn a_closed_store_says_so_and_has_kept_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down/ttr.db");
    let store = SqliteStore::open(&path).unwrap();
    store.commit(events(&[("s1", "e1")])).await.unwrap();
    store.close().await;
    assert!(matches!(store.commit(events(&[("s1", "e2")])).await, Err(StoreError::Failed(_))));
    let again = SqliteStore::open(&path).unwrap();
    assert_eq!(again.session(&funnel(), &session("s1")).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_is_not_there_and_takes_no_other_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER fault BEFORE INSERT ON event WHEN NEW.event_id = 'poison'
             BEGIN SELECT RAISE(ABORT, 'fault'); END",
        )
        .unwrap();
    let commits =
        ["e1", "poison", "e2"].map(|id| store.commit(events(&[("s1", &format!("before-{id}")), ("s1", id)])));
    let outcomes: Vec<bool> = join_all(commits).await.iter().map(Result::is_ok).collect();
    assert_eq!(outcomes, [true, false, true]);
    let read = store.session(&funnel(), &session("s1")).await.unwrap();
    assert_eq!(read.events.len(), 4, "of the failed commit, nothing");
}

/// A visit with a purchase, as the commits that bring it.
fn a_visit() -> Vec<Commit> {
    let names = ["page_view", "faq_opened", "session_end", "checkout_started", "page_view", "custom"];
    let event = |(name, at): (&&str, i64)| stored_event("s1", &format!("{name}-{at}"), name, at);
    let mut commits: Vec<Commit> = names
        .iter()
        .zip((1000..).step_by(700))
        .map(|pair| Commit { events: vec![event(pair)], ..Commit::default() })
        .collect();
    commits.push(paid("pay_1", 5000));
    commits
}

/// Puts neighbours together as `cuts` says: how a browser batches its events.
fn split(commits: &[Commit], cuts: &[bool]) -> Vec<Commit> {
    let mut batches: Vec<Commit> = Vec::new();
    for (commit, cut) in commits.iter().zip(cuts.iter().cycle()) {
        match batches.last_mut() {
            Some(last) if !cut => {
                last.events.extend(commit.events.clone());
                last.payments.extend(commit.payments.clone());
                last.conversions.extend(commit.conversions.clone());
            }
            _ => batches.push(commit.clone()),
        }
    }
    batches
}

fn any_order_twice() -> impl Strategy<Value = Vec<Commit>> {
    Just([a_visit(), a_visit()].concat()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_split_and_duplication_of_commits_is_the_same_session(
        shuffled in any_order_twice(),
        cuts in prop::collection::vec(any::<bool>(), 1..14),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let read = |commits: Vec<Commit>| runtime.block_on(async {
            let (store, _folder) = stores().remove(0);
            for commit in commits {
                store.commit(commit).await.unwrap();
            }
            let listed = store.sessions(&funnel(), &SessionFilter::default(), None, 10).await.unwrap();
            let record = store.session(&funnel(), &session("s1")).await.unwrap();
            (fold(record.events, record.conversions), listed)
        });
        prop_assert_eq!(read(split(&shuffled, &cuts)), read(a_visit()));
    }
}
