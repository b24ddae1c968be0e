//! From a path to a connection that can be relied on, or to a text that says what is wrong and how to mend it. A file that
//! is refused stays as it is, with what lies beside it.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use rusqlite_migration::SchemaVersion;

use super::disk::Disk;
use super::pairing::Found;
use super::{make_folder, migrations};
use crate::failpoints;
use crate::store::StoreError;

/// 3.7.0 to 3.51.2 can corrupt a WAL in just our pattern of use (one checkpoints while another commits).
const OLDEST_SOUND: i32 = 3_051_003;

/// Whoever holds the write lock is waited for so long.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Pages that the writer keeps in memory, KiB: those that every event needs. SQLite looks at each of them after a commit that
/// split a page (it uses the number of its lock page meanwhile, which lies behind all others, and then forgets what lies
/// behind the end), so that a large memory makes many commits wait; the kernel keeps the others.
const WRITER_CACHE: u32 = 1024;

/// A group that changes more pages than this, which is 32 MiB, writes some of them before its end.
const WRITER_SPILL: u32 = 8192;

/// Pages that each reader keeps in memory, KiB.
const READER_CACHE: u32 = 4 * 1024;

/// Pages that a connection for the log keeps in memory, KiB: it reads no rows.
const LOG_CACHE: u32 = 64;

/// A file that was not closed in an orderly way is looked through for so long, before it is trusted.
const LONG_LOOK: Duration = Duration::from_secs(10);

/// Any other one, for so long.
const SHORT_LOOK: Duration = Duration::from_secs(2);

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1000;

/// Whether this version of SQLite keeps a WAL whole.
pub(super) fn is_sound(version: i32) -> bool {
    version >= OLDEST_SOUND
}

/// Opens the file, making it and its folder if need be, and brings its schema up to date.
pub(super) fn open(disk: &Disk) -> Result<Connection, StoreError> {
    let path = disk.file();
    if !is_sound(rusqlite::version_number()) {
        return Err(StoreError::Unusable(format!(
            "SQLite {} can corrupt the file: build ttr with the SQLite that it brings along, 3.51.3 or newer",
            rusqlite::version()
        )));
    }
    make_folder(path)?;
    disk.check()?;
    let found = Found::look(path)?;
    let mut connection = writable(path).map_err(|error| cant_open(disk, &error))?;
    found.check(path, &connection)?;
    examine(&connection, path, if found.log { LONG_LOOK } else { SHORT_LOOK })?;
    found.number(&connection)?;
    migrate(&mut connection, path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

/// The writer's connection anew, after the disk did not do what it was told.
pub(super) fn reopen(disk: &Disk) -> Result<Connection, rusqlite::Error> {
    let connection = writable(disk.file())?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

/// A connection that only reads, and is cut when it takes too long; see [`cut_after`].
pub(super) fn reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let reader = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    settle(&reader, READER_CACHE)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

/// A connection that looks after the log. It leaves tidying up at the end to the writer's.
pub(super) fn for_the_log(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    settle(&connection, LOG_CACHE)?;
    Ok(connection)
}

/// From now on whatever the connection does ends after so long, with `SQLITE_INTERRUPT`.
pub(super) fn cut_after(connection: &Connection, patience: Duration) -> Result<(), rusqlite::Error> {
    let begun = Instant::now();
    connection.progress_handler(STEPS, Some(move || begun.elapsed() > patience))
}

/// Refuses a file with a page that is damaged. One that is too large to be looked through in time is taken as far as it was
/// seen: what is damaged beyond is found when it is read.
pub(super) fn examine(connection: &Connection, path: &Path, patience: Duration) -> Result<(), StoreError> {
    cut_after(connection, patience)?;
    let found = damage(connection);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(None) => Ok(()),
        Ok(Some(found)) => Err(damaged(path, &found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(
                "{} is large: what could be looked through in {} s is whole; `ttr doctor` looks longer",
                path.display(),
                patience.as_secs()
            );
            Ok(())
        }
        Err(error) if is_damage(&error) => Err(damaged(path, &error)),
        Err(error) => Err(error.into()),
    }
}

/// The first thing that `quick_check` finds wrong.
pub(super) fn damage(connection: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(Some(found).filter(|found| found != "ok"))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn damaged(path: &Path, found: &dyn std::fmt::Display) -> StoreError {
    let found = found.to_string();
    StoreError::Unusable(format!(
        "{} is damaged ({}). Keep a copy of it and of what lies beside it, and restore a backup. Nothing was changed.",
        path.display(),
        found.lines().last().unwrap_or_default()
    ))
}

fn cant_open(disk: &Disk, error: &rusqlite::Error) -> StoreError {
    let path = disk.file();
    if is_damage(error) {
        return damaged(path, error);
    }
    let why = disk.explain(error);
    StoreError::Unusable(format!(
        "{} can't be opened: {why}. See that the user who runs ttr may write the file and its folder, and that the disk \
         has space.",
        path.display()
    ))
}

/// A connection that can write. It does not fold the log back when it is closed: a file that is refused is not touched.
fn writable(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    settle(&connection, WRITER_CACHE)?;
    connection.pragma_update(None, "cache_spill", WRITER_SPILL)?;
    if connection.is_readonly("main")? {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY),
            None,
        ));
    }
    Ok(connection)
}

fn connection(path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // A transaction that begins as a read fails when it writes and another has written meanwhile, whatever the patience.
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    connection.busy_timeout(LOCK_PATIENCE)?;
    Ok(connection)
}

fn settle(connection: &Connection, cache: u32) -> Result<(), rusqlite::Error> {
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "ON"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "0"), // the writer does it; see `wal`
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
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    use rusqlite_migration::{Error, MigrationDefinitionError};
    let migrations = migrations();
    let is_new = migrations.current_version(connection).ok() == Some(SchemaVersion::NoneSet);
    migrations.to_latest(connection).map_err(|error| match error {
        Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
            StoreError::Unusable(format!(
                "{} was made by a newer ttr: run that one, or restore the backup from before the upgrade. Nothing was \
                 changed.",
                path.display()
            ))
        }
        Error::RusqliteError { err, .. } => StoreError::from(err),
        error => StoreError::Failed(format!("{} can't be brought up to date: {error}", path.display())),
    })?;
    if is_new {
        // So that the file has its number from the beginning, whatever becomes of its log.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_can_corrupt_the_log_is_refused() {
        for (version, sound) in
            [(3_040_001, false), (3_051_002, false), (3_051_003, true), (3_053_000, true), (4_000_000, true)]
        {
            assert_eq!(is_sound(version), sound, "{version}");
        }
        assert!(is_sound(rusqlite::version_number()));
    }
}
