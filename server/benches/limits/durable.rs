//! Events that are on disk before they are answered, through the writer, beside what SQLite does alone: the same rows in the
//! same table, under the same settings, so many a commit, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::event::AnonymousId;
use rusqlite::{Connection, params};
use server::domain::commit::Commit;
use server::domain::event::Event;
use server::store::Store;
use server::store::sqlite::SqliteStore;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::events::Events;
use crate::table::Table;

/// Rounds, so that what else this machine does weighs on both alike; the median counts.
const ROUNDS: usize = 5;

const ROUND: Duration = Duration::from_secs(2);

/// Commits that wait for the writer at once.
const AT_ONCE: usize = 64;

pub(crate) fn measure(table: &mut Table) {
    let runtime = Runtime::new().unwrap();
    for (size, called, times) in [(10, "tens", 1.0), (1, "ones", 2.0)] {
        let (mut alone, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(sqlite_alone(&runtime, size));
            ours.push(runtime.block_on(through_the_writer(size)));
        }
        let (alone, ours) = (median(alone), median(ours));
        table.note(&format!("SQLite alone, {called}: events/s"), alone);
        table.at_least(&format!("through the writer, {called}: events/s"), ours, alone * times);
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[allow(clippy::cast_precision_loss)] // some hundred thousand
fn rate(events: i64, begun: Instant) -> f64 {
    events as f64 / begun.elapsed().as_secs_f64()
}

async fn through_the_writer(size: i64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("bench.db")).unwrap());
    let (events, begun) = (Arc::new(Events::default()), Instant::now());
    let mut senders = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (store, events) = (Arc::clone(&store), Arc::clone(&events));
        senders.spawn(async move {
            let mut written = 0;
            while begun.elapsed() < ROUND {
                let commit = Commit { events: events.batch(size), ..Commit::default() };
                store.commit(commit).await.unwrap();
                written += size;
            }
            written
        });
    }
    let written = senders.join_all().await.into_iter().sum();
    let rate = rate(written, begun);
    store.close().await;
    rate
}

fn sqlite_alone(runtime: &Runtime, size: i64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    runtime.block_on(async { SqliteStore::open(&path).unwrap().close().await });
    let (mut connection, events, begun) = (connect(&path), Events::default(), Instant::now());
    let mut written = 0;
    while begun.elapsed() < ROUND {
        let transaction = connection.transaction().unwrap();
        for event in events.batch(size) {
            insert(&transaction, &event);
        }
        transaction.commit().unwrap();
        written += size;
    }
    rate(written, begun)
}

fn insert(connection: &Connection, event: &Event) {
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO event (funnel, source, event_id, session_id, anonymous_id, name, properties, page_url,
                                referrer, event_index, timestamp, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .unwrap();
    let row = params![
        event.funnel.as_str(),
        event.source.as_str(),
        event.event_id.as_str(),
        event.session_id.as_str(),
        event.anonymous_id.as_ref().map(AnonymousId::as_str),
        event.name,
        serde_json::to_string(&event.properties).unwrap(),
        event.page.url,
        event.page.referrer,
        event.index,
        event.timestamp,
        event.received_at,
    ];
    insert.execute(row).unwrap();
}

/// As the store's own connection is.
fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "4000"),
        ("mmap_size", "0"),
        ("cell_size_check", "ON"),
        ("trusted_schema", "OFF"),
        ("temp_store", "MEMORY"),
        ("cache_size", "-32768"),
    ] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
    connection
}
