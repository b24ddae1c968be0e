//! Slow, silent and numerous clients, and the program's end, over raw TCP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use futures::StreamExt;
use server::accept::{self, Settings};
use server::client::Clients;
use server::clock::now;
use server::config::Config;
use server::ingest::sender::MAX_BODY;
use server::serve;
use server::stopping::Stopping;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tower::ServiceExt;

use crate::durability::{Program, free_address};
use crate::support::{
    SECRET, TOKEN, TestApp, batch, environment, leptos_toml, metadata, payment, sign, until,
};

/// Short, for a test.
const SHORT: Duration = Duration::from_millis(200);

/// An accept loop of its own.
struct Door {
    addr: SocketAddr,
    stopping: Stopping,
    served: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Door {
    async fn open(settings: Settings) -> Self {
        let endless = || async {
            let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
            Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>(chunk)))
        };
        let ticks = || async {
            let ticks = futures::stream::unfold(interval(SHORT / 2), |mut every| async move {
                every.tick().await;
                Some((Ok::<_, Infallible>(Bytes::from_static(b"tick\n")), every))
            });
            Body::from_stream(ticks.take(10))
        };
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/endless", get(endless))
            .route("/ticks", get(ticks))
            .route("/stuck", get(std::future::pending::<()>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stopping = Stopping::default();
        let clients = Clients::new(Vec::new());
        let served = tokio::spawn(accept::serve(
            listener,
            router,
            settings,
            clients,
            stopping.clone(),
            Arc::default(),
        ));
        Self { addr, stopping, served }
    }

    /// Connects until somebody answers.
    async fn answers_again(&self) {
        let answered = async { while Peer::connect(self.addr).await.get("/").await.is_none() {} };
        soon(answered).await;
    }
}

/// A client that says what it likes.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    pub(crate) async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Option<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: ttr\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.ok()?;
        self.answer().await
    }

    /// The next answer's status and body (of which the length is told, or none); `None` if the connection was closed.
    pub(crate) async fn answer(&mut self) -> Option<(u16, String)> {
        let head = self.head().await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(str::parse);
        let mut body = vec![0; length.map_or(0, Result::unwrap)];
        soon(self.0.read_exact(&mut body)).await.ok()?;
        Some((head[9..12].parse().unwrap(), String::from_utf8(body).unwrap()))
    }

    async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(self.0.read_u8()).await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Waits for the end of the connection, and says what still came.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = soon(self.0.read_to_end(&mut rest)).await; // a reset is an end, too
        rest
    }

    /// Begins to post events to the program; returns when it waits for their body, which is handed back.
    async fn begins_to_post(&mut self) -> String {
        let body = batch("s1", &[("page_view", 1000)]).to_string();
        self.says("POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: same-origin\r\n").await;
        self.says("Content-Type: application/json\r\nExpect: 100-continue\r\n").await;
        self.says(&format!("Content-Length: {}\r\n\r\n", body.len())).await;
        assert!(self.head().await.unwrap().starts_with("HTTP/1.1 100 "));
        body
    }
}

/// What must come to pass on any machine.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("it takes too long")
}

/// Waits until nobody listens there any more.
async fn refused(addr: SocketAddr) {
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
}

pub(crate) fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_however_busily_it_is_sent() {
    let door = Door::open(Settings { head: SHORT, ..Settings::default() }).await;
    let mut peer = Peer::connect(door.addr).await;
    let begun = Instant::now();
    peer.says("GET / HTTP/1.1\r\nx: ").await;
    let busily = async {
        loop {
            let said = peer.0.write_all(b"x").await;
            let heard = timeout(SHORT / 20, peer.0.read_u8()).await;
            if said.is_err() || heard.is_ok() {
                return heard;
            }
        }
    };
    assert!(!matches!(soon(busily).await, Ok(Ok(_))), "no answer");
    assert!(begun.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut() {
    let door = Door::open(Settings { head: SHORT, ..Settings::default() }).await;
    assert_eq!(Peer::connect(door.addr).await.rest().await, b"");
}

#[tokio::test]
async fn the_next_request_may_take_longer_than_a_head_and_not_for_ever() {
    let settings = Settings { head: SHORT, idle: SHORT * 5, ..Settings::default() };
    let door = Door::open(settings).await;
    let mut peer = Peer::connect(door.addr).await;
    assert!(peer.get("/").await.is_some());
    assert!(timeout(SHORT * 2, peer.0.read_u8()).await.is_err(), "it is kept");
    assert_eq!(peer.get("/").await, Some((200, "here".to_owned())));
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn when_it_is_crowded_idle_connections_are_kept_for_less_long() {
    let settings = Settings { connections: 3, idle_when_crowded: SHORT, ..Settings::default() };
    let door = Door::open(settings).await;
    let mut alone = Peer::connect(door.addr).await;
    assert!(alone.get("/").await.is_some());
    assert!(timeout(SHORT * 2, alone.0.read_u8()).await.is_err(), "it is kept");
    let mut second = Peer::connect(door.addr).await;
    assert!(second.get("/").await.is_some());
    assert_eq!(second.rest().await, b"");
    assert!(alone.get("/").await.is_some());
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_answered_408() {
    let door = Door::open(Settings { body: SHORT, ..Settings::default() }).await;
    let mut peer = Peer::connect(door.addr).await;
    peer.says("POST /body HTTP/1.1\r\nHost: ttr\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(peer.answer().await, Some((200, "4".to_owned())));
    peer.says("POST /body HTTP/1.1\r\nHost: ttr\r\nContent-Length: 4\r\n\r\nb").await;
    assert_eq!(peer.answer().await.unwrap().0, 408);
    assert_eq!(peer.rest().await, b"");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_dropped_and_its_place_is_free_again() {
    let door = Door::open(Settings { write: SHORT, connections: 1, ..Settings::default() }).await;
    let mut deaf = Peer::connect(door.addr).await;
    deaf.says("GET /endless HTTP/1.1\r\nHost: ttr\r\n\r\n").await;
    assert!(deaf.head().await.is_some());
    door.answers_again().await;
}

#[tokio::test]
async fn a_stream_outlives_every_deadline() {
    let settings = Settings {
        head: SHORT,
        body: SHORT,
        write: SHORT,
        idle: SHORT,
        linger: SHORT,
        ..Settings::default()
    };
    let door = Door::open(settings).await;
    let mut peer = Peer::connect(door.addr).await;
    peer.says("GET /ticks HTTP/1.0\r\nHost: ttr\r\n\r\n").await;
    let heard = String::from_utf8(peer.rest().await).unwrap();
    assert_eq!(heard.matches("tick").count(), 10, "{heard}");
}

#[tokio::test]
async fn three_hundred_connections_that_do_nothing_keep_nobody_from_being_answered() {
    let app = TestApp::start().await;
    let addr = address(&app.url);
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut peer = Peer::connect(addr).await;
        match number % 3 {
            0 => {}
            1 => peer.says("GET / HTTP/1.1\r\nHo").await,
            _ => assert_eq!(peer.get("/health/live").await.unwrap().0, 200),
        }
        idle.push(peer);
    }
    for _ in 0..50 {
        assert_eq!(Peer::connect(addr).await.get("/health/ready").await.unwrap().0, 200);
    }
    assert_eq!(idle.last_mut().unwrap().get("/health/live").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_connection_too_many_is_closed_and_a_later_one_is_answered() {
    let door = Door::open(Settings { connections: 3, ..Settings::default() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::connect(door.addr).await;
        assert!(peer.get("/").await.is_some());
        held.push(peer);
    }
    assert_eq!(Peer::connect(door.addr).await.get("/").await, None);
    assert!(held[0].get("/").await.is_some(), "those inside stay");
    held.pop();
    door.answers_again().await;
}

#[tokio::test]
async fn a_body_up_to_twice_the_limit_is_refused_on_a_connection_that_stays() {
    let app = TestApp::start().await;
    let mut peer = Peer::connect(address(&app.url)).await;
    let big = "x".repeat(MAX_BODY * 2);
    for _ in 0..2 {
        peer.says("POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n").await;
        peer.says(&format!("Content-Length: {}\r\n\r\n{big}", big.len())).await;
        assert_eq!(peer.answer().await.unwrap().0, 413);
        assert_eq!(peer.get("/health/live").await.unwrap().0, 200);
    }
    peer.says("POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n").await;
    peer.says(&format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{big}\r\n0\r\n\r\n", big.len())).await;
    assert_eq!(peer.answer().await.unwrap().0, 413);
    assert_eq!(peer.get("/health/live").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_refused_and_its_sender_hears_it() {
    let app = TestApp::start().await;
    let mut peer = Peer::connect(address(&app.url)).await;
    let big = "x".repeat(MAX_BODY * 8);
    peer.says("POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n").await;
    peer.says(&format!("Content-Length: {}\r\n\r\n{big}", big.len())).await;
    assert_eq!(peer.answer().await.unwrap().0, 413);
    assert_eq!(peer.rest().await, b"", "it is closed");
}

/// Reads a body that has no end, and says how much of it has come.
async fn read_on(State(read): State<Arc<AtomicUsize>>, body: Body) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        read.fetch_add(piece.len(), Ordering::Relaxed);
    }
}

/// Posts a signed delivery about a payment of this id, so much longer than it need be.
async fn delivered(app: &TestApp, payment_id: &str, longer: usize) -> (Peer, (u16, String)) {
    let body = payment(payment_id, &metadata(now() - 1000));
    let body = format!(r#"{},"more":"{}"}}"#, body.strip_suffix('}').unwrap(), "x".repeat(longer));
    let seconds = now() / 1000;
    let signature = sign(SECRET, payment_id, seconds, &body);
    let mut peer = Peer::connect(address(&app.url)).await;
    peer.says(&format!(
        "POST /api/webhooks/whop HTTP/1.1\r\nHost: ttr\r\nContent-Length: {}\r\n",
        body.len()
    ))
    .await;
    peer.says(&format!("webhook-id: {payment_id}\r\nwebhook-timestamp: {seconds}\r\n")).await;
    peer.says(&format!("webhook-signature: {signature}\r\n\r\n{body}")).await;
    let answer = peer.answer().await.unwrap();
    (peer, answer)
}

#[tokio::test]
async fn large_bodies_under_way_share_the_memory_that_there_is_and_small_ones_get_through() {
    let settings = Settings { bodies: 1024 * 1024, ..Settings::default() };
    let read = Arc::<AtomicUsize>::default();
    let routes = Router::new().route("/half", post(read_on)).with_state(Arc::clone(&read));
    let app = TestApp::start_behind(settings, routes, &[]).await;
    let mut halves = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::connect(address(&app.url)).await;
        peer.says("POST /half HTTP/1.1\r\nHost: ttr\r\nContent-Length: 1000000\r\n\r\n").await;
        peer.says(&"x".repeat(450_000)).await;
        halves.push(peer);
    }
    until("they are read", || async { read.load(Ordering::Relaxed) == 900_000 }).await;
    let (mut refused, (status, body)) = delivered(&app, "pay_large", 300_000).await;
    assert_eq!(status, 503);
    assert!(body.starts_with(r#"{"error":"busy","message":"#), "{body}");
    assert_eq!(refused.rest().await, b"", "it is closed");
    assert_eq!(delivered(&app, "pay_small", 10_000).await.1.0, 200);
    drop(halves);
    let taken = async { while delivered(&app, "pay_large", 300_000).await.1.0 != 200 {} };
    soon(taken).await;
}

#[tokio::test]
async fn a_body_in_very_many_pieces_counts_by_what_they_take() {
    let door = Door::open(Settings { bodies: 0, ..Settings::default() }).await;
    let mut peer = Peer::connect(door.addr).await;
    let post = "POST /body HTTP/1.1\r\nHost: ttr\r\nTransfer-Encoding: chunked\r\n\r\n";
    peer.says(&format!("{post}{}0\r\n\r\n", "1\r\nx\r\n".repeat(200))).await;
    assert_eq!(peer.answer().await, Some((200, "200".to_owned())));
    peer.says(&format!("{post}{}0\r\n\r\n", "1\r\nx\r\n".repeat(1000))).await;
    let head = peer.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 2\r\n"), "{head}");
}

#[tokio::test]
async fn who_may_not_send_events_hears_it_before_sending_them() {
    let app = TestApp::start().await;
    let mut peer = Peer::connect(address(&app.url)).await;
    peer.says("POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: cross-site\r\n").await;
    peer.says("Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n").await;
    assert_eq!(peer.answer().await.unwrap().0, 403);
}

#[tokio::test]
async fn idle_connections_end_at_once_when_the_program_stops_and_nobody_new_comes_in() {
    let mut door = Door::open(Settings::default()).await;
    let (mut idle, mut new) = (Peer::connect(door.addr).await, Peer::connect(door.addr).await);
    assert!(idle.get("/").await.is_some());
    let begun = Instant::now();
    door.stopping.begin();
    assert_eq!((idle.rest().await, new.rest().await), (vec![], vec![]));
    soon(&mut door.served).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(door.addr).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_given_up_when_the_program_has_waited_for_it() {
    let mut door = Door::open(Settings { drain: SHORT, ..Settings::default() }).await;
    let mut stuck = Peer::connect(door.addr).await;
    stuck.says("GET /stuck HTTP/1.1\r\nHost: ttr\r\n\r\n").await;
    assert!(Peer::connect(door.addr).await.get("/").await.is_some(), "it was accepted before");
    door.stopping.begin();
    soon(&mut door.served).await.unwrap();
    assert_eq!(stuck.rest().await, b"");
}

#[tokio::test]
async fn a_program_that_stops_is_alive_and_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let env = environment(&folder.path().join("ttr.db"), free_address());
    let config = Config::load(leptos_toml(), &env).unwrap();
    let application = serve::build(&config, &config.providers, false).await.unwrap();
    let status = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        application.router.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(status("/health/ready").await, StatusCode::OK);
    application.stopping.begin();
    assert_eq!(status("/health/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status("/health/live").await, StatusCode::OK);
    application.store.close().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let addr = free_address();
    let program = Program::start_at(folder.path(), addr, &[]).await;
    let (mut idle, mut peer) = (Peer::connect(addr).await, Peer::connect(addr).await);
    assert!(idle.get("/health/live").await.is_some());
    let body = peer.begins_to_post().await;
    program.terminate();
    refused(addr).await;
    assert_eq!(idle.rest().await, b"");
    peer.says(&body).await;
    let (status, results) = peer.answer().await.unwrap();
    assert!(status == 200 && results.contains(r#""result":"ok""#), "{results}");
    assert_eq!(peer.rest().await, b"");
    assert_eq!(program.ended(), Some(0));
    let program = Program::start_at(folder.path(), addr, &[]).await;
    assert_eq!(program.session("s1").await["events"][0]["eventName"], "page_view");
}

#[tokio::test]
async fn an_open_timeline_does_not_hold_the_program_up() {
    let folder = tempfile::tempdir().unwrap();
    let addr = free_address();
    let program = Program::start_at(folder.path(), addr, &[]).await;
    let mut screen = Peer::connect(addr).await;
    let live = "/aurea/funnels/ttr/sessions/s1/live";
    assert_eq!(screen.get(live).await.unwrap().0, 200);
    let begun = Instant::now();
    program.terminate();
    screen.rest().await;
    assert_eq!(program.ended(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let addr = free_address();
    let program = Program::start_at(folder.path(), addr, &[]).await;
    let mut peer = Peer::connect(addr).await;
    peer.begins_to_post().await;
    program.terminate();
    refused(addr).await;
    let begun = Instant::now();
    program.terminate();
    assert_eq!(program.ended(), Some(1));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_program_without_files_to_spare_goes_on_when_connections_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let addr = free_address();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"ulimit -n 40; exec "$0" "$@""#, env!("CARGO_BIN_EXE_ttr")]);
    let program = Program::start_by(command, folder.path(), addr, &[]).await;
    let mut peers = Vec::new();
    for _ in 0..60 {
        peers.push(Peer::connect(addr).await); // the kernel takes them; the program can't
    }
    drop(peers);
    let answered = async { while Peer::connect(addr).await.get("/health/live").await.is_none() {} };
    soon(answered).await;
    assert_eq!(program.stop(), Some(0));
}
