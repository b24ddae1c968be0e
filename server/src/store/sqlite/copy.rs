//! Copies of a store: each whole in one file, as the store was at one moment.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use rusqlite_migration::Error as MigrationError;

use super::examine::Examination;
use super::migrations;
use crate::domain::Millis;

/// Whoever has just closed a store is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

impl Examination {
    /// Copies the store, page by page, as it is now: who writes meanwhile is neither held up nor in the copy. Nothing is
    /// synced; the caller does that when all is done.
    pub fn copy_to(&self, path: &Path) -> Result<(), rusqlite::Error> {
        let mut copy = Connection::open(path)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        match Backup::new(&self.connection, &mut copy)?.step(-1)? {
            StepResult::Done => {}
            _ => return Err(busy()),
        }
        in_one_file(&copy)
    }
}

/// Makes a copy the store to go on with: its schema as this program needs it, no row claimed and nobody logged in.
pub fn revive(copy: &Path, now: Millis) -> Result<(), MigrationError> {
    let mut connection = open(copy)?;
    migrations().to_latest(&mut connection)?;
    let release = "UPDATE outbox SET claim_id = NULL, due_at = ?1 WHERE claim_id IS NOT NULL";
    connection.execute(release, params![now])?;
    connection.execute("DELETE FROM login", [])?;
    Ok(in_one_file(&connection)?)
}

/// A store that nobody else can open meanwhile.
pub struct Held(#[expect(dead_code)] Connection);

/// Holds a store, and leaves it and its log as they are. An error that says busy: somebody has it open.
pub fn hold(store: &Path) -> Result<Held, rusqlite::Error> {
    let connection = open(store)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(Held(connection))
}

/// Whether an error says that somebody else has the store.
pub fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// Without a write-ahead log beside it. SQLite does so only for who has the file alone.
fn in_one_file(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if mode == "delete" { Ok(()) } else { Err(busy()) }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)
}
