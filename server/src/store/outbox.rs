//! The outbox's rows, as the worker sees them. The conformance suite (`tests/it/store_outbox.rs`) holds every store to it:
//!
//! - rows are written by the commit that holds their events, whole or not at all;
//! - a row is claimed by one worker for a time. Whoever settles it must still hold the claim: after the time is up another
//!   may have it, and the late one changes nothing;
//! - a row leaves the outbox only when it was sent, or when its children have taken its place.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::watch;

use super::StoreError;
use crate::domain::Millis;
use crate::domain::event::Event;
use crate::domain::outbox::{Destination, Listener};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Names the claim; never used twice.
    pub claim_id: String,
    /// For whom.
    pub destination: Destination,
    /// At most so many rows.
    pub places: usize,
    /// Of them, so many for the newest rows that were never tried: they don't wait behind a backlog.
    pub fresh: usize,
    /// Rows that are due by now.
    pub now: Millis,
    /// When the claim ends, if the worker says nothing.
    pub until: Millis,
}

/// Proof of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The row.
    pub id: String,
    /// The claim.
    pub claim_id: String,
}

/// A row that a worker has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// To settle it with.
    pub ticket: Ticket,
    /// The funnel of its events.
    pub funnel: String,
    /// What to send.
    pub body: Vec<u8>,
    /// Tries that failed.
    pub tries: u32,
    /// When it was written, or last driven by hand: how long it is tried counts from here.
    pub driven_at: Millis,
}

/// How a row goes on that was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// When it is tried again; `None` parks it until it is driven by hand.
    pub due_at: Option<Millis>,
    /// Tries that failed.
    pub tries: u32,
    /// Why.
    pub why: String,
    /// When it was tried.
    pub tried_at: Millis,
}

/// A row that carries a part of another's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its id, another than its parent's.
    pub id: String,
    /// Its body.
    pub body: Vec<u8>,
    /// How it goes on.
    pub later: Later,
}

/// What becomes of a row after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was sent: it goes.
    Gone,
    /// It stays.
    Stays(Later),
    /// Children take its place.
    Children(Vec<Child>),
}

/// Where a destination's rows stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxFigures {
    /// Rows to be sent, those under way included.
    pub waiting: u64,
    /// Rows that wait to be driven by hand.
    pub parked: u64,
    /// When the oldest of all of them was written.
    pub oldest_at: Option<Millis>,
    /// When the oldest of those to be sent was written.
    pub waiting_since: Option<Millis>,
    /// Why the last try failed, of those that are still there.
    pub last_error: Option<String>,
}

/// A row that waits to be driven by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The funnel of its events.
    pub funnel: String,
    /// What it carries.
    pub body: Vec<u8>,
    /// When it was written.
    pub created_at: Millis,
    /// Why it was not taken.
    pub why: String,
}

/// What became of rows that tell of events once more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Rows that were written.
    pub new: usize,
    /// Parked rows that are due at once.
    pub woken: usize,
    /// Rows that wait anyhow: nothing was done.
    pub waiting: usize,
}

/// The outbox's rows.
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Changes when a commit has written rows, or is about to: a claim that is asked for after it sees them.
    fn news(&self) -> watch::Receiver<()>;

    /// Claims rows that are due.
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError>;

    /// What becomes of rows that were tried. For each whether its claim was still held; if not, nothing of it changes.
    async fn settle(&self, rows: Vec<(Ticket, Step)>) -> Result<Vec<bool>, StoreError>;

    /// The row was not tried after all: it is due at once, for anybody. False if its claim is no longer held.
    async fn release(&self, ticket: Ticket, now: Millis) -> Result<bool, StoreError>;

    /// Asked once, before the first claim: gives up the claims of workers that are surely gone, so that their rows need
    /// not wait for the claims' end. A store that several programs share can't know and does nothing.
    async fn recover(&self, destination: Destination, now: Millis) -> Result<usize, StoreError>;

    /// At most `limit` rows that wait for another try are due at once.
    async fn hasten(&self, destination: Destination, now: Millis, limit: usize) -> Result<usize, StoreError>;

    /// At most `limit` parked rows are due at once, as if they were new.
    async fn unpark(&self, destination: Destination, now: Millis, limit: usize) -> Result<usize, StoreError>;

    /// Tells these listeners of these events of one funnel once more, as if they were new. A row that tells of one of them and
    /// is parked is due at once instead, and one that waits is left to itself.
    async fn send_again(
        &self,
        listeners: Vec<Listener>,
        events: Vec<Event>,
        now: Millis,
    ) -> Result<Again, StoreError>;

    /// When the next row is due, or a claim ends.
    async fn next_due(&self, destination: Destination) -> Result<Option<Millis>, StoreError>;

    /// Where every destination stands that has rows, by name: one that is told nothing any more is among them.
    async fn outbox_figures(&self) -> Result<BTreeMap<String, OutboxFigures>, StoreError>;

    /// A destination's parked rows, newest first, at most `limit`.
    async fn parked(&self, destination: &str, limit: usize) -> Result<Vec<Parked>, StoreError>;
}
