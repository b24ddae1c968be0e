//! What an error of SQLite means: in plain words, and for the one who writes.

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_DATA, SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};

use crate::store::StoreError;

/// Whom an error concerns, and what can be relied on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// One write: it alone is undone.
    Own,
    /// Everybody's. The next group may go through as if nothing had been.
    Passing,
    /// Everybody's. The disk took nothing; the connection may not know where it stands and is made anew.
    Refused,
    /// Everybody's. What was written may not be what the disk has: after a sync that failed the kernel forgets which pages
    /// it still owes.
    Doubt,
}

impl Fault {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        let Some(error) = error.sqlite_error() else { return Self::Own };
        match (error.code, error.extended_code) {
            (_, SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC | SQLITE_IOERR_CORRUPTFS | SQLITE_IOERR_DATA)
            | (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) => Self::Doubt,
            (ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::OutOfMemory, _) => Self::Passing,
            (
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed,
                _,
            ) => Self::Refused,
            _ => Self::Own,
        }
    }
}

impl From<&rusqlite::Error> for StoreError {
    fn from(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Held,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::Failed("it can only be read".into()),
            Some(ErrorCode::SystemIoFailure) => {
                Self::Failed(format!("the disk does not do what it is told ({error})"))
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Failed(format!("the file is damaged ({error})"))
            }
            Some(ErrorCode::OperationInterrupted) => Self::Failed("reading took too long".into()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_a_sync_or_a_broken_page_casts_doubt_on_what_was_written() {
        for (code, fault) in [
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Fault::Own),
            (ffi::SQLITE_ERROR, Fault::Own),
            (ffi::SQLITE_BUSY, Fault::Passing),
            (ffi::SQLITE_BUSY_SNAPSHOT, Fault::Passing),
            (ffi::SQLITE_FULL, Fault::Passing),
            (ffi::SQLITE_NOMEM, Fault::Passing),
            (ffi::SQLITE_IOERR_WRITE, Fault::Refused),
            (ffi::SQLITE_IOERR_SHMSIZE, Fault::Refused),
            (ffi::SQLITE_READONLY, Fault::Refused),
            (ffi::SQLITE_CANTOPEN, Fault::Refused),
            (ffi::SQLITE_IOERR_FSYNC, Fault::Doubt),
            (ffi::SQLITE_IOERR_DIR_FSYNC, Fault::Doubt),
            (ffi::SQLITE_CORRUPT, Fault::Doubt),
            (ffi::SQLITE_NOTADB, Fault::Doubt),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(Fault::of(&error), fault, "{code}");
        }
        assert_eq!(Fault::of(&rusqlite::Error::QueryReturnedNoRows), Fault::Own);
    }
}
