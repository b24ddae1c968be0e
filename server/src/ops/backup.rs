//! `ttr backup`: the whole store in one file, while a `ttr` works on it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::ErrorCode;
use tempfile::NamedTempFile;

use crate::clock::now;
use crate::config::Config;
use crate::domain::Millis;
use crate::store::sqlite::beside;
use crate::store::sqlite::examine::{Contents, Examination, Schema};

/// What to write.
#[derive(clap::Args)]
pub struct Args {
    /// The file to write; in a folder, one that has the time in its name
    path: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing to copy.
    #[error(
        "there is no store at {0}. Run this in the folder and with the DATABASE_URL that ttr is started with."
    )]
    NoStore(PathBuf),
    /// Somebody keeps something there.
    #[error("{0} is there already; choose another name, or write over it with --force")]
    Taken(PathBuf),
    /// The copy would take the place of what it is a copy of, under the program that works on it.
    #[error("{0} is the store itself or belongs to it; choose another name")]
    Itself(PathBuf),
    /// The copy is not made, or not good.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The copy could not get its name.
    #[error("{0} can't be written: {1}")]
    Unwritten(PathBuf, io::Error),
}

/// Why a store could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It does not open, or can't be read to its end.
    #[error("{0} can't be read: {1}")]
    Unread(PathBuf, rusqlite::Error),
    /// Not a store.
    #[error("{0} is not a store of ttr")]
    Foreign(PathBuf),
    /// The copy, and so what was copied, is broken.
    #[error("{0} is damaged, and so would the copy be: {1}")]
    Damaged(PathBuf, String),
    /// There is no place for it.
    #[error("a copy can't be made in {0}: {1}")]
    Unwritten(PathBuf, io::Error),
}

impl CopyError {
    /// What an error says of the store that is read.
    pub(super) fn of(path: &Path, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign(path.to_owned()),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(path.to_owned(), error.to_string()),
            _ => Self::Unread(path.to_owned(), error),
        }
    }
}

/// Copies the configured store and says what is in the copy.
pub fn run(config: &Config, args: &Args) -> Result<(), BackupError> {
    let store = &config.database;
    if !store.exists() {
        return Err(BackupError::NoStore(store.clone()));
    }
    let place = if args.path.is_dir() {
        args.path.join(format!("ttr-{}.db", stamp(now())))
    } else {
        args.path.clone()
    };
    allowed(store, &place, args.force)?;
    let examination = Examination::open(store).map_err(|error| CopyError::of(store, error))?;
    let (copy, contents) = copy(store, &examination, folder_of(&place))?;
    allowed(store, &place, args.force)?; // somebody may have been faster
    put(copy, &place).map_err(|error| BackupError::Unwritten(place.clone(), error))?;
    println!("{}: {}, whole and checked", place.display(), in_words(contents));
    Ok(())
}

/// Whether the copy may have this place.
fn allowed(store: &Path, place: &Path, force: bool) -> Result<(), BackupError> {
    let mut own = ["", "-wal", "-shm", ".lock"].iter().map(|part| beside(store, part));
    if own.any(|own| is_same(&own, place)) {
        return Err(BackupError::Itself(place.to_owned()));
    }
    if !force && place.exists() {
        return Err(BackupError::Taken(place.to_owned()));
    }
    Ok(())
}

/// By name, or by another name of the same file.
fn is_same(own: &Path, place: &Path) -> bool {
    let named = |path: &Path| {
        let folder = folder_of(path).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    same_file(own, place).unwrap_or(false) || named(own).is_some_and(|own| Some(own) == named(place))
}

/// Whether both are there and are one file.
pub(super) fn same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (std::fs::metadata(one)?, std::fs::metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Copies a store into a file of no lasting name, and examines the copy to its last page.
pub(super) fn copy(
    path: &Path,
    store: &Examination,
    folder: &Path,
) -> Result<(NamedTempFile, Contents), CopyError> {
    let unread = |error| CopyError::of(path, error);
    let unwritten = |error| CopyError::Unwritten(folder.to_owned(), error);
    let copy = tempfile::Builder::new().prefix(".ttr-").suffix(".partial").tempfile_in(folder);
    let copy = copy.map_err(unwritten)?;
    store.copy_to(copy.path()).map_err(unread)?;
    let examination = Examination::open(copy.path()).map_err(unread)?;
    let foreign = matches!(examination.schema(), Ok(Schema::Foreign));
    if foreign || examination.is_empty().map_err(unread)? {
        return Err(CopyError::Foreign(path.to_owned()));
    }
    if let Some(damage) = examination.damage_anywhere().map_err(unread)? {
        return Err(CopyError::Damaged(path.to_owned(), damage));
    }
    let contents = examination.contents().map_err(unread)?;
    Ok((copy, contents))
}

/// Gives a copy its name, when it is on disk; whoever looks there sees all of it or what was there before.
fn put(copy: NamedTempFile, place: &Path) -> io::Result<()> {
    copy.as_file().sync_all()?;
    copy.persist(place).map_err(|error| error.error)?;
    File::open(folder_of(place))?.sync_all()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A time as a part of a file's name.
pub(super) fn stamp(at: Millis) -> String {
    Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |at| at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

pub(super) fn in_words(contents: Contents) -> String {
    let Contents { events, payments, newest_at } = contents;
    let newest = newest_at.and_then(|at| Timestamp::from_millisecond(at).ok());
    let newest = newest.map_or_else(
        || "no event yet".to_owned(),
        |at| at.strftime("the newest event of %Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    format!("{events} events, {payments} payments, {newest}")
}
