//! `ttr restore`: a backup takes the store's place. What was there is kept.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::backup::{CopyError, copy, folder_of, in_words, same_file, stamp};
use crate::clock::now;
use crate::config::Config;
use crate::failpoints;
use crate::store::StoreError;
use crate::store::sqlite::copy::{Held, hold, is_busy, revive};
use crate::store::sqlite::examine::{Examination, Schema};
use crate::store::sqlite::lock::Lock;
use crate::store::sqlite::{beside, make_folder};

/// What to restore.
#[derive(clap::Args)]
pub struct Args {
    /// A file that `ttr backup` wrote
    path: PathBuf,
}

/// Why the store is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A program serves the store, or its folder can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody reads or writes the store.
    #[error("somebody has {0} open: end the ttr or sqlite3 that does, then try again")]
    InUse(PathBuf),
    /// There is nothing to restore.
    #[error("there is no backup at {0}")]
    NoBackup(PathBuf),
    /// The backup is the store.
    #[error("{0} is the store itself, not a backup of it")]
    Itself(PathBuf),
    /// Only a newer program can use it.
    #[error("{0} was made by a newer ttr: restore it with that one")]
    Newer(PathBuf),
    /// It is not good, or can't be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Its schema could not be brought up to date.
    #[error("{0} can't be made a store to go on with: {1}")]
    Dead(PathBuf, rusqlite_migration::Error),
    /// The file system did not do it.
    #[error("{0} can't be replaced: {1}")]
    Unwritten(PathBuf, io::Error),
}

/// Puts a backup in the place of the configured store and says what to do next.
pub fn run(config: &Config, args: &Args) -> Result<(), RestoreError> {
    let (store, backup) = (&config.database, &args.path);
    let unwritten = |error| RestoreError::Unwritten(store.clone(), error);
    if !backup.is_file() {
        return Err(RestoreError::NoBackup(backup.clone()));
    }
    if store.exists() && same_file(store, backup).map_err(unwritten)? {
        return Err(RestoreError::Itself(backup.clone()));
    }
    make_folder(store)?;
    let _alone = Lock::take(store)?;
    let examination = Examination::open_to_read(backup).map_err(|error| CopyError::of(backup, error))?;
    if matches!(examination.schema(), Ok(Schema::Newer)) {
        return Err(RestoreError::Newer(backup.clone()));
    }
    let (copy, contents) = copy(backup, &examination, folder_of(store))?;
    let now = now();
    revive(copy.path(), now).map_err(|error| RestoreError::Dead(backup.clone(), error))?;
    like_its_neighbours(copy.path(), store).map_err(unwritten)?;
    copy.as_file().sync_all().map_err(unwritten)?;
    let kept = beside(store, &format!(".until-{}", stamp(now)));
    let _held = held(store)?;
    set_aside(store, &kept).map_err(unwritten)?;
    replace(copy, store, &kept).map_err(unwritten)?;
    println!("{} is restored: {}", store.display(), in_words(contents));
    if kept.exists() {
        println!("The store that was there is kept as {}", kept.display());
    }
    println!("{NEXT}");
    Ok(())
}

const NEXT: &str = "
What to do next:
  1. Start ttr. Everybody has to log in again.
  2. Rows that stood in the backup's outbox are sent, some of them for the second time: the other side knows them by
     their keys.
  3. What came after the backup is not in it. Have each provider send its deliveries since then once more: those that
     are known change nothing.";

/// The store keeps its owner and who may read it, whoever restores.
fn like_its_neighbours(copy: &Path, store: &Path) -> io::Result<()> {
    if let Ok(old) = std::fs::metadata(store) {
        std::fs::set_permissions(copy, old.permissions())?;
    }
    let neighbour = std::fs::metadata(store).or_else(|_| std::fs::metadata(folder_of(store)))?;
    let own = std::fs::metadata(copy)?;
    if (own.uid(), own.gid()) == (neighbour.uid(), neighbour.gid()) {
        return Ok(());
    }
    chown(copy, Some(neighbour.uid()), Some(neighbour.gid()))
}

/// A store that nobody else has open, if it can be opened at all: one that is too broken for that is nobody's.
fn held(store: &Path) -> Result<Option<Held>, RestoreError> {
    match hold(store) {
        Err(error) if is_busy(&error) => Err(RestoreError::InUse(store.to_owned())),
        held => Ok(held.ok()),
    }
}

/// Gives the store's files second names, under which they stay when another takes their place.
fn set_aside(store: &Path, kept: &Path) -> io::Result<()> {
    for part in ["-wal", "-shm", ""] {
        let file = beside(store, part);
        if std::fs::metadata(&file).is_ok_and(|file| part.is_empty() || file.len() > 0) {
            second_name(&file, &beside(kept, part))?;
        }
    }
    File::open(folder_of(store))?.sync_all()
}

/// Puts the copy, which is on disk, in the store's place. The store's log must not be taken for the copy's, so it goes first;
/// the log's index goes last: after an end in between, a ttr that starts says that a log is missing and changes nothing.
fn replace(copy: NamedTempFile, store: &Path, kept: &Path) -> io::Result<()> {
    let (log, index) = (beside(store, "-wal"), beside(store, "-shm"));
    remove(&log)?;
    failpoints::reach("restore.log_removed");
    if let Err(error) = copy.persist(store) {
        let kept_log = beside(kept, "-wal");
        if kept_log.exists() {
            second_name(&kept_log, &log)?; // the store is as it was
        }
        return Err(error.error);
    }
    File::open(folder_of(store))?.sync_all()?;
    remove(&index)
}

fn remove(file: &Path) -> io::Result<()> {
    std::fs::remove_file(file).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// A copy where a file can't have two names. What is there is never written over.
fn second_name(file: &Path, name: &Path) -> io::Result<()> {
    std::fs::hard_link(file, name).or_else(|_| {
        let mut copy = File::create_new(name)?;
        io::copy(&mut File::open(file)?, &mut copy)?;
        copy.sync_all()
    })
}
