//! Starts applications and speaks to them as browsers, key holders and providers do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use app::event::{AnonymousId, EventId, SessionId};
use axum::Router;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde_json::{Map, Value, json};
use server::accept::{self, Settings};
use server::clock::now;
use server::config::Config;
use server::domain::event::{Event, FunnelId, Page, Source};
use server::serve::{self, Application};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Whop's secret in the tests.
pub(crate) const SECRET: &str = "ws_0123456789abcdef_secret";

/// The owner's token in the tests.
pub(crate) const TOKEN: &str = "owner-token";

/// A running application on its own store.
pub(crate) struct TestApp {
    /// Where it listens.
    pub(crate) url: String,
    client: Client,
    server: JoinHandle<()>,
    folder: TempDir,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Environment of a test: Whop by its link, one key for the funnel.
pub(crate) fn environment(database: &Path, addr: SocketAddr) -> HashMap<String, String> {
    [
        ("DATABASE_URL", format!("sqlite://{}", database.display())),
        ("LEPTOS_SITE_ADDR", addr.to_string()),
        ("WHOP_WEBHOOK_SECRET", format!("ws_an_older_one,{SECRET}")),
        ("WHOP_CHECKOUT_URL", "https://whop.com/checkout/plan_1".to_owned()),
        ("AUREA_RECEIVE_KEYS", "key-1:ttr,key-2:other".to_owned()),
        ("AUREA_ADMIN_TOKEN", TOKEN.to_owned()),
        ("TTR__STORE__RESERVE", "0".to_owned()), // however little space the machine has
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The repository's `Leptos.toml`, which is thereby tested.
pub(crate) fn leptos_toml() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../Leptos.toml"))
}

impl TestApp {
    /// Starts with Whop in `link` mode.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with more in the environment.
    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Self {
        Self::start_behind(Settings::default(), Router::new(), more).await
    }

    /// Starts with these settings of the accept loop, routes of the test's own, and more in the environment.
    pub(crate) async fn start_behind(settings: Settings, routes: Router, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut env = environment(&folder.path().join("ttr.db"), addr);
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = Config::load(leptos_toml(), &env).unwrap();
        let application = serve::build(&config, &config.providers, false).await.unwrap();
        let server = tokio::spawn(async move {
            let Application { router, clients, stopping, metrics, .. } = application;
            accept::serve(listener, router.merge(routes), settings, clients, stopping, metrics).await;
        });
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { url: format!("http://{addr}"), client, server, folder }
    }

    /// Folder of the store.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Posts as one of the site's own pages does.
    pub(crate) async fn browser_posts(&self, body: &Value) -> Response {
        self.post("/api/pulse").header("sec-fetch-site", "same-origin").json(body).send().await.unwrap()
    }

    /// Posts with the funnel's key.
    pub(crate) async fn key_holder_posts(&self, body: &Value) -> Response {
        let request = self.post("/api/track/events").header("x-aurea-api-key", "key-1");
        request.header("x-aurea-funnel-id", "ttr").json(body).send().await.unwrap()
    }

    /// Posts a delivery as Whop's dashboard webhooks do, signed by the official library.
    pub(crate) async fn whop_delivers(&self, id: &str, body: &str) -> Response {
        let seconds = now() / 1000;
        self.delivery(id, seconds, &sign(SECRET, id, seconds, body), body).await
    }

    /// Posts a delivery with these headers.
    pub(crate) async fn delivery(&self, id: &str, seconds: i64, signature: &str, body: &str) -> Response {
        self.post("/api/webhooks/whop")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    /// Reads something of the owner's.
    pub(crate) async fn owner(&self, path: &str) -> Value {
        let response =
            self.get(&format!("/api/aurea/funnels/{path}")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// Reads a session of the site's funnel.
    pub(crate) async fn session(&self, session_id: &str) -> Value {
        self.owner(&format!("ttr/sessions/{session_id}")).await
    }
}

/// Signs as Whop documents: keyed with the bytes of the whole secret.
pub(crate) fn sign(secret: &str, id: &str, seconds: i64, body: &str) -> String {
    let library = standardwebhooks::Webhook::from_bytes(secret.as_bytes().to_vec()).unwrap();
    library.sign(id, seconds, body.as_bytes()).unwrap()
}

/// Serves a router from now on, as somebody else's server; gives its origin.
pub(crate) async fn serve_here(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{addr}")
}

/// A batch of events of one session, in the seed's shape.
pub(crate) fn batch(session_id: &str, events: &[(&str, i64)]) -> Value {
    let event = |(name, timestamp): &(&str, i64)| {
        json!({
            "eventName": name, "properties": {}, "timestamp": timestamp,
            "context": {"user": {"anonymousId": "a1"}, "session": {"sessionId": session_id}},
        })
    };
    json!({ "events": events.iter().map(event).collect::<Vec<_>>() })
}

/// A Whop payment of 99 USD for a session.
pub(crate) fn payment(payment_id: &str, metadata: &Value) -> String {
    json!({
        "id": "msg_body", "api_version": "v1", "type": "payment.succeeded",
        "data": {"id": payment_id, "total": 99.0, "currency": "usd", "billing_reason": "one_time", "metadata": metadata},
    })
    .to_string()
}

/// The metadata of session `s1` of visitor `a1`.
pub(crate) fn metadata(checkout_started_at: i64) -> Value {
    json!({"aurea_anonymous_id": "a1", "aurea_session_id": "s1", "checkout_started_at": checkout_started_at.to_string()})
}

/// An event as the store takes it.
pub(crate) fn stored_event(session_id: &str, event_id: &str, name: &str, timestamp: i64) -> Event {
    Event {
        funnel: FunnelId::parse("ttr").unwrap(),
        source: Source::Browser,
        event_id: EventId::parse(event_id).unwrap(),
        session_id: SessionId::parse(session_id).unwrap(),
        anonymous_id: AnonymousId::parse("a1").ok(),
        name: name.to_owned(),
        properties: Map::new(),
        page: Page::default(),
        index: None,
        timestamp,
        received_at: timestamp,
    }
}

/// The names of a session's events.
pub(crate) fn names(session: &Value) -> Vec<&str> {
    session["events"].as_array().unwrap().iter().map(|event| event["eventName"].as_str().unwrap()).collect()
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

/// What a store's file says to a question for one value; the program may be at work on it.
pub(crate) fn asked<T: rusqlite::types::FromSql>(folder: &Path, sql: &str) -> T {
    let file = rusqlite::Connection::open(folder.join("ttr.db")).unwrap();
    file.busy_timeout(Duration::from_secs(20)).unwrap();
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}
