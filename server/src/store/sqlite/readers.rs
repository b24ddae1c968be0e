//! A few read-only connections, lent to one blocking task each.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::store::StoreError;

/// The read connections.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(
        count: usize,
        connect: impl Fn() -> Result<Connection, rusqlite::Error>,
    ) -> Result<Self, StoreError> {
        let connections = (0..count).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), free: Arc::new(Semaphore::new(count)) })
    }

    /// Runs a query on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| StoreError::Busy)?;
        let idle = Arc::clone(&self.idle);
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit; // given back after the connection is
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let lent = Lent { connection, idle };
            let connection = lent.connection.as_ref().ok_or(StoreError::Busy)?;
            Ok(query(connection)?)
        });
        work.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }
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
