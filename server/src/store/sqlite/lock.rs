//! At most one program serves a store: a second one would take the first one's claims for those of a dead program, and a
//! restore would take the file away from under it.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;

use super::beside;
use crate::store::StoreError;

/// Held as long as this is there; the system ends it with the program, however that ends.
pub struct Lock(#[expect(dead_code)] File);

impl Lock {
    /// Takes the store at `path` for this program alone.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let place = beside(path, ".lock");
        let failed = |error| StoreError::Failed(format!("{} can't be locked: {error}", place.display()));
        // A file of its own: to close the store's file anywhere in a program ends SQLite's locks on it. It may be another
        // user's (who restored as root), and to lock it, reading is enough.
        let file = File::open(&place).or_else(|error| match error.kind() {
            ErrorKind::NotFound => File::options().create(true).append(true).open(&place),
            _ => Err(error),
        });
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let why = format!("another ttr serves the store {}; stop that one first", path.display());
                Err(StoreError::Failed(why))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
