//! Backups made while the program works, and what a restored store is worth.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use reqwest::{Client, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::clock::now;
use server::store::sqlite::SqliteStore;
use server::store::sqlite::examine::{Examination, Schema};
use tempfile::TempDir;

use crate::durability::{Program, free_address};
use crate::support::{SECRET, batch, environment, leptos_toml, metadata, payment, sign, until};

/// `ttr` with these arguments, on the store in this folder.
fn ttr(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
    command.arg("--config").arg(leptos_toml()).args(arguments).current_dir(folder);
    command.env_clear().envs(environment(&folder.join("ttr.db"), free_address()));
    command
}

fn said_of(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// What it said; it must have done it.
fn done(output: &Output) -> String {
    let said = said_of(output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

/// What it said; it must have refused.
fn refused(output: &Output) -> String {
    let said = said_of(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// Files in a folder, but for the lock.
fn files(folder: &Path) -> BTreeSet<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    std::fs::read_dir(folder).unwrap().map(name).filter(|name| name != "ttr.db.lock").collect()
}

/// Ids of the sessions in a store's file.
fn sessions_in(store: &Path) -> BTreeSet<String> {
    let store = Connection::open(store).unwrap();
    let mut rows = store.prepare("SELECT DISTINCT session_id FROM event").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A folder with a store that holds these sessions, and is used by nobody.
async fn store_with(sessions: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    for session in sessions {
        assert!(posted(&program.client, &program.url, session).await);
    }
    assert_eq!(program.stop(), Some(0));
    folder
}

/// Whether an event of this session was answered.
async fn posted(client: &Client, url: &str, session: &str) -> bool {
    let request = client.post(format!("{url}/api/pulse")).header("sec-fetch-site", "same-origin");
    let answer = request.json(&batch(session, &[("page_view", 1000)])).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

async fn delivered(program: &Program, id: &str, body: &str) {
    let seconds = now() / 1000;
    let answer = program
        .client
        .post(format!("{}/api/webhooks/whop", program.url))
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, id, seconds, body))
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_backup_made_under_load_has_everything_that_was_answered_before_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    let (client, url, list) = (program.client.clone(), program.url.clone(), Arc::clone(&answered));
    let load = tokio::spawn(async move {
        for n in 0.. {
            let session = format!("s{n}");
            if posted(&client, &url, &session).await {
                list.lock().unwrap().insert(session);
            }
        }
    });
    let count = || answered.lock().unwrap().len();
    until("some are answered", async || count() > 20).await;
    let before = answered.lock().unwrap().clone();
    let place = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || ttr(&place, &["backup", "backup.db"])).await.unwrap();
    let said = done(&output);
    assert!(said.contains("backup.db: ") && said.contains("whole and checked"), "{said}");
    let now = count();
    until("the program goes on answering", async || count() > now).await;
    load.abort();
    assert_eq!(program.stop(), Some(0));

    let said = done(&ttr(folder.path(), &["restore", "backup.db"]));
    assert!(said.contains("What to do next"), "{said}");
    let restored = sessions_in(&folder.path().join("ttr.db"));
    assert!(restored.is_superset(&before), "{:?} are lost", before.difference(&restored));
    let kept = files(folder.path()).into_iter().find(|name| name.starts_with("ttr.db.until-")).unwrap();
    assert!(said.contains(&kept), "{said}");
    let all = answered.lock().unwrap().clone();
    assert!(sessions_in(&folder.path().join(kept)).is_superset(&all), "nothing of the old store is lost");
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    assert_eq!(program.session("s0").await["events"][0]["eventName"], "page_view");
}

#[tokio::test]
async fn after_a_restore_nothing_counts_twice_and_what_is_missing_can_be_sent_again() {
    let (site_folder, remote_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote_address = free_address();
    let to_remote = [
        ("AUREA_API_URL", format!("http://{remote_address}/api")),
        ("AUREA_API_KEY", "key-of-the-remote".to_owned()),
    ];
    let to_remote: Vec<(&str, &str)> =
        to_remote.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let start_site = async || Program::start_at(site_folder.path(), free_address(), &to_remote).await;
    let site = start_site().await;
    let second = json!({"aurea_anonymous_id": "a2", "aurea_session_id": "s2"});
    let (first, second) = (payment("pay_1", &metadata(now() - 1000)), payment("pay_2", &second));

    // What the backup holds waits for the remote, which is not there yet.
    delivered(&site, "msg_1", &first).await;
    done(&ttr(site_folder.path(), &["backup", "backup.db"]));
    let takes = [("AUREA_RECEIVE_KEYS", "key-of-the-remote:ttr")];
    let remote = Program::start_at(remote_folder.path(), remote_address, &takes).await;
    delivered(&site, "msg_2", &second).await;
    for session in ["s1", "s2"] {
        until("the remote knows", async || remote.session(session).await["converted"] == true).await;
    }
    assert_eq!(site.stop(), Some(0));

    done(&ttr(site_folder.path(), &["restore", "backup.db"]));
    let site = start_site().await;
    until("the backup's row is sent again", async || waiting(site_folder.path()) == 0).await;
    assert_eq!(site.session("s2").await["error"], "not_found", "it came after the backup");
    delivered(&site, "msg_2", &second).await;
    delivered(&site, "msg_1", &first).await;
    until("all is sent", async || waiting(site_folder.path()) == 0).await;
    for (program, who) in [(&site, "the site"), (&remote, "the remote")] {
        for session in ["s1", "s2"] {
            let session = program.session(session).await;
            assert_eq!(session["conversions"].as_array().map(Vec::len), Some(1), "{who}: {session}");
            assert_eq!(session["conversionValue"], 99, "{who}");
            assert_eq!(session["events"].as_array().map(Vec::len), Some(2), "{who}: {session}");
        }
    }
}

/// Rows in the outbox of the store in this folder.
fn waiting(folder: &Path) -> u64 {
    let store = Connection::open(folder.join("ttr.db")).unwrap();
    store.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_restore_is_refused_while_somebody_uses_the_store() {
    let folder = store_with(&["s1"]).await;
    let (place, store) = (folder.path(), folder.path().join("ttr.db"));
    done(&ttr(place, &["backup", "backup.db"]));
    let program = Program::start_at(place, free_address(), &[]).await;
    let said = refused(&ttr(place, &["restore", "backup.db"]));
    assert!(said.contains("another ttr serves the store") && said.contains("stop that one first"), "{said}");
    assert!(posted(&program.client, &program.url, "s2").await);
    assert_eq!(program.session("s2").await["sessionId"], "s2", "the program noticed nothing");
    assert_eq!(program.stop(), Some(0));

    let shell = Connection::open(&store).unwrap();
    shell.pragma_update(None, "journal_mode", "WAL").unwrap();
    shell.query_row("SELECT count(*) FROM event", [], |_| Ok(())).unwrap();
    let said = refused(&ttr(place, &["restore", "backup.db"]));
    assert!(said.contains("somebody has ") && said.contains("ttr.db open"), "{said}");
    drop(shell);
    assert_eq!(sessions_in(&store), ["s1", "s2"].map(str::to_owned).into());
    done(&ttr(place, &["restore", "backup.db"]));
    assert_eq!(sessions_in(&store), ["s1"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_second_ttr_on_the_same_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    let said = refused(&ttr(folder.path(), &["serve"]));
    assert!(said.contains("another ttr serves the store"), "{said}");
    assert!(posted(&program.client, &program.url, "s1").await);
}

#[tokio::test]
async fn what_is_no_good_backup_is_refused_and_the_store_stays() {
    let folder = store_with(&["s1"]).await;
    let (place, store) = (folder.path(), folder.path().join("ttr.db"));
    done(&ttr(place, &["backup", "good.db"]));
    let make = |name: &str, change: &dyn Fn(&Path)| {
        std::fs::copy(place.join("good.db"), place.join(name)).unwrap();
        change(&place.join(name));
    };
    let sql = |path: &Path, sql: &str| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    make("text.db", &|path| std::fs::write(path, "a letter to somebody, long enough to be a file").unwrap());
    make("empty.db", &|path| std::fs::write(path, "").unwrap());
    make("newer.db", &|path| sql(path, "PRAGMA user_version = 999"));
    make("damaged.db", &damage);
    make("cut.db", &|path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    });
    std::fs::remove_file(place.join("foreign.db")).ok();
    sql(&place.join("foreign.db"), "CREATE TABLE notes (text TEXT)");
    let (there, before) = (files(place), std::fs::read(&store).unwrap());
    for (backup, why) in [
        ("nowhere.db", "there is no backup at"),
        ("ttr.db", "is the store itself"),
        ("text.db", "is not a store of ttr"),
        ("empty.db", "is not a store of ttr"),
        ("foreign.db", "is not a store of ttr"),
        ("newer.db", "was made by a newer ttr"),
        ("damaged.db", "is damaged"),
        ("cut.db", ""), // damaged, or not to be read at all
    ] {
        let said = refused(&ttr(place, &["restore", backup]));
        assert!(said.contains(why), "{backup}: {said}");
        assert_eq!(files(place), there, "{backup}");
        assert!(std::fs::read(&store).unwrap() == before, "{backup} changed the store");
    }
}

/// Overwrites the middle of a store's pages, and leaves the first alone.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xA5);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_store_is_not_backed_up_and_a_backup_takes_its_place() {
    let folder = store_with(&["s1"]).await;
    let (place, store) = (folder.path(), folder.path().join("ttr.db"));
    done(&ttr(place, &["backup", "good.db"]));
    damage(&store);
    let (there, broken) = (files(place), std::fs::read(&store).unwrap());
    let said = refused(&ttr(place, &["backup", "bad.db"]));
    assert!(said.contains("is damaged"), "{said}");
    assert_eq!(files(place), there, "no backup is better than a bad one");
    done(&ttr(place, &["restore", "good.db"]));
    assert_eq!(sessions_in(&store), ["s1"].map(str::to_owned).into());
    let kept: Vec<PathBuf> = files(place).difference(&there).map(|name| place.join(name)).collect();
    assert_eq!(kept.len(), 1);
    assert!(std::fs::read(&kept[0]).unwrap() == broken, "what is broken is kept as it is");
}

#[tokio::test]
async fn a_store_that_is_no_database_any_more_is_kept_with_its_log() {
    let folder = store_with(&["s1"]).await;
    let (place, store) = (folder.path(), folder.path().join("ttr.db"));
    done(&ttr(place, &["backup", "good.db"]));
    std::fs::write(&store, "not a database, and there is a log of it").unwrap();
    std::fs::write(place.join("ttr.db-wal"), "the log").unwrap();
    done(&ttr(place, &["restore", "good.db"]));
    assert_eq!(sessions_in(&store), ["s1"].map(str::to_owned).into());
    let names = files(place);
    let kept = |end: &str| names.iter().any(|name| name.starts_with("ttr.db.until-") && name.ends_with(end));
    assert!(kept("Z") && kept("Z-wal"), "{names:?}");
}

#[tokio::test]
async fn a_backup_overwrites_nothing_unless_it_is_told_to() {
    let folder = store_with(&["s1"]).await;
    let place = folder.path();
    std::fs::write(place.join("taken.db"), "somebody's").unwrap();
    let said = refused(&ttr(place, &["backup", "taken.db"]));
    assert!(said.contains("is there already") && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read(place.join("taken.db")).unwrap(), b"somebody's");
    done(&ttr(place, &["backup", "taken.db", "--force"]));
    assert_eq!(sessions_in(&place.join("taken.db")), ["s1"].map(str::to_owned).into());

    std::fs::create_dir(place.join("backups")).unwrap();
    done(&ttr(place, &["backup", "backups"]));
    let names = files(&place.join("backups"));
    assert!(names.len() == 1 && names.iter().all(|name| name.starts_with("ttr-20")), "{names:?}");
    let said = refused(&ttr(place, &["backup", "no/such/folder.db"]));
    assert!(said.contains("a copy can't be made in no/such"), "{said}");
    let nothing = tempfile::tempdir().unwrap();
    assert!(refused(&ttr(nothing.path(), &["backup", "x.db"])).contains("there is no store at"));
    assert!(files(nothing.path()).is_empty());
}

#[tokio::test]
async fn a_backup_never_takes_the_place_of_the_store_or_of_what_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let program = Program::start_at(place, free_address(), &[]).await;
    assert!(posted(&program.client, &program.url, "s1").await);
    std::fs::hard_link(place.join("ttr.db"), place.join("other-name.db")).unwrap();
    for name in ["ttr.db", "./ttr.db", "other-name.db", "ttr.db-wal", "ttr.db-shm", "ttr.db.lock"] {
        let (place, arguments) = (place.to_owned(), ["backup", name, "--force"]);
        let said = refused(&tokio::task::spawn_blocking(move || ttr(&place, &arguments)).await.unwrap());
        assert!(said.contains("is the store itself or belongs to it"), "{name}: {said}");
    }
    assert!(posted(&program.client, &program.url, "s2").await);
    assert_eq!(program.stop(), Some(0));
    assert_eq!(sessions_in(&place.join("ttr.db")), ["s1", "s2"].map(str::to_owned).into());
    std::fs::remove_file(place.join("other-name.db")).unwrap();
    let said = refused(&ttr(place, &["backup", "ttr.db-wal"]));
    assert!(
        said.contains("belongs to it"),
        "there is no such file now, and SQLite would take it for the log: {said}"
    );
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_restore_that_ends_half_way_leaves_a_store_that_is_not_served_without_its_log() {
    let folder = store_with(&["s1"]).await;
    let (place, store) = (folder.path(), folder.path().join("ttr.db"));
    done(&ttr(place, &["backup", "good.db"]));
    let program = Program::start_at(place, free_address(), &[]).await;
    assert!(posted(&program.client, &program.url, "s2").await);
    drop(program); // killed: what it answered is in the log
    let mut restore = command(place, &["restore", "good.db"]);
    assert_eq!(restore.env("FAILPOINTS", "restore.log_removed=return").status().unwrap().code(), None);

    let said = said_of(&command(place, &[]).output().unwrap());
    assert!(said.contains("ttr.db-wal is missing"), "{said}");
    let names = files(place);
    let kept = names.iter().find(|name| name.starts_with("ttr.db.until-") && name.ends_with("-wal")).unwrap();
    std::fs::rename(place.join(kept), place.join("ttr.db-wal")).unwrap();
    let program = Program::start_at(place, free_address(), &[]).await;
    assert_eq!(program.session("s2").await["sessionId"], "s2");
    assert_eq!(program.stop(), Some(0));
    assert_eq!(sessions_in(&store), ["s1", "s2"].map(str::to_owned).into());
}

#[tokio::test]
async fn an_older_backup_is_brought_up_to_date_and_nobody_is_logged_in() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let old = Connection::open(place.join("old.db")).unwrap();
    old.execute_batch(include_str!("../../src/store/sqlite/schema.sql")).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO event (funnel, source, event_id, session_id, name, properties, timestamp, received_at)
         VALUES ('ttr', 'browser', 'e1', 's1', 'page_view', '{}', 1000, 1000)",
    )
    .unwrap();
    drop(old);
    done(&ttr(place, &["restore", "old.db"]));
    let store = Examination::open(&place.join("ttr.db")).unwrap();
    assert_eq!(store.schema().unwrap(), Schema::Current);
    let store = Connection::open(place.join("ttr.db")).unwrap();
    let session: String = store.query_row("SELECT session_id FROM session", [], |row| row.get(0)).unwrap();
    assert_eq!(session, "s1");

    store.execute_batch("INSERT INTO login (hash, expires_at) VALUES (x'00', 9e15)").unwrap();
    store
        .execute_batch(
            "INSERT INTO outbox (id, destination, funnel, body, created_at, driven_at, due_at, claim_id, tries)
             VALUES ('r1', 'aurea', 'ttr', x'7b7d', 1, 1, 9000000000000000, 'somebody', 0)",
        )
        .unwrap();
    drop(store);
    done(&ttr(place, &["backup", "claimed.db"]));
    done(&ttr(place, &["restore", "claimed.db"]));
    let store = Connection::open(place.join("ttr.db")).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM login"), 0);
    assert_eq!(count("SELECT count(*) FROM outbox WHERE claim_id IS NULL AND due_at < 9e12"), 1);
}

#[tokio::test]
async fn a_restored_copy_is_the_same_store() {
    let folder = store_with(&["s1"]).await;
    let place = folder.path();
    let identity = || Examination::open(&place.join("ttr.db")).unwrap().identity().unwrap();
    let before = identity();
    done(&ttr(place, &["backup", "copy.db"]));
    done(&ttr(place, &["restore", "copy.db"]));
    assert_eq!(identity(), before);
    let store = SqliteStore::open(&place.join("ttr.db")).unwrap();
    store.close().await;
    let program = Program::start_at(place, free_address(), &[]).await;
    let session: Value = program.session("s1").await;
    assert_eq!(session["sessionId"], "s1");
}
