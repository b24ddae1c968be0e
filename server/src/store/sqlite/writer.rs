//! The one writer: a thread that owns the write connection.
//!
//! Group commit: whatever waits when a transaction begins goes into it, up to [`MAX_GROUP`] commits; all of them are
//! answered after its one fsync. Each commit has its own savepoint, so that one that fails takes nobody along. No
//! request's future holds a transaction: a visitor who hangs up cuts nothing.

use std::thread;

use rusqlite::{Connection, Savepoint, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::rows;
use crate::domain::commit::{Commit, Committed};
use crate::store::StoreError;

/// Commits that may wait; more are refused, so that memory stays bounded.
const MAX_WAITING: usize = 1024;

/// Commits in one transaction.
const MAX_GROUP: usize = 256;

struct Job {
    commit: Commit,
    answer: oneshot::Sender<Result<Committed, StoreError>>,
}

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

    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let (answer, answered) = oneshot::channel();
        {
            let jobs = self.jobs.read().await;
            let jobs = jobs.as_ref().ok_or_else(closed)?;
            jobs.try_send(Job { commit, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        }
        answered.await.map_err(|_| closed())?
    }

    /// Whether the thread is there to write.
    pub(super) async fn alive(&self) -> bool {
        self.jobs.read().await.as_ref().is_some_and(|jobs| !jobs.is_closed())
    }

    /// Takes no more commits, writes those that wait, closes the connection.
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

/// Writes a group and answers all of it: nobody hears `Ok` before the transaction is on disk.
fn write_group(connection: &mut Connection, group: Vec<Job>) {
    let (commits, answers): (Vec<Commit>, Vec<_>) =
        group.into_iter().map(|job| (job.commit, job.answer)).unzip();
    let results = write_all(connection, &commits).unwrap_or_else(|error| {
        tracing::error!(%error, commits = commits.len(), "a group of commits was not written");
        vec![Err(error); commits.len()]
    });
    for (answer, result) in answers.into_iter().zip(results) {
        let _ = answer.send(result); // the asker may have gone; the commit stands
    }
}

fn write_all(
    connection: &mut Connection,
    commits: &[Commit],
) -> Result<Vec<Result<Committed, StoreError>>, StoreError> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut results = Vec::with_capacity(commits.len());
    for commit in commits {
        let savepoint = transaction.savepoint()?;
        results.push(write_one(savepoint, commit).map_err(StoreError::from));
    }
    transaction.commit()?;
    Ok(results)
}

/// A savepoint that is dropped without a commit is rolled back.
fn write_one(savepoint: Savepoint<'_>, commit: &Commit) -> Result<Committed, rusqlite::Error> {
    let committed = rows::insert(&savepoint, commit)?;
    savepoint.commit()?;
    Ok(committed)
}
