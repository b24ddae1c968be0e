//! How long a session takes to fold.
#![allow(clippy::unwrap_used, missing_docs)] // a bench that can't go on has failed; criterion's macro makes an undocumented function

use std::hint::black_box;

use app::event::{AnonymousId, EventId, SessionId};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::Map;
use server::domain::event::{Event, FunnelId, Page, Source};
use server::domain::session::fold;
use uuid::Uuid;

fn event(timestamp: i64) -> Event {
    Event {
        funnel: FunnelId::parse("ttr").unwrap(),
        source: Source::Browser,
        event_id: EventId::parse(Uuid::now_v7().to_string()).unwrap(),
        session_id: SessionId::parse("s1").unwrap(),
        anonymous_id: AnonymousId::parse("a1").ok(),
        name: "page_view".to_owned(),
        properties: Map::new(),
        page: Page::default(),
        index: None,
        timestamp,
        received_at: timestamp,
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

criterion_group!(benches, folding);
criterion_main!(benches);
