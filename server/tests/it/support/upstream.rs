//! The remote Aurea that the tests play: a small server over real HTTP that keeps what it got.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use server::domain::outbox::events_in;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request that an upstream got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
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

/// A remote Aurea that answers what the test says, and keeps what it got.
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
    let call = Call { key: headers["idempotency-key"].clone(), headers, body: body.to_vec() };
    known.calls.lock().unwrap().push(call.clone());
    (known.script.lock().unwrap())(&call)
}

/// Answers this to everything.
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
