//! The other side of the outbox, played over real HTTP, and the worker by a clock that the test moves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use server::clock::Clock;
use server::domain::commit::Commit;
use server::domain::event::Event;
use server::domain::outbox::events_in;
use server::outbox::aurea::{Aurea, Settings};
use server::outbox::http::Deadlines;
use server::outbox::reach::Reach;
use server::outbox::{Carrier, Outbox};
use server::store::Store;
use server::store::outbox::OutboxFigures;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::store::stores;
use crate::support::stored_event;

/// A clock that stands until it is moved.
pub(crate) struct FakeClock(pub(crate) watch::Sender<i64>);

/// 2026-11-23 12:00:00 UTC.
pub(crate) const START: i64 = 1_795_435_200_000;

impl FakeClock {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(START)))
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> i64 {
        *self.0.borrow()
    }

    async fn until(&self, at: i64) {
        let _ = self.0.subscribe().wait_for(|now| *now >= at).await;
    }
}

/// One request that an upstream got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// `Idempotency-Key`, or a message's id.
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// The ids of its events.
    pub(crate) fn ids(&self) -> Vec<String> {
        let event = |raw: &serde_json::value::RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
        let events = events_in(&self.body).into_iter().map(event);
        events.map(|event| event["eventId"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids().iter().any(|known| known == id)
    }
}

type Script = Box<dyn Fn(&Call) -> Response + Send + Sync>;

/// A remote Aurea that answers what the test says, over real HTTP, and keeps what it got.
pub(crate) struct Upstream {
    pub(crate) url: String,
    known: Arc<Known>,
    server: JoinHandle<()>,
}

struct Known {
    script: Mutex<Script>,
    calls: Mutex<Vec<Call>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Upstream {
    pub(crate) async fn start(script: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at(
        addr: SocketAddr,
        script: impl Fn(&Call) -> Response + Send + Sync + 'static,
    ) -> Self {
        let known = Arc::new(Known { script: Mutex::new(Box::new(script)), calls: Mutex::default() });
        let listener = TcpListener::bind(addr).await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&known));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, known, server }
    }

    pub(crate) fn now_says(&self, script: impl Fn(&Call) -> Response + Send + Sync + 'static) {
        *self.known.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.known.calls.lock().unwrap().clone()
    }
}

async fn answer(State(known): State<Arc<Known>>, headers: HeaderMap, body: Bytes) -> Response {
    let headers: BTreeMap<String, String> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let key = headers.get("idempotency-key").or_else(|| headers.get("webhook-id")).unwrap().clone();
    let call = Call { key, headers, body: body.to_vec() };
    known.calls.lock().unwrap().push(call.clone());
    (known.script.lock().unwrap())(&call)
}

pub(crate) fn says(status: u16) -> impl Fn(&Call) -> Response + Send + Sync {
    move |_| StatusCode::from_u16(status).unwrap().into_response()
}

/// Knows events by their ids, as another ttr does: each counts once, and is a `duplicate` whenever it comes again.
pub(crate) fn knows_its_events() -> impl Fn(&Call) -> Response + Send + Sync {
    let known: Mutex<BTreeSet<String>> = Mutex::default();
    move |call| {
        let mut known = known.lock().unwrap();
        let mut result = |id: String| {
            let result = if known.insert(id.clone()) { "ok" } else { "duplicate" };
            json!({"eventId": id, "result": result})
        };
        let results: Vec<Value> = call.ids().into_iter().map(&mut result).collect();
        axum::Json(json!({ "results": results })).into_response()
    }
}

/// So that a test need not wait for those of a real destination.
pub(crate) const QUICK: Deadlines =
    Deadlines { connect: Duration::from_secs(1), whole: Duration::from_secs(2) };

pub(crate) fn settings(url: &str) -> Settings {
    Settings { url: url.parse().unwrap(), key: "key-1".to_owned().into(), reach: Reach::Anywhere }
}

/// The remote Aurea at this address.
pub(crate) fn aurea(url: &str) -> Arc<dyn Carrier> {
    Arc::new(Aurea::with_deadlines(&settings(url), "store-1", QUICK).unwrap())
}

/// The worker on an empty store, by a clock of its own.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) clock: Arc<FakeClock>,
    _folder: TempDir,
}

impl Bench {
    /// With a remote Aurea at this address.
    pub(crate) fn start(url: &str) -> Self {
        Self::start_with(vec![aurea(url)])
    }

    pub(crate) fn start_with(carriers: Vec<Arc<dyn Carrier>>) -> Self {
        let (store, folder) = stores().remove(0);
        let clock = FakeClock::start();
        let outbox = Outbox::start(&store, carriers, &(Arc::<FakeClock>::clone(&clock) as Arc<dyn Clock>));
        Self { store, outbox: Arc::new(outbox), clock, _folder: folder }
    }

    /// Commits page views that belong into one row.
    pub(crate) async fn tell(&self, ids: &[&str]) {
        let now = self.clock.now();
        self.commit(ids.iter().map(|id| stored_event("s1", id, "page_view", now)).collect()).await;
        self.outbox.settled().await;
    }

    /// Commits events of which all who listen are told.
    pub(crate) async fn commit(&self, events: Vec<Event>) {
        let forward_to = self.outbox.listeners();
        self.store.commit(Commit { events, forward_to, ..Commit::default() }).await.unwrap();
    }

    pub(crate) async fn after(&self, ms: i64) {
        self.clock.0.send_modify(|now| *now += ms);
        self.outbox.settled().await;
    }

    /// How the first destination stands.
    pub(crate) async fn figures(&self) -> OutboxFigures {
        self.outbox.standings().await.unwrap().remove(0).figures
    }

    pub(crate) async fn waiting_and_parked(&self) -> (u64, u64) {
        let figures = self.figures().await;
        (figures.waiting, figures.parked)
    }
}

/// Waits for a condition, looking often.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), holds).await.unwrap_or_else(|_| panic!("{what}"));
}

/// An upstream below HTTP: takes a request's first bytes and does this.
pub(crate) async fn raw_upstream<F: Future<Output = ()> + Send + 'static>(
    act: impl Fn(TcpStream) -> F + Send + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            tokio::spawn(act(stream));
        }
    });
    (url, server)
}

/// How an answer of unknown length begins.
pub(crate) const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
