//! Others who write to the same file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::StatusCode;
use rusqlite::{Connection, TransactionBehavior};
use server::domain::commit::Commit;
use server::store::Store;
use server::store::sqlite::SqliteStore;

use super::{all_are_there, browser_posts, is_put_off, ready, said, whop_delivers};
use crate::durability::{Program, free_address};
use crate::support::stored_event;

#[tokio::test]
async fn whoever_waits_for_the_lock_of_another_program_hears_503_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    assert_eq!(browser_posts(&program, "before").await.unwrap().status(), StatusCode::OK);
    let mut other = Connection::open(folder.path().join("ttr.db")).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();

    let asks = async |number: u64| {
        tokio::time::sleep(Duration::from_millis(700 * number)).await; // they come one after the other
        let asked = Instant::now();
        let response = whop_delivers(&program, &format!("s{number}")).await.unwrap();
        assert!(is_put_off(&response), "{response:?}");
        asked.elapsed()
    };
    let waited = join_all((0..5).map(asks)).await;
    let longest = waited.iter().max().unwrap();
    assert!(*longest < Duration::from_secs(8), "nobody waits for others' turns: {waited:?}");
    let (status, why) = ready(&program).await;
    assert_eq!(
        (status, why.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "another program holds the store and lets nobody write")
    );
    all_are_there(&program, &["before".to_owned()]).await;

    drop(lock);
    let released = Instant::now();
    assert_eq!(whop_delivers(&program, "after").await.unwrap().status(), StatusCode::OK);
    assert!(released.elapsed() < Duration::from_secs(3), "{:?}", released.elapsed());
    assert_eq!(ready(&program).await.0, StatusCode::OK);
    assert_eq!(said(folder.path(), "nothing can be recorded: another program"), 1);
    assert_eq!(said(folder.path(), "the store records again"), 1);
}

/// What begins as a read and then writes fails at once when another has written meanwhile, however patient it is.
#[tokio::test]
async fn mixed_reads_and_writes_never_meet_a_stale_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let another = std::thread::spawn({
        let over = Arc::clone(&over);
        let mut connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.execute_batch("CREATE TABLE others (x)").unwrap();
        move || {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
                transaction.execute("INSERT INTO others VALUES (1)", []).unwrap();
                transaction.commit().unwrap();
                count += 1;
                std::thread::sleep(Duration::from_millis(1)); // the lock is not fair: let the store have it too
            }
            count
        }
    });
    let work = (0..300).map(async |number: i64| {
        let session_id = format!("s{}", number % 10);
        let event = stored_event(&session_id, &format!("e{number}"), "page_view", number);
        let commit = Commit { events: vec![event], ..Commit::default() };
        let (funnel, session) = (commit.events[0].funnel.clone(), commit.events[0].session_id.clone());
        store.commit(commit).await.unwrap();
        store.add_login([0; 32], number, number).await.unwrap(); // reads what has expired, and writes
        assert!(!store.session(&funnel, &session).await.unwrap().events.is_empty());
    });
    join_all(work).await;
    over.store(true, Ordering::Relaxed);
    assert!(another.join().unwrap() > 0);
}
