//! The one writer: a thread that owns the write connection.
//!
//! Group commit: whatever waits when a transaction begins goes into it, up to [`MAX_GROUP`] writes; all of them are
//! answered after its one fsync. Each write has its own savepoint, so that one that fails, or panics, takes nobody along. No
//! request's future holds a transaction: a visitor who hangs up cuts nothing.
//!
//! When a group can't be written, nobody in it and nobody behind it is told `Ok`, and the writer ails until it has written
//! again; it tries by itself. A disk that may have lost what it was given ([`Fault::Doubt`]) is forgiven once: the file is
//! opened anew and looked through. The second time the writer gives up for good, and the program with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Savepoint, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::disk::Disk;
use super::fault::Fault;
use super::wal::{LogLimits, Wal};
use super::{opening, pairing};
use crate::failpoints;
use crate::metrics::Metrics;
use crate::store::StoreError;

/// Writes that may wait; more are refused, so that memory stays bounded.
const MAX_WAITING: usize = 1024;

/// Writes in one transaction.
const MAX_GROUP: usize = 256;

/// A writer that ails tries again after this, whether somebody wants to write or not.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// After a sync that failed the file is looked through for so long.
const LOOK: Duration = Duration::from_secs(10);

/// A write, and how its asker is answered once the group is on disk or has failed. One that is dropped undone tells its
/// asker what the writer ails from.
type Job = Box<dyn FnOnce(&Savepoint<'_>) -> (Verdict, Answer) + Send>;

/// Whether the write's savepoint is kept.
type Verdict = Result<(), rusqlite::Error>;

/// Told the fate of the whole group, last.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// How the writer fares.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Health {
    Well,
    Ails(StoreError),
    GaveUp(StoreError),
}

/// The door to the writer's thread.
pub(super) struct Writer {
    jobs: Mutex<Option<SyncSender<Job>>>,
    health: watch::Receiver<Health>,
    /// Held by every write that waits.
    waits: Arc<()>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        disk: Arc<Disk>,
        log: LogLimits,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let (sender, health) = watch::channel(Health::Well);
        let mut wal = Wal::new(log, disk.file())?;
        wal.tend(&connection)?;
        let scribe = Scribe {
            wal,
            connection: Some(connection),
            disk,
            health: sender,
            ails_since: Instant::now(),
            refused: 0,
            doubts: 0,
            metrics,
        };
        thread::Builder::new()
            .name("writer".into())
            .spawn(move || scribe.run(&waiting))
            .map_err(|error| StoreError::Failed(format!("no thread for the writer: {error}")))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), health, waits: Arc::default() })
    }

    /// Does one write, whole or not at all, and answers when it is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_then(write, |_| {}).await
    }

    /// As [`Self::write`]; `then` is done once it is on disk, though its asker may have gone.
    pub(super) async fn write_then<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answered) = oneshot::channel();
        let waits = Arc::clone(&self.waits);
        let job: Job = Box::new(move |savepoint| {
            drop(waits);
            let (verdict, outcome) = match write(savepoint) {
                Ok(value) if failpoints::is_on("writer.hasty") => {
                    let _ = sender.send(Ok(value)); // before it is on disk: a test shows that this loses something
                    return (Ok(()), Box::new(|_| {}));
                }
                Ok(value) => (Ok(()), Ok(value)),
                Err(error) => {
                    let told = StoreError::from(&error);
                    (Err(error), Err(told))
                }
            };
            let answer: Answer = Box::new(move |group| {
                let told = group.and(outcome).inspect(then);
                let _ = sender.send(told); // the asker may have gone; the write stands
            });
            (verdict, answer)
        });
        self.hand_over(job)?;
        answered.await.unwrap_or_else(|_| Err(self.trouble().unwrap_or_else(broke_off)))
    }

    fn hand_over(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().ok_or_else(closed)?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => self.trouble().unwrap_or_else(closed),
        })
    }

    /// How many writes wait.
    pub(super) fn waiting(&self) -> usize {
        Arc::strong_count(&self.waits) - 1
    }

    /// What keeps it from writing.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        match &*self.health.borrow() {
            Health::Ails(why) | Health::GaveUp(why) => Some(why.clone()),
            Health::Well => self.health.has_changed().is_err().then(closed),
        }
    }

    /// Returns when it has given up for good.
    pub(super) async fn given_up(&self) -> StoreError {
        let mut health = self.health.clone();
        loop {
            if let Health::GaveUp(why) = &*health.borrow_and_update() {
                return why.clone();
            }
            if health.changed().await.is_err() {
                std::future::pending::<()>().await; // it was closed in an orderly way
            }
        }
    }

    /// Takes no more writes, does those that wait, closes the connection.
    pub(super) async fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut health = self.health.clone();
        while health.changed().await.is_ok() {} // the thread's end is the last change
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the writer has stopped".into())
}

fn broke_off() -> StoreError {
    StoreError::Failed("the write broke off".into())
}

/// What the thread works with. The connection is dropped after `wal`, which has some of its own, and before `health`, whose
/// end says that it is closed.
struct Scribe {
    wal: Wal,
    connection: Option<Connection>,
    disk: Arc<Disk>,
    ails_since: Instant,
    /// Writes that were refused since then.
    refused: usize,
    /// How often it was not sure that the disk has what was written.
    doubts: u32,
    metrics: Arc<Metrics>,
    health: watch::Sender<Health>,
}

impl Scribe {
    fn run(mut self, waiting: &Receiver<Job>) {
        while !matches!(*self.health.borrow(), Health::GaveUp(_)) {
            let Some(group) = self.next_group(waiting) else { break };
            self.write(group, waiting);
        }
    }

    /// Waits for something to write; nothing at all, while it ails, is a group too. `None` at the end.
    fn next_group(&self, waiting: &Receiver<Job>) -> Option<Vec<Job>> {
        let first = if self.ails() {
            match waiting.recv_timeout(TRY_AGAIN) {
                Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
                first => first.ok()?,
            }
        } else {
            waiting.recv().ok()?
        };
        Some(std::iter::once(first).chain(waiting.try_iter()).take(MAX_GROUP).collect())
    }

    /// Does a group and answers all of it: nobody hears `Ok` before the transaction is on disk.
    fn write(&mut self, group: Vec<Job>, waiting: &Receiver<Job>) {
        let (begun, size) = (Instant::now(), group.len());
        let mut group = group.into_iter();
        let mut answers = Vec::with_capacity(size);
        let done = catch_unwind(AssertUnwindSafe(|| self.try_to_write(&mut group, &mut answers)));
        let result = match done {
            Ok(Ok(())) => {
                self.is_well();
                Ok(())
            }
            Ok(Err(error)) => {
                self.refused += size;
                Err(self.ails_from(&error))
            }
            Err(_) => {
                tracing::error!(writes = size, "a write broke off; its group was undone");
                self.connection = None; // what the panic left of it is not known
                Err(broke_off())
            }
        };
        if self.ails() {
            // Nobody waits behind a writer that ails: each of them would wait for one more failure.
            let behind: Vec<Job> = waiting.try_iter().collect();
            self.refused += behind.len();
        }
        drop(group); // whoever was not even tried hears what it ails from
        if size > 0 {
            self.metrics.commit(size, begun.elapsed(), result.is_ok());
        }
        for answer in answers {
            answer(result.clone());
        }
        if result.is_ok() {
            self.tend();
        }
    }

    fn try_to_write(
        &mut self,
        group: &mut impl Iterator<Item = Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), rusqlite::Error> {
        let tries = self.ails();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen()?,
        };
        let connection = self.connection.insert(connection);
        let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_whole = self.wal.standing()?.is_whole(); // within the transaction, as `advance` wants it
        for job in group {
            let savepoint = transaction.savepoint()?;
            // One that panics has told its asker nothing, which is an error there; its savepoint is rolled back.
            let Ok((verdict, answer)) = catch_unwind(AssertUnwindSafe(|| job(&savepoint))) else { continue };
            answers.push(answer);
            match verdict {
                Ok(()) => savepoint.commit()?,
                Err(error) if Fault::of(&error) == Fault::Own => {
                    tracing::error!(%error, "a write failed and was undone");
                    savepoint.finish()?; // rolled back, alone
                }
                Err(error) => return Err(error),
            }
        }
        if tries || is_whole {
            pairing::advance(&transaction, is_whole)?;
        }
        failpoints::reach("writer.before_commit");
        transaction.commit()
    }

    fn reopen(&mut self) -> Result<Connection, rusqlite::Error> {
        let connection = opening::reopen(&self.disk)?;
        self.wal.reopen()?;
        if self.doubts > 0
            && let Err(StoreError::Unusable(why)) = opening::examine(&connection, self.disk.file(), LOOK)
        {
            self.give_up(why);
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                None,
            ));
        }
        Ok(connection)
    }

    /// Looks after the log. What it can't do now it does after the next group; only a doubt concerns everybody.
    fn tend(&mut self) {
        let Some(connection) = &self.connection else { return };
        if let Err(error) = self.wal.tend(connection) {
            if Fault::of(&error) == Fault::Doubt {
                self.ails_from(&error);
            } else {
                tracing::debug!(%error, "the write-ahead log is not folded back");
            }
        }
    }

    fn ails(&self) -> bool {
        *self.health.borrow() != Health::Well
    }

    /// What is small may still find a place on a full disk; that is not yet the end of it.
    fn is_well(&mut self) {
        let full = *self.health.borrow() == Health::Ails(StoreError::Full);
        if full && !self.disk.has_space_again() {
            return;
        }
        if self.ails() {
            let seconds = self.ails_since.elapsed().as_secs();
            tracing::info!(seconds, refused = self.refused, "the store records again");
            self.health.send_replace(Health::Well);
        }
        self.refused = 0;
    }

    /// Says so, unless it has; gives what everybody is told.
    fn ails_from(&mut self, error: &rusqlite::Error) -> StoreError {
        if let Health::GaveUp(why) = &*self.health.borrow() {
            return why.clone();
        }
        let why = self.disk.explain(error);
        match Fault::of(error) {
            Fault::Own | Fault::Passing => {}
            Fault::Refused => self.connection = None,
            Fault::Doubt => {
                self.connection = None;
                self.doubts += 1;
            }
        }
        if self.doubts > 1 {
            return self.give_up(format!(
                "{} can't be relied on: {why}, for the second time. What was answered before is kept. See what the kernel \
                 says of the disk, and start again; ttr looks through the file then.",
                self.disk.file().display()
            ));
        }
        if !self.ails() {
            self.ails_since = Instant::now();
        }
        let ails = Health::Ails(why.clone());
        if self.health.send_replace(ails.clone()) != ails {
            tracing::error!("nothing can be recorded: {why}; it is tried again every second");
        }
        why
    }

    fn give_up(&self, why: String) -> StoreError {
        let why = StoreError::Unusable(why);
        self.health.send_replace(Health::GaveUp(why.clone()));
        why
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::future::join_all;

    use super::*;
    use crate::domain::size::Size;

    fn start() -> (tempfile::TempDir, Arc<Disk>, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(&folder.path().join("ttr.db"), Size(0)));
        let connection = opening::open(&disk).unwrap();
        connection.execute_batch("CREATE TABLE number (x)").unwrap();
        let writer =
            Writer::start(connection, Arc::clone(&disk), LogLimits::default(), Arc::default()).unwrap();
        (folder, disk, writer)
    }

    fn insert(connection: &Connection) -> Result<usize, rusqlite::Error> {
        connection.execute("INSERT INTO number VALUES (1)", [])
    }

    fn count(connection: &Connection) -> Result<i64, rusqlite::Error> {
        connection.query_row("SELECT count(*) FROM number", [], |row| row.get(0))
    }

    /// One that begins by reading has a snapshot; when another program writes then, SQLite refuses the write at once, if
    /// the transaction did not begin as one that writes.
    #[tokio::test]
    async fn a_write_that_begins_by_reading_is_not_overtaken_by_another_program() {
        let (_folder, disk, writer) = start();
        let over = Arc::new(AtomicBool::new(false));
        let another = thread::spawn({
            let (over, file) = (Arc::clone(&over), disk.file().to_owned());
            move || {
                let connection = Connection::open(file).unwrap();
                connection.busy_timeout(Duration::from_secs(5)).unwrap();
                connection.execute_batch("CREATE TABLE another (x)").unwrap();
                while !over.load(Ordering::Relaxed) {
                    connection.execute("INSERT INTO another VALUES (1)", []).unwrap();
                    thread::sleep(Duration::from_millis(1)); // SQLite's lock is not fair: let the writer have it too
                }
            }
        });
        for _ in 0..20 {
            let write = |connection: &Connection| {
                let before = count(connection)?;
                thread::sleep(Duration::from_millis(5)); // time for the other to write, if it could
                insert(connection)?;
                Ok(count(connection)? - before)
            };
            assert_eq!(writer.write(write).await, Ok(1));
        }
        over.store(true, Ordering::Relaxed);
        another.join().unwrap();
    }

    #[tokio::test]
    async fn a_write_that_panics_is_undone_and_the_next_one_is_done() {
        let (_folder, _disk, writer) = start();
        let panics = writer.write(|connection| {
            insert(connection)?;
            panic!("a fault of ours");
            #[allow(unreachable_code)] // it says what the write would give
            Ok(())
        });
        assert_eq!(panics.await, Err(broke_off()));
        assert_eq!(writer.write(insert).await, Ok(1));
        assert_eq!(writer.write(count).await, Ok(1));
        assert_eq!(writer.trouble(), None);
    }

    #[tokio::test]
    async fn a_store_that_may_not_grow_is_full_and_goes_on_when_it_may() {
        let (_folder, _disk, writer) = start();
        let limit = |pages: u32| {
            writer.write(move |connection| {
                connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            })
        };
        limit(1).await.unwrap(); // it stays as large as it is
        let large = |connection: &Connection| {
            connection.execute("INSERT INTO number VALUES (randomblob(200000))", [])
        };
        let outcomes = join_all([writer.write(large), writer.write(large)]).await;
        assert_eq!(outcomes, [Err(StoreError::Full), Err(StoreError::Full)]);
        assert_eq!(writer.write(count).await, Ok(0), "nothing of it was written");
        limit(1_000_000).await.unwrap();
        assert_eq!(writer.write(large).await, Ok(1));
        assert_eq!(writer.trouble(), None);
    }
}
