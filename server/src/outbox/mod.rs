//! What goes out: rows of the outbox, written in the commit of their events, reach their destinations.
//!
//! At least once, and once in effect: each row is one body under one key until it was taken or stands parked before the
//! owner's eyes. Nothing is dropped. A new destination is one file here: a [`Carrier`] and the name of its rows.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::aurea::model::Forwarding;
use app::server_fns::Forwarded;
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::outbox::{Destination, Listener};
use crate::store::outbox::{Claimed, OutboxFigures, OutboxStore};
use crate::store::{Store, StoreError};
use lane::{Ask, Lane};
use verdict::{Reply, Terms};

pub mod aurea;
pub mod gate;
pub mod http;
mod lane;
pub mod reach;
pub mod schedule;
pub mod step;
pub mod verdict;
pub mod webhooks;

/// Brings a row to its destination.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Whose rows it carries, and what they tell.
    fn listener(&self) -> Listener;

    /// The destination's host, for people.
    fn host(&self) -> &str;

    /// How its answers are to be understood.
    fn terms(&self) -> &Terms;

    /// One try, with a deadline of its own. What came back, or in words why nothing did; never a secret.
    async fn carry(&self, row: &Claimed, now: Millis) -> Result<Reply, String>;
}

/// The worker, one lane for each destination.
pub struct Outbox {
    store: Arc<dyn OutboxStore>,
    lanes: Vec<(Arc<Lane>, mpsc::Sender<Ask>)>,
    stop: watch::Sender<()>,
    /// Dropped with the outbox, it ends the lanes.
    running: Mutex<JoinSet<()>>,
}

/// Where a destination stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whose rows they are.
    pub destination: Destination,
    /// Its host.
    pub host: String,
    /// Rows sent since the start.
    pub sent: u64,
    /// Its rows.
    pub figures: OutboxFigures,
}

impl Outbox {
    /// Starts a lane for each carrier.
    pub fn start(store: &Arc<dyn Store>, carriers: Vec<Arc<dyn Carrier>>, clock: &Arc<dyn Clock>) -> Self {
        let store: Arc<dyn OutboxStore> = Arc::<dyn Store>::clone(store);
        let stop = watch::Sender::new(());
        let mut running = JoinSet::new();
        let start = |carrier| {
            let (asks, asked) = mpsc::channel(16);
            let lane = Arc::new(Lane::new(Arc::clone(&store), carrier, Arc::clone(clock)));
            // So that all that it logs says for whom.
            let span = tracing::error_span!("outbox", destination = lane.destination.0);
            running.spawn(Arc::clone(&lane).run(asked, stop.subscribe()).instrument(span));
            (lane, asks)
        };
        let lanes = carriers.into_iter().map(start).collect();
        Self { store, lanes, stop, running: Mutex::new(running) }
    }

    /// Who is told.
    pub fn listeners(&self) -> Vec<Listener> {
        self.lanes.iter().map(|(lane, _)| lane.carrier.listener()).collect()
    }

    /// Sends what is parked or waits, once, and says how far that went after at most `patience`. The lanes do it, by what
    /// they always do.
    pub async fn drive(&self, patience: Duration) -> Result<Forwarded, StoreError> {
        let sent = || self.lanes.iter().map(|(lane, _)| lane.sent.load(Ordering::Relaxed)).sum::<u64>();
        let before = sent();
        let _ = tokio::time::timeout(patience, self.settle(true)).await; // it goes on by itself
        let mut driven = Forwarded { sent: sent() - before, ..Forwarded::default() };
        for standing in self.standings().await? {
            driven.waiting += standing.figures.waiting;
            driven.parked += standing.figures.parked;
        }
        Ok(driven)
    }

    /// Ends when nothing is under way and nothing more can be sent at this moment.
    pub async fn settled(&self) {
        self.settle(false).await;
    }

    async fn settle(&self, drive: bool) {
        let mut answers = Vec::new();
        for (_, asks) in &self.lanes {
            let (done, answer) = oneshot::channel();
            if asks.send(Ask { drive, done }).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            let _ = answer.await; // an error says that the lane has stopped
        }
    }

    /// Where each destination stands.
    pub async fn standings(&self) -> Result<Vec<Standing>, StoreError> {
        let mut standings = Vec::with_capacity(self.lanes.len());
        for (lane, _) in &self.lanes {
            standings.push(Standing {
                destination: lane.destination,
                host: lane.carrier.host().to_owned(),
                sent: lane.sent.load(Ordering::Relaxed),
                figures: self.store.outbox_figures(lane.destination).await?,
            });
        }
        Ok(standings)
    }

    /// Where forwarding stands, as the owner's screens show it; `None` if nothing is forwarded.
    pub async fn status(&self) -> Result<Option<Forwarding>, StoreError> {
        let first = self.standings().await?.into_iter().next();
        Ok(first.map(|Standing { host, figures, .. }| Forwarding {
            host,
            waiting: figures.waiting,
            parked: figures.parked,
            oldest_at: figures.oldest_at,
            last_error: figures.last_error,
        }))
    }

    /// Takes nothing new, lets what is under way end, releases the rest. Before the store is closed.
    pub async fn stop(&self) {
        self.stop.send_replace(());
        let mut running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        while running.join_next().await.is_some() {}
    }
}
