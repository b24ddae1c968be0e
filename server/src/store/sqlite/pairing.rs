//! Whether the file and the write-ahead log beside it belong together.
//!
//! SQLite takes whatever log lies beside a file, also one that another file left there, say the one that a backup was put
//! in place of; pages of two stores are then mixed. So both carry a number, in the field `application_id` of the first page.
//! The first commit of each run through the log writes the file's number plus one, so that a log is good if its number is
//! the file's or the next one, and if it has none. A file's first number is random.
//!
//! That a log was cut is known from its index (`-shm`), which is written after it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::beside;
use crate::store::StoreError;

/// Where the number stands in a file.
const NUMBER_AT: u64 = 68;

/// What lay beside the file before SQLite looked at it and began to tidy.
pub(super) struct Found {
    /// Whether there is a log, which means that nobody closed the file, or that somebody has it open.
    pub(super) log: bool,
    number: i32,
    salt: Option<Salt>,
    index: Option<Index>,
}

/// Is another each time that the log begins anew.
type Salt = [u8; 8];

/// What the index of the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Index {
    /// Pages in the log.
    pages: u32,
    /// Of them, those that are in the file too.
    folded: u32,
    salt: Salt,
}

impl Found {
    /// Looks before this process opens the file, and never later: whoever closes a file takes away all locks that the process
    /// has on it, SQLite's own too.
    pub(super) fn look(file: &Path) -> Result<Self, StoreError> {
        let log = std::fs::metadata(log_of(file)).is_ok_and(|log| log.len() > 0);
        let index = std::fs::read(beside(file, "-shm")).ok().and_then(|bytes| Index::read(&bytes));
        let (file_name, log_name) = (file.display(), log_of(file));
        let log_name = log_name.display();
        if log && !std::fs::metadata(file).is_ok_and(|file| file.len() > 0) {
            return Err(StoreError::Unusable(format!(
                "{file_name} is missing or empty, but its log {log_name} is there. Put the file back, or restore a \
                 backup. Nothing was changed."
            )));
        }
        if !log && index.is_some_and(|index| index.pages > index.folded) {
            return Err(StoreError::Unusable(format!(
                "{log_name} is missing: what was last written to {file_name} is in it. Put it back. If it is gone for \
                 good, remove {}; then ttr starts without what was in the log. Nothing was changed.",
                beside(file, "-shm").display()
            )));
        }
        let number = File::open(file).and_then(|file| number_in(&file)).unwrap_or(0);
        Ok(Self { log, number, salt: salt_of(file), index })
    }

    /// Refuses a log of another file, now that SQLite has read it; says so if this file's was cut.
    pub(super) fn check(&self, file: &Path, connection: &Connection) -> Result<(), StoreError> {
        let log_number = number(connection)?;
        if self.number != 0 && ![self.number, next(self.number)].contains(&log_number) {
            let (log, index) = (log_of(file), beside(file, "-shm"));
            return Err(StoreError::Unusable(format!(
                "{} does not belong to {}: it was left there by another file. If you have just put this file there, \
                 move {0} and {} away, and start again. Nothing was changed.",
                log.display(),
                file.display(),
                index.display()
            )));
        }
        let read: u32 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
        if let Some(index) = self.index
            && self.salt == Some(index.salt)
            && self.salt == salt_of(file)
            && index.pages > read.max(index.folded)
        {
            let lost = index.pages - read.max(index.folded);
            tracing::error!(
                lost,
                "{} was cut: the last pages written to it are lost, and with them what was last recorded; everything \
                 before is whole",
                log_of(file).display()
            );
        }
        Ok(())
    }

    /// Gives a file without a number its first one.
    pub(super) fn number(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if self.number == 0 && number(connection)? == 0 {
            set_number(connection, rand::random_range(1..=i32::MAX))?;
        }
        Ok(())
    }
}

/// The number in the log, or in the file if the log has none.
pub(super) fn number(connection: &Connection) -> Result<i32, rusqlite::Error> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Lets the number follow on that of the file in a transaction that may begin the log anew; in another it stays. Also the
/// smallest change that shows whether something can be written.
///
/// `is_whole`: all of the log is in the file, asked since the transaction began. SQLite begins the log anew if that was so
/// when it began; if it is so only since, by a fold meanwhile, the log goes on. In both cases the number that is seen here is
/// the file's, and nobody else can write, so that the next one is right.
pub(super) fn advance(transaction: &Connection, is_whole: bool) -> Result<(), rusqlite::Error> {
    let number = number(transaction)?;
    set_number(transaction, if is_whole && number != 0 { next(number) } else { number })
}

/// The log of a file.
pub(super) fn log_of(file: &Path) -> PathBuf {
    beside(file, "-wal")
}

/// Zero says that there is none.
pub(super) fn next(number: i32) -> i32 {
    if number == -1 { 1 } else { number.wrapping_add(1) }
}

/// The number in the file itself, whatever the log says.
pub(super) fn number_in(file: &File) -> io::Result<i32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, NUMBER_AT)?;
    Ok(i32::from_be_bytes(bytes))
}

fn set_number(connection: &Connection, number: i32) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "application_id", number)
}

fn salt_of(file: &Path) -> Option<Salt> {
    let mut salt = Salt::default();
    File::open(log_of(file)).ok()?.read_exact_at(&mut salt, 16).ok()?;
    Some(salt)
}

impl Index {
    /// Its head stands there twice; two that differ were being written. The numbers are in the machine's own order.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, copy) = (bytes.get(..48)?, bytes.get(48..96)?);
        let number = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let written = head == copy && head[12] == 1;
        let index = Self { pages: number(16)?, folded: number(96)?, salt: head[32..40].try_into().ok()? };
        written.then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_after_the_last_is_one_as_zero_is_none() {
        assert_eq!((next(1), next(i32::MAX), next(-1)), (2, i32::MIN, 1));
    }

    #[test]
    fn the_index_is_read_as_sqlite_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        let connection = Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE a (x); INSERT INTO a VALUES (1)").unwrap();
        let read = || Index::read(&std::fs::read(beside(&file, "-shm")).unwrap()).unwrap();
        let pages: u32 = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).unwrap();
        assert_eq!(read(), Index { pages, folded: 0, salt: salt_of(&file).unwrap() });
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        assert_eq!((read().pages, read().folded), (pages, pages));
    }

    #[test]
    fn an_index_that_is_none_says_nothing() {
        assert_eq!(Index::read(&[0; 136]), None);
        assert_eq!(Index::read(&[1; 50]), None);
    }
}
