//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, a few readers.
//!
//! `commit` answers after the fsync of the transaction that holds it; see [`writer`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::event::{AnonymousId, SessionId};
use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use tokio::sync::{broadcast, watch};

use super::{
    Changed, FunnelFigures, PaymentFilter, PaymentRecord, SecretHash, SessionCursor, SessionFilter,
    SessionRecord, SessionRow, Store, StoreError,
};
use crate::domain::Millis;
use crate::domain::commit::{Commit, Committed};
use crate::domain::event::FunnelId;
use crate::failpoints;
use readers::Readers;
use writer::Writer;

pub mod examine;
mod list;
mod outbox;
mod owner;
mod payments;
mod quarantine;
mod readers;
mod rows;
mod summaries;
mod writer;

/// 3.7.0 to 3.51.2 can corrupt a WAL in just our pattern of use (one checkpoints while another commits).
const OLDEST_SOUND_SQLITE: i32 = 3_051_003;

/// A step that was published never changes; a later one is added below it.
fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("schema.sql")),
        M::up_with_hook(include_str!("summary.sql"), |transaction| Ok(summaries::rebuild(transaction)?)),
        M::up(include_str!("owner.sql")),
        M::up(include_str!("outbox.sql")),
        M::up(include_str!("identity.sql")),
        M::up(include_str!("quarantine.sql")),
    ])
}

/// Changes that a slow listener may be behind before it misses some.
const CHANGES: usize = 1024;

/// Readers that may work at once.
const READERS: usize = 4;

/// Pages that the writer keeps in memory, KiB: it goes through a dozen indexes for every event.
const WRITER_CACHE: u32 = 32 * 1024;

/// Pages that each reader keeps in memory, KiB.
const READER_CACHE: u32 = 4 * 1024;

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    changes: broadcast::Sender<Changed>,
    outbox_news: watch::Sender<()>,
}

impl From<&rusqlite::Error> for StoreError {
    fn from(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => Self::Busy,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}

impl SqliteStore {
    /// Opens the file, making it and its folder if need be, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if rusqlite::version_number() < OLDEST_SOUND_SQLITE {
            return Err(StoreError::Failed(format!(
                "SQLite {} can corrupt the file; 3.51.3 is needed",
                rusqlite::version()
            )));
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                StoreError::Failed(format!("{} can't be made: {error}", folder.display()))
            })?;
        }
        let mut connection =
            connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, WRITER_CACHE)
                .map_err(|error| {
                    StoreError::Failed(format!("{} can't be opened: {error}", path.display()))
                })?;
        migrations()
            .to_latest(&mut connection)
            .map_err(|error| StoreError::Failed(format!("migration: {error}")))?;
        let path: Arc<PathBuf> = Arc::new(path.to_owned());
        let readers = Readers::new(READERS, move || {
            let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        })?;
        let (changes, outbox_news) = (broadcast::Sender::new(CHANGES), watch::Sender::new(()));
        Ok(Self { writer: Writer::start(connection)?, readers, changes, outbox_news })
    }

    /// Writes what is still waiting and closes the file. Commits that come later fail.
    pub async fn close(&self) {
        self.writer.close().await;
    }
}

fn connect(path: &Path, flags: OpenFlags, cache: u32) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "4000"),
        ("mmap_size", "0"),
        ("cell_size_check", "ON"),
        ("trusted_schema", "OFF"),
        ("temp_store", "MEMORY"),
    ] {
        connection.pragma_update(None, pragma, value)?;
    }
    if failpoints::is_on("store.normal") {
        connection.pragma_update(None, "synchronous", "NORMAL")?; // to show what FULL is for
    }
    connection.pragma_update(None, "cache_size", -i64::from(cache))?; // negative: in KiB
    connection.set_prepared_statement_cache_capacity(64); // lists have a statement for each set of filters
    Ok(connection)
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let news = self.outbox_news.clone();
        let write = move |connection: &Connection| {
            let committed = rows::insert(connection, &commit)?;
            if commit.delivery.is_some() {
                failpoints::reach("delivery.before_commit");
            }
            if !commit.forward_to.is_empty() && committed.new_events.contains(&true) {
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
        by: Millis,
    ) -> Result<Option<SessionId>, StoreError> {
        let (funnel, visitor) = (funnel.clone(), visitor.clone());
        self.readers.read(move |reader| rows::newest_checkout(reader, &funnel, &visitor, since, by)).await
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
        if !self.writer.alive().await {
            return Err(StoreError::Failed("the writer has stopped".into()));
        }
        self.readers
            .read(|reader| reader.query_row("SELECT 1 FROM session LIMIT 1", [], |_| Ok(())).or_else(no_rows))
            .await
    }
}

fn identity(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row("SELECT id FROM identity WHERE one = 1", [], |row| row.get(0))
}

fn no_rows(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}
