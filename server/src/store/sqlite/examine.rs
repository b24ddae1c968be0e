//! A look into the file from outside, while a `ttr` may be working on it: what the doctor asks.
//!
//! Nothing is left behind: a file that is not there is not made, and the probe is rolled back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags, TransactionBehavior};

use super::outbox::all_figures;
use super::{OLDEST_SOUND_SQLITE, identity, migrations};
use crate::store::outbox::OutboxFigures;

/// A write of the program that works on the file takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open file.
pub struct Examination {
    connection: Connection,
}

/// The file's schema beside the program's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Just as the program needs it.
    Current,
    /// Older: the next start brings it up to date.
    Older,
    /// Made by a newer program.
    Newer,
    /// Not one of ours.
    Foreign,
}

/// Version of the SQLite inside, and whether it is one that keeps a WAL whole.
pub fn sqlite() -> (&'static str, bool) {
    (rusqlite::version(), rusqlite::version_number() >= OLDEST_SOUND_SQLITE)
}

impl Examination {
    /// Opens a file that is there.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Self { connection })
    }

    /// Ends what is being asked, from another thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// How the schema stands.
    pub fn schema(&self) -> Result<Schema, rusqlite_migration::Error> {
        let of_ours =
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('event', 'session')";
        let of_ours: u32 = self.connection.query_row(of_ours, [], |row| row.get(0))?;
        if of_ours < 2 && !self.is_empty()? {
            return Ok(Schema::Foreign);
        }
        Ok(match migrations().pending_migrations(&self.connection)? {
            0 => Schema::Current,
            1.. => Schema::Older,
            _ => Schema::Newer,
        })
    }

    /// What tells the store from every other; a store older than that has none.
    pub fn identity(&self) -> Option<String> {
        identity(&self.connection).ok()
    }

    /// Where the outbox's destinations stand, by name.
    pub fn outbox_figures(&self) -> Result<BTreeMap<String, OutboxFigures>, rusqlite::Error> {
        all_figures(&self.connection)
    }

    fn is_empty(&self) -> Result<bool, rusqlite::Error> {
        self.connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
    }

    /// The first thing that `quick_check` finds wrong.
    pub fn damage(&self) -> Result<Option<String>, rusqlite::Error> {
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok(Some(found).filter(|found| found != "ok"))
    }

    /// Writes a row, reads it and takes it back.
    pub fn probe(&mut self) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch("CREATE TABLE ttr_doctor (x); INSERT INTO ttr_doctor VALUES (1)")?;
        transaction.query_row("SELECT x FROM ttr_doctor", [], |_| Ok(()))?;
        transaction.rollback()
    }
}
