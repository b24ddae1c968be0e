//! What a backlog costs and how fast it goes: `cargo bench --package server --bench outbox`, `ROWS=20000` for fewer. Each
//! figure that has a limit stands beside it: a backlog may cost intake a fifth of its time, all of it goes out at 2,000 a
//! second, and a sale is at the other side within 5 s of its return.
//!
//! Events come in at a fixed rate, each timed from the moment at which it should have been sent, so that a stall shows. The
//! other side is a server in the same process, on the same cores. It is away for hours by the outbox's clock, which is
//! moved; what is measured is timed by the machine's.
#![allow(clippy::unwrap_used, missing_docs)] // a bench that can't go on has failed

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::event::{AnonymousId, EventId, SessionId};
use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Json, Router};
use serde_json::{Map, Value};
use server::clock::{Clock, now};
use server::domain::commit::Commit;
use server::domain::event::{Event, FunnelId, Page, Source};
use server::domain::outbox::Listener;
use server::outbox::aurea::{Aurea, Settings};
use server::outbox::reach::Reach;
use server::outbox::{Carrier, Outbox};
use server::store::Store;
use server::store::outbox::OutboxFigures;
use server::store::sqlite::SqliteStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

/// Events a second that come in while something is measured.
const RATE: u32 = 200;

/// How long each is measured, in turn if there are two: a disk is now faster and now slower.
const MEASURED: Duration = Duration::from_secs(20);

/// The log of a hundred thousand commits made within seconds is folded in this time; who is away for hours leaves no such log.
const FOLDED: Duration = Duration::from_secs(5);

/// How long the other side is away, in steps: the outbox tries at each.
const AWAY: [Duration; 36] = [Duration::from_mins(10); 36];

/// Goes like the machine's clock, and ahead of it by as many milliseconds as it was moved.
struct MovedClock(watch::Sender<i64>);

#[async_trait]
impl Clock for MovedClock {
    fn now(&self) -> i64 {
        now() + *self.0.borrow()
    }

    async fn until(&self, at: i64) {
        let mut moved = self.0.subscribe();
        let left = u64::try_from(at.saturating_sub(self.now())).unwrap_or(0);
        tokio::select! {
            () = sleep(Duration::from_millis(left)) => {}
            _ = moved.changed() => {}
        }
    }
}

fn event(id: &str) -> Event {
    Event {
        funnel: FunnelId::parse("ttr").unwrap(),
        source: Source::Browser,
        session_id: SessionId::parse(format!("s-{id:.13}")).unwrap(),
        event_id: EventId::parse(id).unwrap(),
        anonymous_id: AnonymousId::parse("a1").ok(),
        name: "page_view".to_owned(),
        properties: Map::new(),
        page: Page::default(),
        index: None,
        timestamp: now(),
        received_at: now(),
    }
}

fn commit(listeners: &[Listener]) -> Commit {
    commit_of(&Uuid::now_v7().to_string(), listeners)
}

fn commit_of(id: &str, listeners: &[Listener]) -> Commit {
    Commit { events: vec![event(id)], forward_to: listeners.to_vec(), ..Commit::default() }
}

/// How long commits took, ms.
#[derive(Clone, Copy)]
struct Took {
    half: f64,
    nearly_all: f64,
}

impl Took {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let part = |of: usize| all[(all.len() * of / 1000).min(all.len() - 1)].as_secs_f64() * 1000.0;
        Self { half: part(500), nearly_all: part(990) }
    }

    /// Beside what the same takes without a backlog.
    fn beside(self, what: &str, normal: Self) {
        let Self { half, nearly_all } = self;
        let ratios = (half / normal.half, nearly_all / normal.nearly_all);
        println!("        {what}: p50 {:.2}, p99 {:.2} times that at once", ratios.0, ratios.1);
    }
}

/// A store, and who is told of what comes in.
type Side<'a> = (&'a Arc<SqliteStore>, &'a [Listener]);

/// Commits into each at a fixed rate, a second into one and a second into the other, and says how long they took.
async fn intake<const SIDES: usize>(sides: [(&str, Side<'_>); SIDES]) -> [Took; SIDES] {
    let mut took = [const { Vec::new() }; SIDES];
    for _ in 0..MEASURED.as_secs() {
        for ((_, side), took) in sides.iter().zip(&mut took) {
            took.extend(commits(Duration::from_secs(1), side.0, side.1).await);
        }
    }
    std::array::from_fn(|place| {
        let took = Took::of(std::mem::take(&mut took[place]));
        println!("intake, {:<42} p50 {:6.2} ms   p99 {:6.2} ms", sides[place].0, took.half, took.nearly_all);
        took
    })
}

/// How long each took.
async fn commits(long: Duration, store: &Arc<SqliteStore>, listeners: &[Listener]) -> Vec<Duration> {
    let (begin, mut waiting) = (Instant::now(), JoinSet::new());
    for number in 0..RATE * u32::try_from(long.as_secs()).unwrap() {
        let meant = begin + Duration::from_secs(1) * number / RATE;
        sleep_until(meant).await;
        let (store, commit) = (Arc::clone(store), commit(listeners));
        waiting.spawn(async move {
            store.commit(commit).await.unwrap();
            meant.elapsed()
        });
    }
    waiting.join_all().await
}

/// Writes rows that nobody takes.
async fn pile_up(rows: usize, store: &Arc<SqliteStore>, listeners: &[Listener]) {
    let mut waiting = JoinSet::new();
    for _ in 0..rows {
        if waiting.len() == 256 {
            waiting.join_next().await.unwrap().unwrap();
        }
        let (store, commit) = (Arc::clone(store), commit(listeners));
        waiting.spawn(async move {
            store.commit(commit).await.unwrap();
        });
    }
    waiting.join_all().await;
}

/// What the other side knows of: the event of each row.
type Known = Arc<Mutex<HashSet<String>>>;

async fn remote(addr: SocketAddr) -> (SocketAddr, Known) {
    let known = Known::default();
    let take = |State(known): State<Known>, Json(told): Json<Value>| async move {
        known.lock().unwrap().insert(told["events"][0]["eventId"].as_str().unwrap().to_owned());
        StatusCode::NO_CONTENT
    };
    let router = Router::new().fallback(take).with_state(Arc::clone(&known));
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (addr, known)
}

fn outbox(store: &Arc<SqliteStore>, addr: SocketAddr, clock: &Arc<MovedClock>) -> Outbox {
    let url = format!("http://{addr}/api").parse().unwrap();
    let settings = Settings { url, key: "k".to_owned().into(), reach: Reach::Anywhere };
    let aurea: Arc<dyn Carrier> = Arc::new(Aurea::new(&settings, "bench").unwrap());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Outbox::start(&(Arc::clone(store) as Arc<dyn Store>), vec![aurea], &clock)
}

async fn waiting(outbox: &Outbox) -> u64 {
    outbox.standings().await.unwrap()[0].figures.waiting
}

async fn until_nothing_waits(outbox: &Outbox) {
    while waiting(outbox).await > 0 {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn until(is: impl Fn() -> bool) {
    while !is() {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::main]
async fn main() {
    let rows: usize = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Arc::new(SqliteStore::open(&folder.path().join(name)).unwrap());
    let clock = Arc::new(MovedClock(watch::Sender::new(0)));

    // As many events as in the other store, so that only the backlog makes a difference.
    let near_store = open("near.db");
    let (addr, _) = remote("127.0.0.1:0".parse().unwrap()).await;
    let near = outbox(&near_store, addr, &clock);
    let near_listeners = near.listeners();
    pile_up(rows, &near_store, &near_listeners).await;
    until_nothing_waits(&near).await;

    let store = open("away.db");
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = outbox(&store, addr, &clock);
    let listeners = away.listeners();
    pile_up(rows, &store, &listeners).await;
    for step in AWAY {
        clock.0.send_modify(|ahead| *ahead += i64::try_from(step.as_millis()).unwrap());
        away.settled().await;
    }
    for (store, listeners) in [(&near_store, &near_listeners), (&store, &listeners)] {
        commits(FOLDED, store, listeners).await;
    }
    let hours = AWAY.iter().sum::<Duration>().as_secs() / 3600;
    let [normal, waited] = intake([
        ("all is told at once", (&near_store, &near_listeners[..])),
        (&format!("{rows} wait, {hours} hours away"), (&store, &listeners[..])),
    ])
    .await;
    waited.beside("while they wait (limit 1.20)", normal);
    near.stop().await;

    let (_, known) = remote(addr).await;
    let returned = Instant::now();
    store.commit(commit_of("a-sale-after-the-return", &listeners)).await.unwrap();
    let all = waiting(&away).await;
    until(|| !known.lock().unwrap().is_empty()).await;
    let begin = Instant::now();
    until(|| known.lock().unwrap().contains("a-sale-after-the-return")).await;
    let sale = returned.elapsed().as_secs_f64();
    until_nothing_waits(&away).await;
    let took = begin.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // a figure for people
    let rate = all as f64 / took;
    println!("a sale after the return was told {sale:.1} s after it (limit 5)");
    println!("forwarding, {all} that waited: {took:.1} s, {rate:.0} a second (limit 2000)");
    assert_eq!(known.lock().unwrap().len() as u64, all, "each arrived");
    assert_eq!(away.standings().await.unwrap()[0].figures, OutboxFigures::default(), "none is parked");

    away.stop().await;
    pile_up(rows, &store, &listeners).await;
    let again = outbox(&store, addr, &clock);
    let going = Took::of(commits(MEASURED / 2, &store, &listeners).await);
    going.beside("while they go out", normal);
    until_nothing_waits(&again).await;
    again.stop().await;
    store.close().await;
    near_store.close().await;
}
