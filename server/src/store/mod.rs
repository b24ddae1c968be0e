//! Where everything is kept, behind one trait. SQLite today; the conformance suite (`tests/it/store.rs`) holds every
//! implementation to the same promises:
//!
//! - [`Store::commit`] writes a [`Commit`] whole or not at all, and answers only when it is on disk;
//! - what a commit wrote, the next read sees;
//! - a row that is already there stays as it is; only a payment's gaps are filled.

use app::event::{AnonymousId, SessionId};
use async_trait::async_trait;

use crate::domain::Millis;
use crate::domain::commit::{Commit, Committed};
use crate::domain::event::{Event, FunnelId};
use crate::domain::ledger::{Conversion, Payment};

pub mod outbox;
pub mod sqlite;

/// Why the store could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More is waiting than the writer can take; try again in a moment.
    #[error("the store is busy")]
    Busy,
    /// The store does not work: a full disk, a broken file.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Everything that belongs to one session.
#[derive(Clone, Debug, Default)]
pub struct SessionRecord {
    /// Its events, in no particular order.
    pub events: Vec<Event>,
    /// Its conversions, in no particular order.
    pub conversions: Vec<Conversion>,
}

/// Which sessions are asked for.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only this visitor's.
    pub anonymous_id: Option<AnonymousId>,
    /// Only converted ones, or only others.
    pub converted: Option<bool>,
    /// Only those with such an event.
    pub event: Option<String>,
}

/// Where a page of sessions goes on: after this last event's time and id, newest first.
pub type SessionCursor = (Millis, SessionId);

/// The store.
#[async_trait]
pub trait Store: outbox::OutboxStore {
    /// Writes all of it, then answers; on an error nothing of it was written.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// One session; empty if there is none.
    async fn session(&self, funnel: &FunnelId, session_id: &SessionId) -> Result<SessionRecord, StoreError>;

    /// Ids of sessions with the time of their last event, newest first, at most `limit`.
    async fn sessions(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        limit: usize,
    ) -> Result<Vec<SessionCursor>, StoreError>;

    /// The session of the visitor's newest checkout that began at `since` or later.
    async fn newest_checkout(
        &self,
        funnel: &FunnelId,
        visitor: &AnonymousId,
        since: Millis,
    ) -> Result<Option<SessionId>, StoreError>;

    /// Payments, newest first, at most `limit`.
    async fn payments(&self, funnel: &FunnelId, limit: usize) -> Result<Vec<Payment>, StoreError>;

    /// Whether it can be read and written.
    async fn ready(&self) -> Result<(), StoreError>;
}
