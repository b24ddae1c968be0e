//! A sync that fails. After it the kernel takes the pages for written, and a second sync would say that all is well.

use std::time::Duration;

use reqwest::StatusCode;

use super::{all_are_there, browser_posts, eventually, is_put_off, is_whole, ready, said, under_strace};
use crate::durability::{Program, free_address};

/// A store that was closed in an orderly way, so that only the writer's thread syncs.
async fn a_store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    assert_eq!(program.stop(), Some(0));
    folder
}

#[tokio::test]
async fn nobody_hears_200_whose_sync_failed_and_the_file_is_opened_anew() {
    let folder = a_store().await;
    let addr = free_address();
    let rule = "inject=fdatasync:error=EIO:when=5";
    let program = Program::start_by(under_strace(rule), folder.path(), addr, &[]).await;
    let mut answered = Vec::new();
    let mut refused = 0;
    for number in 0..20 {
        let session_id = format!("s{number}");
        let response = browser_posts(&program, &session_id).await.unwrap();
        if response.status() == StatusCode::OK {
            answered.push(session_id);
        } else {
            assert!(is_put_off(&response), "{response:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(ready(&program).await.0, StatusCode::OK);
    assert_eq!(said(folder.path(), "nothing can be recorded: the store failed: the disk does not do"), 1);
    assert_eq!(said(folder.path(), "the store records again"), 1);
    drop(program); // killed
    let program = Program::start_at(folder.path(), addr, &[]).await;
    all_are_there(&program, &answered).await;
    assert_eq!(program.stop(), Some(0));
    is_whole(folder.path());
}

#[tokio::test]
async fn a_second_sync_that_fails_ends_the_program_and_says_why() {
    let folder = a_store().await;
    let addr = free_address();
    let rule = "inject=fdatasync:error=EIO:when=5+";
    let program = Program::start_by(under_strace(rule), folder.path(), addr, &[]).await;
    let mut answered = Vec::new();
    eventually(Duration::from_secs(20), async || {
        let session_id = format!("s{}", answered.len());
        match browser_posts(&program, &session_id).await {
            Some(response) if response.status() == StatusCode::OK => answered.push(session_id),
            Some(response) => assert!(is_put_off(&response), "{response:?}"),
            None => return true,
        }
        false
    })
    .await;
    assert!(!answered.is_empty());
    assert_eq!(program.ended(), Some(1));
    assert_eq!(said(folder.path(), "can't be relied on"), 1);
    let program = Program::start_at(folder.path(), addr, &[]).await;
    all_are_there(&program, &answered).await;
}
