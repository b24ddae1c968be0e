//! What is counted while the program works. The rooms are handed one [`Metrics`] and tell it what happened; `ops::metrics`
//! shows it to machines.
//!
//! Labels are our own words and route templates, never what somebody sent: no visitor can make a new one.

use std::borrow::Cow;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Labels<V, const N: usize> = [(&'static str, V); N];

/// Seconds that an answer or a commit may take, as upper bounds.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Writes that one transaction may hold, as upper bounds.
const WRITES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Where events come from.
const SOURCES: [&str; 3] = ["browser", "key", "server"];

/// What can become of an event.
const RESULTS: [&str; 4] = ["ok", "duplicate", "dropped", "retry"];

/// What can become of a delivery: the first four are states, of those that were new.
const OUTCOMES: [&str; 7] =
    ["recorded", "ignored", "unparsable", "foreign", "duplicate", "rejected", "failed"];

/// The counts.
#[derive(Debug)]
pub struct Metrics {
    events: Family<Labels<&'static str, 2>, Counter>,
    deliveries: Family<Labels<&'static str, 2>, Counter>,
    requests: Family<Labels<Cow<'static, str>, 2>, Histogram>,
    commit_seconds: Histogram,
    commit_writes: Histogram,
    commits_failed: Counter,
    connections: Gauge,
    connections_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            events: Family::default(),
            deliveries: Family::default(),
            requests: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            commit_seconds: Histogram::new(SECONDS),
            commit_writes: Histogram::new(WRITES),
            commits_failed: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        };
        for (source, result) in SOURCES.into_iter().flat_map(|source| RESULTS.map(|result| (source, result)))
        {
            metrics.events(source, result, 0);
        }
        metrics
    }
}

impl Metrics {
    /// Shows a provider's deliveries before there are any: an alert on their increase must see where they start.
    pub fn expect_deliveries(&self, provider: &'static str) {
        for outcome in OUTCOMES {
            self.deliveries.get_or_create(&[("provider", provider), ("outcome", outcome)]).inc_by(0);
        }
    }

    /// A delivery came.
    pub fn delivery(&self, provider: &'static str, outcome: &'static str) {
        self.deliveries.get_or_create(&[("provider", provider), ("outcome", outcome)]).inc();
    }

    /// Events came.
    pub fn events(&self, source: &'static str, result: &'static str, count: usize) {
        self.events.get_or_create(&[("source", source), ("result", result)]).inc_by(count as u64);
    }

    /// A request was answered. `route` is the template, `class` such as `2xx`.
    pub fn request(&self, route: &str, class: &'static str, took: Duration) {
        let labels = [("route", Cow::Owned(route.to_owned())), ("class", Cow::Borrowed(class))];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A transaction with so many writes came to its end.
    pub fn commit(&self, writes: usize, took: Duration, on_disk: bool) {
        #[allow(clippy::cast_precision_loss)] // a few hundred at most
        self.commit_writes.observe(writes as f64);
        self.commit_seconds.observe(took.as_secs_f64());
        if !on_disk {
            self.commits_failed.inc();
        }
    }

    /// A connection was accepted; it is counted until what is returned is dropped.
    pub fn connection(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// A connection found no place.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// Hands everything over to be shown.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("ttr_events", "Events by source and result", self.events.clone());
        registry.register("ttr_deliveries", "Deliveries by provider and outcome", self.deliveries.clone());
        let requests = "Answers by route and class of status, and how long they took";
        registry.register_with_unit("ttr_request", requests, Unit::Seconds, self.requests.clone());
        let commits = "How long transactions took, their fsync included";
        registry.register_with_unit("ttr_commit", commits, Unit::Seconds, self.commit_seconds.clone());
        registry.register("ttr_commit_writes", "Writes in one transaction", self.commit_writes.clone());
        let failed = "Transactions of which nothing is on disk";
        registry.register("ttr_commits_failed", failed, self.commits_failed.clone());
        registry.register("ttr_connections", "Open connections", self.connections.clone());
        let refused = "Connections that found no place and were closed";
        registry.register("ttr_connections_refused", refused, self.connections_refused.clone());
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
