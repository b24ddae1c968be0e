//! The accept loop: who may connect, and for how long anybody may keep us waiting.
//!
//! A connection has its place, and loses it when its client is too slow: with a head, a body, with reading its answer, or
//! with the next request. A body has its share of memory, and finds none when others hold it. So nobody can take the program
//! away from others by doing nothing. When the program stops, no connection is accepted, idle ones end at once and requests
//! under way are answered. A request that others could read as two is not answered at all, but refused.

mod budget;
mod exchange;
mod head;
mod places;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::budget::Budget;
use self::exchange::UnderWay;
use self::places::{Place, Places};
use self::socket::{Socket, Stage};
use crate::client::Clients;
use crate::metrics::Metrics;
use crate::stopping::Stopping;

/// Files that are not connections: the store's, the built ones', what is forwarded.
const OTHER_FILES: usize = 256;

/// The most that a head, and what is buffered of a body or an answer, may take of memory; in bytes.
const BUFFER: usize = 32 * 1024;

/// After an accept that failed for want of something the next is tried by then, and a full house is logged so often at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Deadlines and numbers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A request's head must be there so long after its first byte, or after the connection was accepted.
    pub head: Duration,
    /// A request's body must be there so long after its head.
    pub body: Duration,
    /// A client that takes no byte of its answer for so long does not read.
    pub write: Duration,
    /// How long the next request may be away. Longer than proxies keep a connection, or they would send into a closed one.
    pub idle: Duration,
    /// The same when more than half of the connections are taken.
    pub idle_when_crowded: Duration,
    /// How long what a client still sends is read, and thrown away, once it is refused.
    pub linger: Duration,
    /// How long requests under way may still take when the program stops.
    pub drain: Duration,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one household (`Clients::household`).
    pub connections_per_household: usize,
    /// Bytes of requests' bodies under way in all, beyond the first 16 KiB of each.
    pub bodies: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(15),
            write: Duration::from_secs(30),
            idle: Duration::from_secs(125),
            idle_when_crowded: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            connections: 2048, // as many as fit into 128 MiB beside everything else
            connections_per_household: 256,
            bodies: 32 * 1024 * 1024, // sixteen of the largest
        }
    }
}

impl Settings {
    /// For this machine: takes as many open files as the process may have, and no more connections than there are files for.
    #[must_use]
    pub fn within_file_limit(mut self) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let files = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
        let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
        let connections = self.connections.min(files.saturating_sub(OTHER_FILES).max(files / 2));
        if connections < self.connections {
            tracing::warn!("only {files} files may be open: at most {connections} connections are taken");
            self.connections = connections;
        }
        self
    }
}

/// Accepts and answers until it is time to stop; returns when every connection has ended.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: Settings,
    clients: Clients,
    stopping: Stopping,
    metrics: Arc<Metrics>,
) {
    let places = Places::new(settings.connections, settings.connections_per_household);
    let budget = Budget::new(settings.bodies);
    let mut connections = JoinSet::new();
    let mut quiet_until = Instant::now();
    let mut stop = pin!(stopping.wait());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let Ok((stream, peer)) = accepted else { continue };
        if let Some(place) = places.take(clients.household(peer.ip())) {
            let open = metrics.connection();
            let held = (place, Arc::clone(&budget));
            let connection = connection(stream, peer, held, router.clone(), settings, stopping.clone());
            connections.spawn(async move {
                connection.await;
                drop(open);
            });
            continue;
        }
        metrics.connection_refused();
        if quiet_until <= Instant::now() {
            quiet_until = Instant::now() + PATIENCE;
            tracing::warn!(open = connections.len(), "no place: connections are closed as they come");
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(settings.drain, ended).await.is_err() {
        tracing::warn!(open = connections.len(), "some requests were still open");
        connections.shutdown().await;
    }
}

/// The next connection. One that its client gave up meanwhile is an error and no more; without files or memory for it,
/// those that have a connection go on, and may leave something.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    let accepted = listener.accept().await;
    if let Err(error) = &accepted
        && !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
    {
        tracing::error!(%error, "no connection can be accepted for now");
        sleep(PATIENCE).await;
    }
    accepted
}

/// One connection from its first byte to its last.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    (place, budget): (Place, Arc<Budget>),
    router: Router,
    settings: Settings,
    stopping: Stopping,
) {
    let _ = stream.set_nodelay(true); // an answer that goes out a little later is still one
    let stage = Stage::new();
    let socket = Socket::new(stream, Arc::clone(&stage), settings, place);
    let service = service_fn(move |request| {
        exchange::answer(router.clone(), peer, settings, budget.share(), UnderWay::begin(&stage), request)
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None).max_buf_size(BUFFER); // the socket has the deadlines
    let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
    let result = tokio::select! {
        result = &mut connection => result,
        () = stopping.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke off");
    }
}
