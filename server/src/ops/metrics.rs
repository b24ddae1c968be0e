//! `GET /metrics`: what the program has counted ([`Metrics`]), and how its store, outbox and process stand at this moment,
//! in Prometheus' text format.
//!
//! The figures are the owner's, revenue among them: they are shown to whoever has the admin token; without it to this
//! machine while developing, and to everybody if `site.metrics` is `open`. In production even a request from this machine
//! brings the token: it may be a proxy's, in anybody's name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Mutex;

use super::doctor::free_space;
use super::process;
use crate::aurea::Access;
use crate::clock::now;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::outbox::{DestinationStanding, Outbox};
use crate::quarantine::Quarantine;
use crate::store::sqlite::{beside, examine};
use crate::store::{Store, StoreError, Sum};

/// What was asked of the store is shown so long before it is asked again.
const FRESH: Duration = Duration::from_secs(2);

type Float = Gauge<f64, AtomicU64>;

/// Who is shown the figures without the admin token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    Owner,
    /// Who asks from this machine.
    ThisMachine,
    /// Everybody: somebody else sees to it who reaches the route.
    Everybody,
}

impl Audience {
    fn includes(self, parts: &Parts) -> bool {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        match self {
            Self::Owner => false,
            Self::ThisMachine => peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback()),
            Self::Everybody => true,
        }
    }
}

/// Answers the machines.
pub struct Scrape {
    /// Who needs no token.
    pub audience: Audience,
    /// Knows the owner.
    pub access: Arc<Access>,
    /// Asked for what it holds.
    pub store: Arc<dyn Store>,
    /// Asked for what waits.
    pub outbox: Arc<Outbox>,
    /// Asked for what was refused.
    pub quarantine: Arc<Quarantine>,
    /// The store's file.
    pub database: PathBuf,
    /// Everything that is shown.
    pub board: Board,
}

/// Everything that is shown.
pub struct Board {
    registry: Registry,
    gauges: Gauges,
    /// When the gauges were set; one scrape at a time.
    set_at: Mutex<Option<Instant>>,
}

impl Board {
    /// With what the rooms count.
    pub fn new(metrics: &Metrics) -> Self {
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        gauges.started_at.set(seconds(now()));
        let (sqlite, _) = examine::sqlite();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("sqlite", sqlite)]);
        registry.register("ttr_build", "The program", build);
        Self { registry, gauges, set_at: Mutex::default() }
    }

    /// As it stands, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // a String takes everything
        text
    }
}

/// What is asked for when somebody wants to know.
#[derive(Clone, Debug, Default)]
struct Gauges {
    outbox_waiting: Family<[(&'static str, String); 1], Gauge>,
    outbox_parked: Family<[(&'static str, String); 1], Gauge>,
    outbox_sent: Family<[(&'static str, String); 1], Counter>,
    outbox_oldest: Family<[(&'static str, String); 1], Float>,
    refused_in_a_row: Family<[(&'static str, &'static str); 1], Gauge>,
    refused_kept: Family<[(&'static str, &'static str); 1], Gauge>,
    revenue: Family<[(&'static str, String); 2], Gauge>,
    conversions: Family<[(&'static str, String); 2], Gauge>,
    unattributed: Family<[(&'static str, String); 2], Gauge>,
    unattributed_payments: Family<[(&'static str, String); 2], Gauge>,
    store_readable: Gauge,
    writes_waiting: Gauge,
    store_bytes: Gauge,
    wal_bytes: Gauge,
    disk_free_bytes: Gauge,
    resident_bytes: Gauge,
    cpu_seconds: Counter<f64, AtomicU64>,
    open_files: Gauge,
    started_at: Float,
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        let now = self.clone();
        registry.register("ttr_outbox_waiting", "Rows to be sent", now.outbox_waiting);
        registry.register("ttr_outbox_parked", "Rows that wait to be driven by hand", now.outbox_parked);
        registry.register("ttr_outbox_sent", "Rows that were sent", now.outbox_sent);
        let oldest = "Age of the oldest row that is to be sent";
        registry.register_with_unit("ttr_outbox_oldest", oldest, Unit::Seconds, now.outbox_oldest);
        let refused = "Deliveries refused since the last good one";
        registry.register("ttr_refused_in_a_row", refused, now.refused_in_a_row);
        let kept = "Refused deliveries that are kept aside";
        registry.register("ttr_refused_kept", kept, now.refused_kept);
        let revenue = "What conversions brought, in minor units";
        registry.register("ttr_revenue_minor", revenue, now.revenue);
        registry.register("ttr_conversions", "Conversions that brought it", now.conversions);
        let unattributed = "What payments without a session brought, in minor units";
        registry.register("ttr_unattributed_minor", unattributed, now.unattributed);
        let payments = "Payments without a session";
        registry.register("ttr_unattributed_payments", payments, now.unattributed_payments);
        let readable = "Whether the store answered what it was asked for this scrape";
        registry.register("ttr_store_readable", readable, now.store_readable);
        registry.register("ttr_writes_waiting", "Writes that wait for the writer", now.writes_waiting);
        registry.register_with_unit("ttr_store", "Size of the store's file", Unit::Bytes, now.store_bytes);
        let wal = "Size of its write-ahead log";
        registry.register_with_unit("ttr_store_wal", wal, Unit::Bytes, now.wal_bytes);
        let free = "Free space where it is";
        registry.register_with_unit("ttr_disk_free", free, Unit::Bytes, now.disk_free_bytes);
        let memory = "Resident memory";
        registry.register_with_unit("process_resident_memory", memory, Unit::Bytes, now.resident_bytes);
        registry.register_with_unit("process_cpu", "Time on the processors", Unit::Seconds, now.cpu_seconds);
        registry.register("process_open_fds", "Open files", now.open_files);
        let started = "When the program started, in seconds since 1970";
        registry.register_with_unit("process_start_time", started, Unit::Seconds, now.started_at);
    }

    fn set_outbox(&self, standings: &[DestinationStanding]) {
        for DestinationStanding { destination, sent, figures, .. } in standings {
            let label = [("destination", destination.clone())];
            self.outbox_waiting.get_or_create(&label).set(signed(figures.waiting));
            self.outbox_parked.get_or_create(&label).set(signed(figures.parked));
            let counter = self.outbox_sent.get_or_create_owned(&label);
            counter.inc_by(sent.saturating_sub(counter.get()));
            let age = figures.waiting_since.map_or(0, |since| (now() - since).max(0));
            self.outbox_oldest.get_or_create(&label).set(seconds(age));
        }
    }
}

impl Scrape {
    async fn text(&self) -> String {
        let mut set_at = self.board.set_at.lock().await;
        if set_at.is_none_or(|at| at.elapsed() >= FRESH) {
            let asked = self.ask_the_store().await;
            if let Err(error) = &asked {
                tracing::error!(%error, "the store does not say how it stands");
            }
            self.board.gauges.store_readable.set(i64::from(asked.is_ok()));
            *set_at = Some(Instant::now());
        }
        self.look_around();
        self.board.text()
    }

    async fn ask_the_store(&self) -> Result<(), StoreError> {
        let gauges = &self.board.gauges;
        gauges.set_outbox(&self.outbox.standings().await?);
        for (provider, refusals) in self.quarantine.standings().await? {
            let label = [("provider", provider)];
            gauges.refused_in_a_row.get_or_create(&label).set(signed(refusals.in_a_row));
            gauges.refused_kept.get_or_create(&label).set(signed(refusals.kept));
        }
        let totals = self.store.totals().await?;
        set(&totals.revenue, &gauges.conversions, &gauges.revenue);
        set(&totals.unattributed, &gauges.unattributed_payments, &gauges.unattributed);
        Ok(())
    }

    /// What costs nothing to know. Where it can't be known, it stays as it was.
    fn look_around(&self) {
        let gauges = &self.board.gauges;
        gauges.writes_waiting.set(signed(self.store.waiting() as u64));
        gauges.store_bytes.set(file_size(&self.database));
        gauges.wal_bytes.set(file_size(&beside(&self.database, "-wal")));
        if let Ok(free) = free_space(&self.database) {
            gauges.disk_free_bytes.set(signed(free));
        }
        if let Some(bytes) = process::resident_bytes() {
            gauges.resident_bytes.set(signed(bytes));
        }
        if let Some(files) = process::open_files() {
            gauges.open_files.set(signed(files));
        }
        let more = process::cpu_time().as_secs_f64() - gauges.cpu_seconds.get();
        gauges.cpu_seconds.inc_by(more.max(0.0));
    }
}

/// A sum that is gone (payments that found their session) is shown no more.
fn set(
    sums: &[Sum],
    payments: &Family<[(&'static str, String); 2], Gauge>,
    minor: &Family<[(&'static str, String); 2], Gauge>,
) {
    payments.clear();
    minor.clear();
    for sum in sums {
        let currency = sum.currency.map_or("", |currency| currency.code());
        let labels = [("funnel", sum.funnel.as_str().to_owned()), ("currency", currency.to_owned())];
        payments.get_or_create(&labels).set(signed(sum.payments));
        minor.get_or_create(&labels).set(sum.minor);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[allow(clippy::cast_precision_loss)] // times stay far below 2^53 ms
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// A WAL that is folded back and gone is empty.
fn file_size(path: &std::path::Path) -> i64 {
    std::fs::metadata(path).map_or(0, |file| signed(file.len()))
}

/// `GET /metrics`
pub async fn show(State(scrape): State<Arc<Scrape>>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    if !scrape.audience.includes(&parts) {
        scrape.access.admit(&parts).await?;
    }
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, scrape.text().await).into_response())
}

/// Counts each answer under its route. What no route of ours answers, files and nonsense, goes under one name.
pub async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let class = match response.status().as_u16() {
        ..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    };
    metrics.request(route.as_ref().map_or("other", MatchedPath::as_str), class, begun.elapsed());
    response
}
