//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, a few readers.
//!
//! `commit` answers after the fsync of the transaction that holds it; see [`writer`]. What is looked at before a file is
//! trusted stands in [`opening`], what an error of the disk leads to in [`fault`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::event::{AnonymousId, SessionId};
use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use tokio::sync::{broadcast, watch};

use super::{
    Changed, FunnelFigures, PaymentFilter, PaymentRecord, SecretHash, SessionCursor, SessionFilter,
    SessionRecord, SessionRow, Store, StoreError,
};
use crate::domain::Millis;
use crate::domain::commit::{Commit, Committed};
use crate::domain::event::FunnelId;
use crate::domain::size::Size;
use crate::failpoints;
use disk::Disk;
use readers::Readers;
pub use wal::LogLimits;
use writer::Writer;

mod disk;
pub mod examine;
mod fault;
mod list;
mod opening;
mod outbox;
mod owner;
mod pairing;
mod payments;
mod readers;
mod rows;
mod summaries;
mod wal;
mod writer;

/// A step that was published never changes; a later one is added below it.
fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("schema.sql")),
        M::up_with_hook(include_str!("summary.sql"), |transaction| Ok(summaries::rebuild(transaction)?)),
        M::up(include_str!("owner.sql")),
        M::up(include_str!("outbox.sql")),
        M::up(include_str!("identity.sql")),
    ])
}

/// Changes that a slow listener may be behind before it misses some.
const CHANGES: usize = 1024;

/// Readers that may work at once.
const READERS: usize = 4;

/// What a store is held to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// With less disk left than this, [`Store::scarce`] says so.
    pub reserve: Size,
    /// Whoever reads longer is cut, since the log can't be folded back meanwhile.
    pub reading: Duration,
    /// How large the log gets.
    pub log: LogLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reserve: Size::mib(256), reading: Duration::from_secs(5), log: LogLimits::default() }
    }
}

/// The store in one SQLite file.
pub struct SqliteStore {
    disk: Arc<Disk>,
    readers: Readers,
    writer: Writer,
    changes: broadcast::Sender<Changed>,
    outbox_news: watch::Sender<()>,
}

impl SqliteStore {
    /// Opens the file, making it and its folder if need be, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Limits::default())
    }

    /// As [`Self::open`], with other limits.
    pub fn open_with(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::new(path, limits.reserve));
        let connection = opening::open(&disk)?;
        let readers = Readers::new(READERS, limits.reading, || opening::reader(path))?;
        let writer = Writer::start(connection, Arc::clone(&disk), limits.log)?;
        let (changes, outbox_news) = (broadcast::Sender::new(CHANGES), watch::Sender::new(()));
        Ok(Self { disk, readers, writer, changes, outbox_news })
    }

    /// Lets whoever reads finish, writes what is still waiting and closes the file. What comes later fails.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await; // the last one: it folds the log back, and removes it
    }

    /// Returns when the store has given up for good, and says why.
    pub async fn given_up(&self) -> StoreError {
        self.writer.given_up().await
    }

    /// Bytes of the write-ahead log.
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(pairing::log_of(self.disk.file())).map_or(0, |log| log.len())
    }

    /// Space left on the disk.
    pub fn free_space(&self) -> Option<Size> {
        self.disk.free()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let news = self.outbox_news.clone();
        let write = move |connection: &Connection| {
            let committed = rows::insert(connection, &commit)?;
            failpoints::reach(match commit.delivery {
                Some(_) => "delivery.before_commit",
                None => "events.before_commit",
            });
            let is_news = !commit.forward_to.is_empty() && committed.new_events.contains(&true);
            if is_news && !failpoints::is_on("outbox.unheard") {
                // Not on disk yet, but the claim that it leads to goes through the same writer, after it.
                news.send_replace(());
            }
            Ok(committed)
        };
        let committed = self.writer.write(write).await?;
        for changed in &committed.changed {
            let _ = self.changes.send(changed.clone()); // an error only says that nobody listens
        }
        Ok(committed)
    }

    async fn session(&self, funnel: &FunnelId, session_id: &SessionId) -> Result<SessionRecord, StoreError> {
        let (funnel, session_id) = (funnel.clone(), session_id.clone());
        self.readers.read(move |reader| rows::session(reader, &funnel, &session_id)).await
    }

    async fn sessions(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        limit: usize,
        now: Millis,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let (funnel, filter) = (funnel.clone(), filter.clone());
        self.readers
            .read(move |reader| list::sessions(reader, &funnel, &filter, after.as_ref(), limit, now))
            .await
    }

    async fn figures(&self, funnel: &FunnelId, first: i64, last: i64) -> Result<FunnelFigures, StoreError> {
        let funnel = funnel.clone();
        self.readers.read(move |reader| summaries::figures(reader, &funnel, first, last)).await
    }

    async fn funnels(&self) -> Result<Vec<FunnelId>, StoreError> {
        self.readers.read(summaries::funnels).await
    }

    async fn newest_checkout(
        &self,
        funnel: &FunnelId,
        visitor: &AnonymousId,
        since: Millis,
    ) -> Result<Option<SessionId>, StoreError> {
        let (funnel, visitor) = (funnel.clone(), visitor.clone());
        self.readers.read(move |reader| rows::newest_checkout(reader, &funnel, &visitor, since)).await
    }

    async fn payments(
        &self,
        funnel: &FunnelId,
        filter: PaymentFilter,
        limit: usize,
    ) -> Result<Vec<PaymentRecord>, StoreError> {
        let funnel = funnel.clone();
        self.readers.read(move |reader| payments::payments(reader, &funnel, &filter, limit)).await
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    async fn identity(&self) -> Result<String, StoreError> {
        self.readers.read(identity).await
    }

    async fn admin_token(&self) -> Result<Option<SecretHash>, StoreError> {
        self.readers.read(owner::admin_token).await
    }

    async fn set_admin_token(&self, hash: SecretHash) -> Result<(), StoreError> {
        self.writer.write(move |connection| owner::set_admin_token(connection, &hash)).await
    }

    async fn add_login(&self, hash: SecretHash, expires_at: Millis, now: Millis) -> Result<(), StoreError> {
        self.writer.write(move |connection| owner::add_login(connection, &hash, expires_at, now)).await
    }

    async fn has_login(&self, hash: SecretHash, now: Millis) -> Result<bool, StoreError> {
        self.readers.read(move |reader| owner::has_login(reader, &hash, now)).await
    }

    async fn remove_login(&self, hash: SecretHash) -> Result<(), StoreError> {
        self.writer.write(move |connection| owner::remove_login(connection, &hash)).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        if let Some(trouble) = self.writer.trouble() {
            return Err(trouble);
        }
        self.readers
            .read(|reader| reader.query_row("SELECT 1 FROM session LIMIT 1", [], |_| Ok(())).or_else(no_rows))
            .await
    }

    fn scarce(&self) -> bool {
        self.disk.scarce()
    }
}

fn identity(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row("SELECT id FROM identity WHERE one = 1", [], |row| row.get(0))
}

fn no_rows(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}
