//! What goes out: rows of the outbox, written in the commit of their events, reach their destinations.
//!
//! At least once, and once in effect: each row is one body under one key until it was taken or stands parked before the
//! owner's eyes. Nothing is dropped. A new destination is one file here: a [`Carrier`] and the name of its rows.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::aurea::model::{Forwarding, ParkedItem};
use app::server_fns::{Forwarded, Told};
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::outbox::{Listener, told_by};
use crate::store::outbox::{Claimed, OutboxFigures, OutboxStore, Parked};
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
mod under_way;
pub mod verdict;
pub mod webhooks;

/// Parked rows that a screen lists.
const PARKED_SHOWN: usize = 10;

/// Brings a row to its destination.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Whose rows it carries, and what they tell.
    fn listener(&self) -> Listener;

    /// The destination's host, for people.
    fn host(&self) -> &str;

    /// How its answers are to be understood.
    fn terms(&self) -> &Terms;

    /// A body that tells of nothing, if the destination may be asked with one whether it lets us in.
    fn greeting(&self) -> Option<Vec<u8>> {
        None
    }

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
pub struct DestinationStanding {
    /// Its name.
    pub destination: String,
    /// Its host; `None` if the settings name it no more: its rows are kept.
    pub host: Option<String>,
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

    /// Where they are, for people.
    pub fn hosts(&self) -> Vec<String> {
        self.lanes.iter().map(|(lane, _)| lane.carrier.host().to_owned()).collect()
    }

    /// Sends what is parked or waits, once, and says how far that went after at most `patience`. The lanes do it, by what
    /// they always do.
    pub async fn drive(&self, patience: Duration) -> Result<Forwarded, StoreError> {
        let sent = || self.lanes.iter().map(|(lane, _)| lane.sent.load(Ordering::Relaxed)).sum::<u64>();
        let before = sent();
        let _ = tokio::time::timeout(patience, self.settle(true)).await; // it goes on by itself
        let mut driven = Forwarded { sent: sent() - before, ..Forwarded::default() };
        for DestinationStanding { destination, host, figures, .. } in self.standings().await? {
            let OutboxFigures { waiting, parked, last_error, .. } = figures;
            driven.waiting += waiting;
            driven.parked += parked;
            driven.destinations.push(Told { destination, host, waiting, parked, last_error });
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

    /// Where each destination stands: those that are told first, then those for which only rows are left.
    pub async fn standings(&self) -> Result<Vec<DestinationStanding>, StoreError> {
        let mut figures = self.store.outbox_figures().await?;
        let told = self.lanes.iter().map(|(lane, _)| {
            let destination = lane.destination.0.to_owned();
            let figures = figures.remove(&destination).unwrap_or_default();
            let (host, sent) = (lane.carrier.host().to_owned(), lane.sent.load(Ordering::Relaxed));
            DestinationStanding { destination, host: Some(host), sent, figures }
        });
        let mut standings: Vec<DestinationStanding> = told.collect();
        let left = figures.into_iter();
        standings.extend(left.map(|(destination, figures)| DestinationStanding {
            destination,
            host: None,
            sent: 0,
            figures,
        }));
        Ok(standings)
    }

    /// Where forwarding stands, as the owner's screens show it.
    pub async fn status(&self) -> Result<Vec<Forwarding>, StoreError> {
        let mut status = Vec::new();
        for DestinationStanding { destination, host, figures, .. } in self.standings().await? {
            let parked = if figures.parked == 0 {
                vec![]
            } else {
                self.store.parked(&destination, PARKED_SHOWN).await?
            };
            status.push(Forwarding {
                destination,
                host,
                waiting: figures.waiting,
                parked: figures.parked,
                oldest_at: figures.oldest_at,
                last_error: figures.last_error,
                given_up: parked.into_iter().map(parked_item).collect(),
            });
        }
        Ok(status)
    }

    /// Takes nothing new, lets what is under way end, releases the rest. Before the store is closed.
    pub async fn stop(&self) {
        self.stop.send_replace(());
        let mut running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        while running.join_next().await.is_some() {}
    }
}

/// What a parked row tells of, for people.
fn parked_item(row: Parked) -> ParkedItem {
    let told = told_by(&row.body);
    let session_ids: BTreeSet<&String> = told.iter().filter_map(|event| event.session_id.as_ref()).collect();
    let session_id = session_ids.first().filter(|_| session_ids.len() == 1).map(ToString::to_string);
    let names: BTreeSet<String> = told.into_iter().map(|event| event.name).collect();
    ParkedItem {
        events: names.into_iter().collect(),
        funnel: row.funnel,
        session_id,
        why: row.why,
        written_at: row.created_at,
    }
}
