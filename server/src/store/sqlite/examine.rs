//! A look into the file from outside, while a `ttr` may be working on it: what the doctor asks, and what a backup copies.
//!
//! Nothing is left behind: a file that is not there is not made, the probe is rolled back, and a log that nobody has folded
//! back yet stays as it is: the next start looks at whether it belongs to the file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags, TransactionBehavior};

use super::outbox::all_figures;
use super::{identity, migrations, opening, pairing, quarantine};
use crate::domain::Millis;
use crate::store::outbox::OutboxFigures;
use crate::store::quarantine::Refusals;

/// A write of the program that works on the file takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open file.
pub struct Examination {
    pub(super) connection: Connection,
}

/// What a store holds, in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Events.
    pub events: u64,
    /// Payments.
    pub payments: u64,
    /// When the newest event was received.
    pub newest_at: Option<Millis>,
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
    (rusqlite::version(), opening::is_sound(rusqlite::version_number()))
}

impl Examination {
    /// Opens a file that is there.
    pub fn open(path: &Path) -> Result<Self, rusqlite::Error> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens a file that nobody writes to, and changes nothing of it.
    pub fn open_to_read(path: &Path) -> Result<Self, rusqlite::Error> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open_with(path: &Path, flags: OpenFlags) -> Result<Self, rusqlite::Error> {
        let has_log = std::fs::metadata(pairing::log_of(path)).is_ok_and(|log| log.len() > 0);
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log)?;
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

    /// What it holds.
    pub fn contents(&self) -> Result<Contents, rusqlite::Error> {
        let sql = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM payment),
                          (SELECT received_at FROM event ORDER BY seq DESC LIMIT 1)";
        self.connection.query_row(sql, [], |row| {
            Ok(Contents { events: row.get(0)?, payments: row.get(1)?, newest_at: row.get(2)? })
        })
    }

    /// What tells the store from every other; a store older than that has none.
    pub fn identity(&self) -> Option<String> {
        identity(&self.connection).ok()
    }

    /// What was refused of a provider's deliveries; a store older than that does not know.
    pub fn refusals(&self, provider: &str) -> Result<Refusals, rusqlite::Error> {
        quarantine::refusals(&self.connection, provider)
    }

    /// Where the outbox's destinations stand, by name.
    pub fn outbox_figures(&self) -> Result<BTreeMap<String, OutboxFigures>, rusqlite::Error> {
        all_figures(&self.connection)
    }

    /// Whether nothing was ever made in it: an empty file is an empty database.
    pub fn is_empty(&self) -> Result<bool, rusqlite::Error> {
        self.connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
    }

    /// The first thing that `quick_check` finds wrong.
    pub fn damage(&self) -> Result<Option<String>, rusqlite::Error> {
        opening::damage(&self.connection)
    }

    /// The first thing that `integrity_check` finds wrong: it also compares every index with its rows, and takes longer.
    pub fn damage_anywhere(&self) -> Result<Option<String>, rusqlite::Error> {
        let found: String = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
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
