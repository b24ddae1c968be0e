//! A few read-only connections, lent to one blocking task each. Whoever reads too long is cut: while they read, the log
//! can't be folded back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::opening::cut_after;
use crate::store::StoreError;

/// The read connections.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    count: usize,
    free: Arc<Semaphore>,
    patience: Duration,
}

impl Readers {
    pub(super) fn new(
        count: usize,
        patience: Duration,
        connect: impl Fn() -> Result<Connection, rusqlite::Error>,
    ) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        let free = Arc::new(Semaphore::new(count));
        Ok(Self { idle: Arc::new(Mutex::new(connections)), count, free, patience })
    }

    /// Runs a query on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| closed())?;
        let (idle, patience) = (Arc::clone(&self.idle), self.patience);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit; // given back after the connection is
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let lent = Lent { connection, idle };
            let connection = lent.connection.as_ref().ok_or_else(closed)?;
            cut_after(connection, patience)?;
            query(connection).map_err(|error| {
                tracing::error!(%error, "the store could not be read");
                StoreError::from(error)
            })
        });
        work.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    /// Lets whoever reads finish, and closes the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        if let Ok(_all) = self.free.acquire_many(all).await {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.free.close();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Failed("it is closed".into())
}

/// A connection that is given back whatever becomes of the query.
struct Lent {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

    #[tokio::test]
    async fn whoever_reads_too_long_is_cut_and_the_connection_is_good_for_the_next() {
        let readers = Readers::new(1, Duration::from_millis(50), Connection::open_in_memory).unwrap();
        let endless = readers.read(|reader| reader.query_row(ENDLESS, [], |row| row.get::<_, i64>(0))).await;
        assert_eq!(endless, Err(StoreError::Failed("reading took too long".into())));
        let next = readers.read(|reader| reader.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))).await;
        assert_eq!(next, Ok(1));
    }
}
