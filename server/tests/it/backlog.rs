//! The other side is away for hours and everything waits. How long intake takes meanwhile, and how fast all goes out
//! afterwards, `cargo bench --bench outbox` prints, with 100,000 rows.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use server::clock::Clock;
use server::store::outbox::OutboxFigures;

use crate::durability::free_address;
use crate::support::stored_event;
use crate::upstream::{Bench, Call, Upstream, says};

/// Rows that wait.
const ROWS: usize = 8000;

#[tokio::test]
async fn hours_away_cost_nothing_but_time_and_a_new_sale_goes_first() {
    let addr = free_address();
    let bench = Bench::start(&format!("http://{addr}/api"));
    let id = |number: usize| format!("e{number}");
    let commits = (0..ROWS)
        .map(|number| bench.commit(vec![stored_event("s1", &id(number), "page_view", bench.clock.now())]));
    stream::iter(commits).buffer_unordered(256).collect::<Vec<()>>().await;
    for _ in 0..36 {
        bench.after(600_000).await; // six hours
    }
    let figures = bench.figures().await;
    assert_eq!((figures.waiting, figures.parked), (ROWS as u64, 0));

    let upstream = Upstream::start_at(addr, says(200)).await;
    bench.tell(&["sale"]).await;
    bench.after(5000).await; // by this clock all goes out within five seconds of the return
    assert_eq!(bench.figures().await, OutboxFigures::default());
    let calls = upstream.calls();
    let place = calls.iter().position(|call| call.has("sale")).unwrap();
    assert!(place < 4, "the sale went out as number {place} of {}", calls.len());
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for id in calls.iter().flat_map(Call::ids) {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), ROWS + 1, "none is lost");
    assert!(times.values().all(|times| *times == 1), "none went twice");
}
