//! A file, or the write-ahead log beside it, that is not what was written. What is refused stays as it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;
use server::domain::commit::Commit;
use server::store::sqlite::SqliteStore;
use server::store::{Store, StoreError};
use tempfile::TempDir;

use super::{as_after_a_kill, is_whole, plain, refusal};
use crate::durability::{Program, free_address};
use crate::support::stored_event;

const FILE: &str = "ttr.db";
const LOG: &str = "ttr.db-wal";
const INDEX: &str = "ttr.db-shm";
const LOCK: &str = "ttr.db.lock";

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(&folder.join(FILE))
}

/// Why the store in this folder is refused.
fn refused(folder: &Path) -> String {
    match open(folder) {
        Err(StoreError::Unusable(why)) => why,
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it is not refused"),
    }
}

/// Writes events `from..to`, each in a commit of its own.
async fn write(store: &SqliteStore, from: i64, to: i64) {
    for number in from..to {
        let mut event = stored_event(&format!("s{}", number % 7), &format!("e{number}"), "page_view", number);
        event.properties.insert("filler".into(), "x".repeat(400).into());
        store.commit(Commit { events: vec![event], ..Commit::default() }).await.unwrap();
    }
}

/// How many events there are, read by somebody else.
fn events(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join(FILE)).unwrap();
    connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap()
}

/// A store with 100 events that was closed, opened again, and killed with 50 more in its log.
async fn killed() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 0, 100).await;
    store.close().await;
    let store = open(folder.path()).unwrap();
    write(&store, 100, 150).await;
    as_after_a_kill(folder.path())
}

/// Every file of the folder, to be compared.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let file = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    entries.filter(|entry| entry.file_name() != LOCK).map(file).collect() // who serves a store locks it first
}

#[tokio::test]
async fn a_file_with_a_broken_page_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 0, 400).await;
    store.close().await;
    let sound = std::fs::read(folder.path().join(FILE)).unwrap();
    assert!(sound.len() > 300_000, "{}", sound.len());
    for at in [0, 40_000, 100_000, 200_000] {
        let broken = tempfile::tempdir().unwrap();
        std::fs::write(broken.path().join(FILE), &sound).unwrap();
        File::options()
            .write(true)
            .open(broken.path().join(FILE))
            .unwrap()
            .write_all_at(&[0x5a; 16 * 1024], at)
            .unwrap();
        let before = files(broken.path())[FILE].clone();
        let said = refusal(plain(), &broken.path().join(FILE));
        assert!(said.contains("ttr.db is damaged") && said.contains("restore a backup"), "{said}");
        assert!(files(broken.path())[FILE] == before, "nothing was changed");
    }
}

#[tokio::test]
async fn a_file_with_a_broken_page_is_refused_after_a_kill_too() {
    let folder = killed().await;
    let path = folder.path().join(FILE);
    let size = std::fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).unwrap().write_all_at(&[0x5a; 16 * 1024], size / 2).unwrap();
    let (file, log) = (std::fs::read(&path).unwrap(), std::fs::read(folder.path().join(LOG)).unwrap());
    assert!(refused(folder.path()).contains("is damaged"));
    assert!(std::fs::read(&path).unwrap() == file, "the log was not folded into it");
    assert!(std::fs::read(folder.path().join(LOG)).unwrap() == log);
}

#[tokio::test]
async fn a_log_that_is_missing_is_asked_for() {
    let folder = killed().await;
    std::fs::remove_file(folder.path().join(LOG)).unwrap();
    let before = files(folder.path());
    let said = refusal(plain(), &folder.path().join(FILE));
    assert!(said.contains("ttr.db-wal is missing") && said.contains("remove"), "{said}");
    assert!(files(folder.path()) == before, "nothing was changed");
    std::fs::remove_file(folder.path().join(INDEX)).unwrap(); // as the text says
    open(folder.path()).unwrap();
    is_whole(folder.path());
    assert_eq!(events(folder.path()), 100, "what was folded back is there");
}

#[tokio::test]
async fn a_log_without_its_file_is_not_thrown_away() {
    let folder = killed().await;
    let path = folder.path().join(FILE);
    let file = std::fs::read(&path).unwrap();
    for is_there in [false, true] {
        std::fs::remove_file(&path).unwrap();
        if is_there {
            std::fs::write(&path, "").unwrap();
        }
        assert!(refused(folder.path()).contains("is missing or empty, but its log"));
        std::fs::write(&path, &file).unwrap(); // put back, as the text says
    }
    open(folder.path()).unwrap();
    assert_eq!(events(folder.path()), 150);
}

#[tokio::test]
async fn a_log_that_was_cut_is_used_as_far_as_it_goes_and_the_loss_is_told() {
    let folder = killed().await;
    let log = File::options().write(true).open(folder.path().join(LOG)).unwrap();
    log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    assert_eq!(super::said(folder.path(), "ttr.db-wal was cut: the last pages written to it are lost"), 1);
    assert_eq!(program.stop(), Some(0));
    is_whole(folder.path());
    assert!((101..150).contains(&events(folder.path())), "{}", events(folder.path()));
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    assert_eq!(super::said(folder.path(), "was cut"), 1, "told once");
    assert_eq!(program.stop(), Some(0));
}

#[tokio::test]
async fn the_log_of_another_store_is_never_mixed_in() {
    let (folder, another) = (killed().await, killed().await);
    std::fs::copy(another.path().join(LOG), folder.path().join(LOG)).unwrap();
    std::fs::copy(another.path().join(INDEX), folder.path().join(INDEX)).unwrap();
    let before = files(folder.path());
    let said = refusal(plain(), &folder.path().join(FILE));
    assert!(said.contains("ttr.db-wal does not belong to"), "{said}");
    assert!(files(folder.path())[FILE] == before[FILE], "nothing was changed");
    assert!(files(folder.path())[LOG] == before[LOG], "nothing was changed");
    std::fs::remove_file(folder.path().join(LOG)).unwrap(); // as the text says
    std::fs::remove_file(folder.path().join(INDEX)).unwrap();
    open(folder.path()).unwrap();
    is_whole(folder.path());
    assert_eq!(events(folder.path()), 100);
}

/// An older copy of the file is put in its place, and the log that lay there is forgotten.
#[tokio::test]
async fn the_log_of_a_later_life_of_the_same_file_is_never_mixed_in() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    write(&store, 0, 20).await;
    store.close().await;
    let copy = std::fs::read(folder.path().join(FILE)).unwrap();
    for life in 1..4 {
        let store = open(folder.path()).unwrap();
        write(&store, life * 20, life * 20 + 20).await;
        store.close().await;
    }
    let store = open(folder.path()).unwrap();
    write(&store, 80, 100).await;
    let restored = as_after_a_kill(folder.path());
    open(restored.path()).unwrap(); // the file as it is takes it
    let restored = as_after_a_kill(folder.path());
    std::fs::write(restored.path().join(FILE), copy).unwrap();
    assert!(refused(restored.path()).contains("does not belong to"));
}

#[tokio::test]
async fn a_store_made_by_a_newer_program_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().close().await;
    Connection::open(folder.path().join(FILE)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = files(folder.path())[FILE].clone();
    let said = refusal(plain(), &folder.path().join(FILE));
    assert!(said.contains("was made by a newer ttr"), "{said}");
    assert!(files(folder.path())[FILE] == before);
}
