//! What every store promises. A second store is one more line in `stores`.

use std::sync::Arc;
use std::time::Duration;

use app::event::{AnonymousId, SessionId};
use futures::future::join_all;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use server::domain::commit::Commit;
use server::domain::event::{Event, FunnelId};
use server::domain::ledger::{
    Attribution, Entry, Payment, PaymentKey, PaymentKind, PaymentState, Purchase, settle,
};
use server::domain::money::{Currency, Money};
use server::domain::session::{IDLE_TIMEOUT, State, fold, view};
use server::domain::summary::Figures;
use server::domain::{DAY, Millis};
use server::metrics::Metrics;
use server::store::sqlite::{Limits, SqliteStore};
use server::store::{FunnelFigures, PaymentFilter, SessionFilter, SessionRow, Store, StoreError, Visitors};
use tempfile::TempDir;

use crate::support::stored_event;

/// Every store there is, empty, with what keeps it alive.
pub(crate) fn stores() -> Vec<(Arc<dyn Store>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&folder.path().join("ttr.db")).unwrap();
    vec![(Arc::new(sqlite), folder)]
}

/// All that these tests write.
pub(crate) const ALL_PAYMENTS: PaymentFilter = PaymentFilter::PaidSince { provider: "whop", since: 0 };

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
    Commit { entries: vec![Entry::Payment(first_payment(payment_id, paid_at))], ..Commit::default() }
}

fn first_payment(payment_id: &str, paid_at: i64) -> Payment {
    Payment {
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
        also_known_as: vec!["ch_1".into()],
        subscription_id: Some("mem_1".into()),
        test: false,
        reconciled: false,
    }
}

async fn list(store: &Arc<dyn Store>, filter: &SessionFilter, now: Millis) -> Vec<SessionRow> {
    store.sessions(&funnel(), filter, None, 100, now).await.unwrap()
}

async fn ids(store: &Arc<dyn Store>, filter: SessionFilter) -> Vec<String> {
    list(store, &filter, 0).await.iter().map(|row| row.summary.session_id.to_string()).collect()
}

#[tokio::test]
async fn what_was_committed_is_read_back_as_it_was() {
    for (store, _folder) in stores() {
        let mut commit = paid("pay_1", 5000);
        commit.events.extend(events(&[("s1", "e1"), ("s1", "e2")]).events);
        let payment = first_payment("pay_1", 5000);
        let settled = settle(Purchase { payments: vec![payment.clone()], ..Purchase::default() });
        let committed = store.commit(commit.clone()).await.unwrap();
        assert_eq!(committed.settled, settled.events);
        let mut read = store.session(&funnel(), &session("s1")).await.unwrap();
        let mut written = [commit.events, settled.events].concat();
        read.events.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        written.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        assert_eq!(read.events, written);
        assert_eq!(read.conversions, settled.conversions);
        let read = store.payments(&funnel(), ALL_PAYMENTS, 10).await.unwrap();
        assert_eq!(read.into_iter().map(|record| record.payment).collect::<Vec<_>>(), [payment]);
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
        assert_eq!(
            store.newest_checkout(&funnel(), &visitor, 0..=5000, 1999).await.unwrap(),
            Some(session("s1")),
            "as it was known then"
        );
        for (began, expected) in [
            (0..=5000, Some(session("s2"))),
            (0..=2000, Some(session("s2"))),
            (0..=1999, Some(session("s1"))),
            (2001..=5000, None),
        ] {
            assert_eq!(store.newest_checkout(&funnel(), &visitor, began, 5000).await.unwrap(), expected);
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
        let listed = list(&store, &SessionFilter::default(), 0).await;
        assert_eq!(
            listed.iter().map(SessionRow::cursor).collect::<Vec<_>>(),
            [(3000, session("s1")), (2000, session("s2"))]
        );
        assert_eq!((listed[0].summary.started_at(), listed[0].summary.events), (1000, 2));
    }
}

fn came_from(mut event: Event, url: &str) -> Event {
    event.page.url = Some(url.to_owned());
    event
}

#[tokio::test]
async fn sessions_are_filtered_by_source_event_time_and_whether_a_bot_made_them() {
    for (store, _folder) in stores() {
        let mut crawler = stored_event("bot", "e4", "page_view", 4000);
        crawler.properties.insert("$bot".into(), "crawler".into());
        let events = vec![
            came_from(stored_event("news", "e1", "page_view", 1000), "https://t.example/?utm_source=news"),
            stored_event("direct", "e2", "page_view", 2000),
            stored_event("direct", "e3", "faq_opened", 3000),
            crawler,
        ];
        store.commit(Commit { events, ..Commit::default() }).await.unwrap();
        let all = SessionFilter::default;
        assert_eq!(ids(&store, all()).await, ["direct", "news"]);
        let news = SessionFilter { source: Some(Some("news".into())), ..all() };
        assert_eq!(ids(&store, news).await, ["news"]);
        assert_eq!(ids(&store, SessionFilter { source: Some(None), ..all() }).await, ["direct"]);
        let faq = SessionFilter { event: Some("faq_opened".into()), ..all() };
        assert_eq!(ids(&store, faq).await, ["direct"]);
        assert_eq!(ids(&store, SessionFilter { from: Some(1001), ..all() }).await, ["direct"]);
        assert_eq!(ids(&store, SessionFilter { before: Some(3000), ..all() }).await, ["news"]);
        assert_eq!(ids(&store, SessionFilter { visitors: Visitors::Bots, ..all() }).await, ["bot"]);
        let figures = store.figures(&funnel(), 0, 0).await.unwrap();
        assert_eq!(figures.days[&0].sessions, 2, "bots are not counted");
        assert_eq!(store.funnels().await.unwrap(), [funnel()]);
    }
}

#[tokio::test]
async fn an_event_that_everybody_has_seen_is_found_as_one_that_is_seldom() {
    for (store, _folder) in stores() {
        let many = (0..2100).map(|n| stored_event(&format!("s{n}"), &format!("e{n}"), "page_view", n));
        store.commit(Commit { events: many.collect(), ..Commit::default() }).await.unwrap();
        let seen = SessionFilter { event: Some("page_view".into()), ..SessionFilter::default() };
        assert_eq!(ids(&store, seen).await[..2], ["s2099", "s2098"]);
    }
}

#[tokio::test]
async fn a_session_counts_once_and_to_the_day_on_which_it_began() {
    for (store, _folder) in stores() {
        let later =
            came_from(stored_event("s1", "e2", "page_view", DAY + 5), "https://t.example/?utm_source=news");
        store.commit(Commit { events: vec![later], ..Commit::default() }).await.unwrap();
        let earlier = stored_event("s1", "e1", "checkout_started", 4000);
        store.commit(Commit { events: vec![earlier], ..Commit::default() }).await.unwrap();
        store.commit(paid("pay_1", 5000)).await.unwrap();
        let sum = Figures {
            sessions: 1,
            checkouts: 1,
            conversions: 1,
            revenue: vec![Money { minor: 9900, currency: Currency::parse("USD").unwrap() }],
            net: vec![Money { minor: 9900, currency: Currency::parse("USD").unwrap() }],
        };
        let expected = FunnelFigures {
            days: [(0, sum.clone())].into(),
            sources: [(Some("news".to_owned()), sum)].into(),
        };
        assert_eq!(store.figures(&funnel(), 0, 10).await.unwrap(), expected, "and no row of nothing is left");
    }
}

#[tokio::test]
async fn a_login_lasts_until_it_expires_is_ended_or_the_token_changes() {
    for (store, _folder) in stores() {
        assert_eq!(store.admin_token().await.unwrap(), None);
        store.set_admin_token([1; 32]).await.unwrap();
        assert_eq!(store.admin_token().await.unwrap(), Some([1; 32]));
        for login in [[7; 32], [8; 32]] {
            store.add_login(login, 100, 0).await.unwrap();
        }
        assert!(store.has_login([7; 32], 99).await.unwrap() && !store.has_login([7; 32], 100).await.unwrap());
        assert!(!store.has_login([9; 32], 50).await.unwrap());
        store.remove_login([7; 32]).await.unwrap();
        assert!(!store.has_login([7; 32], 50).await.unwrap());
        store.set_admin_token([1; 32]).await.unwrap();
        assert!(store.has_login([8; 32], 50).await.unwrap(), "the same token ends nothing");
        store.set_admin_token([2; 32]).await.unwrap();
        assert!(!store.has_login([8; 32], 50).await.unwrap());
    }
}

/// The first version's schema, with rows as it wrote them.
pub(crate) const FIRST_VERSION: &str = concat!(
    include_str!("../../src/store/sqlite/schema.sql"),
    r#"
    INSERT INTO event (funnel, source, event_id, session_id, anonymous_id, name, properties, page_url, timestamp, received_at)
      VALUES ('ttr', 'browser', 'e1', 's1', 'a1', 'page_view', '{}', 'https://t.example/?utm_source=news', 1000, 1000),
             ('ttr', 'server', 'e2', 's1', 'a1', 'checkout_completed', '{}', NULL, 5000, 5000);
    INSERT INTO session VALUES ('ttr', 's1', 5000, 1);
    INSERT INTO payment VALUES ('ttr', 'whop', 'pay_1', 'first', 9900, 'USD', NULL, 5000, 's1', 'a1', 4000, 5000);
    INSERT INTO conversion VALUES ('ttr', 'whop', 'pay_1', 'purchase', 9900, 'USD', 5000, 's1', 'a1');
    INSERT INTO delivery VALUES ('whop', 'msg_1', 'payment.succeeded', 'recorded', cast('{"data":{"id":"pay_1"}}' AS BLOB), 5000);
    PRAGMA user_version = 1;
    "#
);

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(FIRST_VERSION).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
    let listed = list(&store, &SessionFilter { converted: Some(true), ..SessionFilter::default() }, 0).await;
    assert_eq!(listed[0].summary.events, 2);
    let figures = store.figures(&funnel(), 0, 0).await.unwrap();
    assert_eq!(figures.sources[&Some("news".to_owned())].conversions, 1);
    let payments = store.payments(&funnel(), PaymentFilter::OfSession(session("s1")), 10).await.unwrap();
    assert_eq!(payments[0].deliveries[0].delivery_id, "msg_1");
    assert_eq!(payments[0].standing.state, PaymentState::Paid);
}

#[tokio::test]
async fn a_store_from_before_payments_stood_somehow_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    let store = SqliteStore::open(&path).unwrap();
    for commit in std::iter::once(paid("pay_1", 60_000)).chain(crate::ledger::later_of("ttr")) {
        store.commit(commit).await.unwrap();
    }
    let stand = async |store: &SqliteStore| {
        let all = store.payments(&funnel(), ALL_PAYMENTS, 10).await.unwrap();
        all.into_iter().map(|record| (record.payment.key.payment_id, record.standing)).collect::<Vec<_>>()
    };
    let before = stand(&store).await;
    assert!(before.iter().all(|(_, stands)| stands.state == PaymentState::PartlyRefunded), "{before:?}");
    store.close().await;
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE payment SET state = 'paid', refunded_minor = 0", []).unwrap();
    file.execute_batch(BEFORE_STANDING).unwrap();
    drop(file);
    assert_eq!(stand(&SqliteStore::open(&path).unwrap()).await, before);
}

/// Takes the last steps of the schema back.
const BEFORE_STANDING: &str = "
    DROP INDEX outbox_parked; CREATE INDEX outbox_parked ON outbox (destination, seq) WHERE due_at IS NULL;
    DROP INDEX outbox_waiting; CREATE INDEX outbox_fresh ON outbox (destination, seq) WHERE tries = 0 AND due_at IS NOT NULL;
    DROP INDEX delivery_unparsable; DROP INDEX delivery_foreign; ALTER TABLE delivery DROP COLUMN why;
    DROP INDEX payment_by_time; DROP INDEX payment_of_state; DROP INDEX payment_without_session; DROP INDEX session_unpaid;
    ALTER TABLE payment DROP COLUMN state; ALTER TABLE payment DROP COLUMN refunded_minor;
    ALTER TABLE payment DROP COLUMN disputed_minor; ALTER TABLE payment DROP COLUMN joined_at;
    DROP TABLE comparison; DROP TABLE unjoined;
    PRAGMA user_version = 8;";

#[tokio::test]
async fn what_was_written_for_somebody_who_hung_up_is_counted_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::default());
    let path = folder.path().join("ttr.db");
    let store = SqliteStore::open_with(&path, Limits::default(), Arc::clone(&metrics)).unwrap();
    let mut changes = store.changes();
    let mut commit = store.commit(events(&[("s1", "e1")]));
    let _ = futures::poll!(&mut commit); // it is handed over
    drop(commit);
    let told = tokio::time::timeout(Duration::from_mins(1), changes.recv()).await;
    assert_eq!(told.unwrap().unwrap(), (funnel(), session("s1")));
    let (mut registry, mut text) = (Registry::default(), String::new());
    metrics.register(&mut registry);
    encode(&mut text, &registry).unwrap();
    assert!(text.contains(r#"ttr_events_total{source="browser",result="ok"} 1"#), "{text}");
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
                last.entries.extend(commit.entries.clone());
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
            let listed = list(&store, &SessionFilter::default(), 0).await;
            let figures = store.figures(&funnel(), 0, 10).await.unwrap();
            let record = store.session(&funnel(), &session("s1")).await.unwrap();
            (fold(record.events, record.conversions), listed, figures)
        });
        prop_assert_eq!(read(split(&shuffled, &cuts)), read(a_visit()));
    }
}

const STATES: [State; 5] = [State::Active, State::Checkout, State::Converted, State::Abandoned, State::Ended];

prop_compose! {
    fn a_short_visit()(
        names in prop::collection::vec(
            prop::sample::select(vec![
                "page_view", "faq_opened", "session_end", "checkout_started", "checkout_returned", "checkout_failed",
            ]),
            1..6,
        ),
        step in prop::sample::select(vec![1000, IDLE_TIMEOUT / 2, IDLE_TIMEOUT + 1, DAY / 3]),
    ) -> Vec<Event> {
        let at = |number: usize| i64::try_from(number).unwrap() * step;
        names.iter().enumerate().map(|(n, name)| stored_event("s1", &format!("e{n}"), name, at(n))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_session_is_listed_under_the_state_that_it_has(events in a_short_visit(), later in 0..2 * DAY, pays in any::<bool>()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (store, _folder) = stores().remove(0);
            store.commit(Commit { events, ..Commit::default() }).await.unwrap();
            if pays {
                store.commit(paid("pay_1", 5000)).await.unwrap();
            }
            let record = store.session(&funnel(), &session("s1")).await.unwrap();
            let folded = fold(record.events, record.conversions).unwrap();
            let now = folded.ended_at() + later;
            for state in STATES {
                let filter = SessionFilter { state: Some(state), ..SessionFilter::default() };
                let found = !list(&store, &filter, now).await.is_empty();
                assert_eq!(found, view(&folded.marks(), now).state == state, "{state:?}");
            }
        });
    }
}
