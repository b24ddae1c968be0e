//! How many events a second are on disk before they are answered, beside the rate of single commits in the same run; and
//! how long a session takes to fold.
#![allow(clippy::unwrap_used, missing_docs)] // a bench that can't go on has failed; criterion's macro makes an undocumented function

use std::hint::black_box;
use std::sync::Arc;

use app::event::{AnonymousId, EventId, SessionId};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Map;
use server::domain::commit::Commit;
use server::domain::event::{Event, FunnelId, Page, Source};
use server::domain::session::fold;
use server::store::Store;
use server::store::sqlite::SqliteStore;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

fn event(timestamp: i64) -> Event {
    Event {
        funnel: FunnelId::parse("ttr").unwrap(),
        source: Source::Browser,
        event_id: EventId::parse(Uuid::now_v7().to_string()).unwrap(),
        session_id: SessionId::parse(format!("s{}", timestamp % 50)).unwrap(),
        anonymous_id: AnonymousId::parse("a1").ok(),
        name: "page_view".to_owned(),
        properties: Map::new(),
        page: Page::default(),
        index: None,
        timestamp,
        received_at: timestamp,
    }
}

fn commits(count: usize, events: i64) -> Vec<Commit> {
    (0..count).map(|_| Commit { events: (0..events).map(event).collect(), ..Commit::default() }).collect()
}

async fn write(store: &Arc<SqliteStore>, commits: Vec<Commit>) {
    let mut waiting = JoinSet::new();
    for commit in commits {
        let store = Arc::clone(store);
        waiting.spawn(async move { store.commit(commit).await.unwrap() });
    }
    waiting.join_all().await;
}

fn durable(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("bench.db")).unwrap());
    let mut group = criterion.benchmark_group("durable events");
    for (name, at_once, events) in
        [("one at a time", 1, 1), ("ones, 64 at once", 64, 1), ("tens, 64 at once", 64, 10)]
    {
        group.throughput(Throughput::Elements(at_once * events));
        let count = usize::try_from(at_once).unwrap();
        let size = i64::try_from(events).unwrap();
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || commits(count, size),
                |commits| write(&store, commits),
                BatchSize::PerIteration,
            );
        });
    }
}

fn folding(criterion: &mut Criterion) {
    let events: Vec<Event> = (0..500).map(event).collect();
    criterion.bench_function("fold 500 events", |bencher| {
        bencher.iter_batched(
            || events.clone(),
            |events| fold(black_box(events), Vec::new()),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, durable, folding);
criterion_main!(benches);
