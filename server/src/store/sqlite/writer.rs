//! The one writer: a thread that owns the write connection.
//!
//! Group commit: whatever waits when a transaction begins goes into it, up to [`MAX_GROUP`] writes; all of them are
//! answered after its one fsync. Each write has its own savepoint, so that one that fails, or panics, takes nobody along. No
//! request's future holds a transaction: a visitor who hangs up cuts nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use rusqlite::{Connection, Savepoint, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::failpoints;
use crate::store::StoreError;

/// Writes that may wait; more are refused, so that memory stays bounded.
const MAX_WAITING: usize = 1024;

/// Writes in one transaction.
const MAX_GROUP: usize = 256;

/// A write, and how its asker is answered once the group is on disk or has failed.
type Job = Box<dyn FnOnce(&Savepoint<'_>) -> (Verdict, Answer) + Send>;

/// Whether the write's savepoint is kept.
type Verdict = Result<(), rusqlite::Error>;

/// Told the fate of the whole group, last.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The door to the writer's thread.
pub(super) struct Writer {
    jobs: tokio::sync::RwLock<Option<mpsc::Sender<Job>>>,
    done: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(MAX_WAITING);
        let (finished, done) = oneshot::channel();
        let run = move || {
            let mut group = Vec::with_capacity(MAX_GROUP);
            while waiting.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
                write_group(&mut connection, std::mem::take(&mut group));
            }
            drop(connection);
            let _ = finished.send(()); // nobody waits unless the store is being closed
        };
        thread::Builder::new()
            .name("writer".into())
            .spawn(run)
            .map_err(|error| StoreError::Failed(format!("no thread for the writer: {error}")))?;
        Ok(Self { jobs: tokio::sync::RwLock::new(Some(jobs)), done: tokio::sync::Mutex::new(Some(done)) })
    }

    /// Does one write, whole or not at all, and answers when it is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answered) = oneshot::channel();
        let job: Job = Box::new(move |savepoint| {
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
                let _ = sender.send(group.and(outcome)); // the asker may have gone; the write stands
            });
            (verdict, answer)
        });
        {
            let jobs = self.jobs.read().await;
            let jobs = jobs.as_ref().ok_or_else(closed)?;
            jobs.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        }
        answered.await.map_err(|_| StoreError::Failed("the transaction broke before this write".into()))?
    }

    /// Whether the thread is there to write.
    pub(super) async fn alive(&self) -> bool {
        self.jobs.read().await.as_ref().is_some_and(|jobs| !jobs.is_closed())
    }

    /// Takes no more writes, does those that wait, closes the connection.
    pub(super) async fn close(&self) {
        self.jobs.write().await.take();
        if let Some(done) = self.done.lock().await.take() {
            let _ = done.await; // an error only says that the thread is already gone
        }
    }
}

fn closed() -> StoreError {
    StoreError::Failed("the writer has stopped".into())
}

/// Does a group and answers all of it: nobody hears `Ok` before the transaction is on disk.
fn write_group(connection: &mut Connection, group: Vec<Job>) {
    let mut answers = Vec::with_capacity(group.len());
    let result = write_all(connection, group, &mut answers).map_err(|error| {
        tracing::error!(%error, writes = answers.len(), "a group of writes is not on disk");
        StoreError::from(&error)
    });
    for answer in answers {
        answer(result.clone());
    }
}

/// A job that is dropped undone, because the transaction broke before it, tells its asker so.
fn write_all(
    connection: &mut Connection,
    group: Vec<Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), rusqlite::Error> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let savepoint = transaction.savepoint()?;
        // One that panics has told its asker nothing, which is an error there; its savepoint is rolled back.
        let Ok((verdict, answer)) = catch_unwind(AssertUnwindSafe(|| job(&savepoint))) else { continue };
        answers.push(answer);
        if verdict.is_ok() {
            savepoint.commit()?; // one that is dropped instead is rolled back
        }
    }
    failpoints::reach("writer.before_commit");
    transaction.commit()
}
