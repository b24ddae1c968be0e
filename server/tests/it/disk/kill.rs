//! Killed at a write to the disk, whichever it is.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use rusqlite::Connection;

use super::{as_after_a_kill, browser_posts, eventually, is_whole, under_strace, whop_delivers};
use crate::durability::{Program, free_address};
use crate::store::FIRST_VERSION;

/// Kills at the Nth such call of a thread.
fn kill_at(call: usize) -> String {
    format!("inject=pwrite64,fdatasync:signal=KILL:when={call}")
}

fn sessions(folder: &Path) -> Vec<String> {
    let connection = Connection::open(folder.join("ttr.db")).unwrap();
    let mut statement = connection.prepare("SELECT DISTINCT session_id FROM event").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Checks what a kill left.
fn check(folder: &Path, answered: &[String], killed_at: usize) {
    let copy = as_after_a_kill(folder);
    is_whole(copy.path());
    let stored = sessions(copy.path());
    for session_id in answered {
        assert!(stored.contains(session_id), "{session_id} was answered 200; killed at {killed_at}");
    }
}

#[tokio::test]
async fn whatever_write_of_its_first_start_it_is_killed_at_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for call in [1, 2, 3, 6, 20, 60, 90] {
        let program = under_strace(&kill_at(call));
        let started = Program::try_to_start_by(program, folder.path(), free_address(), &[]).await;
        assert!(started.is_none(), "killed at {call}");
        is_whole(as_after_a_kill(folder.path()).path());
    }
    Program::start_at(folder.path(), free_address(), &[]).await;
}

/// The writes of a start, which makes the log's index, of commits, and of the end, when the log is folded back.
#[tokio::test]
async fn whatever_write_it_is_killed_at_the_file_is_whole_and_has_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered: Vec<String> = Vec::new();
    let (mut while_starting, mut while_answering, mut while_ending) = (0, 0, 0);
    assert_eq!(Program::start_at(folder.path(), free_address(), &[]).await.stop(), Some(0));
    let while_it_works = [1, 2, 5, 11, 17, 26, 40, 60, 90, 120, 150, 180].map(|call| (call, 6));
    let towards_the_end = [32, 36, 40, 44, 48, 52].map(|call| (call, 1));
    for (call, posts) in while_it_works.into_iter().chain(towards_the_end) {
        let program = under_strace(&kill_at(call));
        let program = Program::try_to_start_by(program, folder.path(), free_address(), &[]).await;
        let Some(program) = program else {
            while_starting += 1;
            check(folder.path(), &answered, call);
            continue;
        };
        let before = answered.len();
        for number in 0..posts {
            let session_id = format!("s{call}-{posts}-{number}");
            let response = if number % 2 == 0 {
                browser_posts(&program, &session_id).await
            } else {
                whop_delivers(&program, &session_id).await
            };
            if response.is_none_or(|response| response.status() != StatusCode::OK) {
                break;
            }
            answered.push(session_id);
        }
        program.terminate();
        match program.ended() {
            None if answered.len() == before + posts => while_ending += 1,
            None => while_answering += 1,
            code => assert_eq!(code, Some(0)),
        }
        check(folder.path(), &answered, call);
    }
    assert!(
        while_answering >= 5 && while_ending >= 1,
        "killed {while_starting} times at the start, {while_answering} while answering, {while_ending} at the end"
    );
}

/// All steps are one transaction: they are there or not.
#[tokio::test]
async fn whatever_write_it_is_killed_at_while_the_store_is_brought_up_to_date_the_next_start_goes_on() {
    let mut killed = 0;
    for call in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 110, 130] {
        let folder = tempfile::tempdir().unwrap();
        let old = Connection::open(folder.path().join("ttr.db")).unwrap();
        old.execute_batch(FIRST_VERSION).unwrap();
        old.close().unwrap();
        let rule = kill_at(call);
        let program = Program::try_to_start_by(under_strace(&rule), folder.path(), free_address(), &[]).await;
        killed += usize::from(program.is_none());
        drop(program);
        let copy = as_after_a_kill(folder.path());
        is_whole(copy.path());
        let program = Program::start_at(folder.path(), free_address(), &[]).await;
        eventually(Duration::from_secs(5), async || {
            program.session("s1").await["events"].as_array().is_some_and(|events| events.len() == 2)
        })
        .await;
        assert_eq!(browser_posts(&program, "s2").await.unwrap().status(), StatusCode::OK);
    }
    assert!(killed >= 8, "{killed}");
}
