//! A disk that can only be read.

use std::time::Duration;

use reqwest::StatusCode;

use super::volume::Volume;
use super::{all_are_there, browser_posts, is_put_off, ready, refusal, under_strace, whop_delivers};
use crate::durability::{Program, free_address};

#[tokio::test]
async fn a_store_on_a_disk_that_can_only_be_read_is_refused() {
    let mut volume = Volume::new("8m");
    let program = volume.start(&[]).await;
    assert_eq!(program.stop(), Some(0));
    volume.run("mount -o remount,ro \"$PWD\"");
    let said = refusal(volume.program(), &volume.database());
    assert!(said.contains("is on a disk that can only be read") && said.contains("DATABASE_URL"), "{said}");
    volume.run("mount -o remount,rw \"$PWD\"");
    volume.start(&[]).await;
}

/// As ext4 does it to itself after a fault: from one write on, all of them fail.
#[tokio::test]
async fn nothing_is_answered_200_once_the_disk_can_only_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let addr = free_address();
    let rule = "inject=pwrite64:error=EROFS:when=300+";
    let program = Program::start_by(under_strace(rule), folder.path(), addr, &[]).await;
    let mut answered = Vec::new();
    let mut refused = 0;
    for number in 0..40 {
        let session_id = format!("s{number}");
        let response = if number % 2 == 0 {
            browser_posts(&program, &session_id).await.unwrap()
        } else {
            whop_delivers(&program, &session_id).await.unwrap()
        };
        if response.status() == StatusCode::OK {
            assert_eq!(refused, 0, "after one that failed, all do");
            answered.push(session_id);
        } else {
            assert!(is_put_off(&response), "{response:?}");
            refused += 1;
        }
    }
    assert!(!answered.is_empty() && refused > 10, "{refused} of 40 were refused");
    let (status, why) = ready(&program).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(why.contains("the disk does not do what it is told"), "{why}");
    all_are_there(&program, &answered).await;
    drop(program); // killed
    let program = Program::start_at(folder.path(), addr, &[]).await;
    all_are_there(&program, &answered).await;
    super::eventually(Duration::from_secs(5), async || ready(&program).await.0 == StatusCode::OK).await;
}
