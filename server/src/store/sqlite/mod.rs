//! The store in one SQLite file: WAL, `synchronous=FULL`, one writer, a few readers.
//!
//! `commit` answers after the fsync of the transaction that holds it; see [`writer`]. What is looked at before a file is
//! trusted stands in [`opening`], what an error of the disk leads to in [`fault`].

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::event::{AnonymousId, SessionId};
use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use tokio::sync::{broadcast, watch};

use super::{
    Changed, CheckoutStanding, Compared, FunnelFigures, PaymentCursor, PaymentFile, PaymentFilter,
    PaymentQuery, PaymentRecord, ReturnKey, SecretHash, SessionCursor, SessionFilter, SessionRecord,
    SessionRow, Store, StoreError, Totals, Uncounted,
};
use crate::domain::Millis;
use crate::domain::commit::{Commit, Committed};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{Entry, PaymentKey, Purchase};
use crate::domain::size::Size;
use crate::failpoints;
use crate::metrics::Metrics;
use counted::Brought;
use disk::Disk;
use lock::Lock;
use readers::Readers;
pub use wal::LogLimits;
use writer::Writer;

mod again;
mod checkouts;
mod compared;
pub mod copy;
#[cfg(test)]
mod cost;
mod counted;
mod disk;
pub mod examine;
mod fault;
mod ledger;
mod list;
pub mod lock;
mod opening;
mod outbox;
mod owner;
mod page;
mod pairing;
mod payments;
#[cfg(test)]
mod plan;
mod quarantine;
mod readers;
mod rows;
mod session;
mod summaries;
mod totals;
mod uncounted;
mod wal;
mod writer;

/// A step that was published never changes; a later one is added below it.
fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("schema.sql")),
        M::up(include_str!("summary.sql")), // what was stored before is counted after standing.sql
        M::up(include_str!("owner.sql")),
        M::up(include_str!("outbox.sql")),
        M::up(include_str!("identity.sql")),
        M::up(include_str!("quarantine.sql")),
        M::up(include_str!("ledger.sql")),
        M::up(include_str!("checkout.sql")),
        // They work on the schema as this step leaves it. A later step that adds what they read or write takes them along.
        M::up_with_hook(include_str!("standing.sql"), |transaction| {
            summaries::build(transaction)?;
            Ok(ledger::stand(transaction)?)
        }),
        M::up(include_str!("uncounted.sql")),
        M::up(include_str!("waiting.sql")),
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
    metrics: Arc<Metrics>,
    /// Held by the one program that serves the store.
    _lock: Option<Lock>,
}

impl SqliteStore {
    /// Opens the file, making it and its folder if need be, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Limits::default(), Arc::default())
    }

    /// As [`Self::open`], for the program that serves the store: refused while another one does.
    pub fn open_to_serve(path: &Path, limits: Limits, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        make_folder(path)?;
        let lock = Lock::take(path)?;
        Ok(Self { _lock: Some(lock), ..Self::open_with(path, limits, metrics)? })
    }

    /// As [`Self::open`], with other limits; what happens is counted in `metrics`.
    pub fn open_with(path: &Path, limits: Limits, metrics: Arc<Metrics>) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::new(path, limits.reserve));
        let connection = opening::open(&disk)?;
        let readers = Readers::new(READERS, limits.reading, || opening::reader(path))?;
        let writer = Writer::start(connection, Arc::clone(&disk), limits.log, Arc::clone(&metrics))?;
        let (changes, outbox_news) = (broadcast::Sender::new(CHANGES), watch::Sender::new(()));
        Ok(Self { disk, readers, writer, changes, outbox_news, metrics, _lock: None })
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
}

/// Makes the folder of a store that is to be.
pub fn make_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| StoreError::Unusable(format!("{} can't be made: {error}", folder.display())))
}

/// A file beside the store's, of its name and more: SQLite's `-wal`, our `.lock`.
pub fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    PathBuf::from(name)
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let news = self.outbox_news.clone();
        let brought = Brought::by(&commit);
        let write = move |connection: &Connection| {
            let committed = rows::insert(connection, &commit)?;
            failpoints::reach(match commit.delivery {
                Some(_) => "delivery.before_commit",
                None => "events.before_commit",
            });
            let new = committed.new_events.contains(&true) || !committed.settled.is_empty();
            let is_news = !commit.forward_to.is_empty() && new;
            if is_news && !failpoints::is_on("outbox.unheard") {
                // Not on disk yet, but the claim that it leads to goes through the same writer, after it.
                news.send_replace(());
            }
            Ok(committed)
        };
        // Whoever asked may have hung up by then.
        let (changes, metrics, on_disk) = (self.changes.clone(), Arc::clone(&self.metrics), brought.clone());
        let then = move |committed: &Committed| {
            on_disk.count(Some(committed), &metrics);
            for changed in &committed.changed {
                let _ = changes.send(changed.clone()); // an error only says that nobody listens
            }
        };
        let committed = self.writer.write_then(write, then).await;
        committed.inspect_err(|_| brought.count(None, &self.metrics))
    }

    async fn session(&self, funnel: &FunnelId, session_id: &SessionId) -> Result<SessionRecord, StoreError> {
        let (funnel, session_id) = (funnel.clone(), session_id.clone());
        self.readers.read(move |reader| session::session(reader, &funnel, &session_id)).await
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
        began: RangeInclusive<Millis>,
        known_at: Millis,
    ) -> Result<Option<SessionId>, StoreError> {
        let (funnel, visitor) = (funnel.clone(), visitor.clone());
        self.readers
            .read(move |reader| rows::newest_checkout(reader, &funnel, &visitor, &began, known_at))
            .await
    }

    async fn checkout_standing(
        &self,
        funnel: &FunnelId,
        key: &ReturnKey,
    ) -> Result<Option<CheckoutStanding>, StoreError> {
        let (funnel, key) = (funnel.clone(), key.clone());
        self.readers.read(move |reader| checkouts::standing(reader, &funnel, &key)).await
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

    async fn payments_page(
        &self,
        funnel: &FunnelId,
        query: &PaymentQuery,
        after: Option<PaymentCursor>,
        limit: usize,
    ) -> Result<Vec<PaymentRecord>, StoreError> {
        let (funnel, query) = (funnel.clone(), query.clone());
        self.readers.read(move |reader| page::page(reader, &funnel, &query, after.as_ref(), limit)).await
    }

    async fn payment(&self, key: &PaymentKey) -> Result<Option<PaymentFile>, StoreError> {
        let key = key.clone();
        self.readers.read(move |reader| payments::file(reader, &key)).await
    }

    async fn payment_providers(&self, funnel: &FunnelId) -> Result<Vec<String>, StoreError> {
        let funnel = funnel.clone();
        self.readers.read(move |reader| page::providers(reader, &funnel)).await
    }

    async fn unpaid(
        &self,
        funnel: &FunnelId,
        since: Millis,
        by: Millis,
        limit: usize,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let funnel = funnel.clone();
        self.readers.read(move |reader| page::unpaid(reader, &funnel, (since, by), limit)).await
    }

    async fn set_compared(&self, compared: Compared) -> Result<(), StoreError> {
        self.writer.write(move |connection| compared::set(connection, &compared)).await
    }

    async fn compared(&self) -> Result<Vec<Compared>, StoreError> {
        self.readers.read(compared::all).await
    }

    async fn purchase(&self, about: &PaymentKey) -> Result<Purchase, StoreError> {
        let about = about.clone();
        self.readers.read(move |reader| ledger::purchase(reader, &about)).await
    }

    async fn unjoined(&self, funnel: &FunnelId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let funnel = funnel.clone();
        self.readers.read(move |reader| payments::unjoined(reader, &funnel, limit)).await
    }

    async fn uncounted(&self, limit: usize) -> Result<Vec<Uncounted>, StoreError> {
        self.readers.read(move |reader| uncounted::uncounted(reader, limit)).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.readers.read(totals::totals).await
    }

    fn waiting(&self) -> usize {
        self.writer.waiting()
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
