//! Disks that are full, fail, can only be read or hold something else than what was written; and programs that are killed
//! while they write. The faults are real: small file systems in a mount namespace of their own, system calls that `strace`
//! lets fail, locks of another process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::clock::now;

use crate::durability::{Program, free_address};
use crate::support::{SECRET, batch, environment, leptos_toml, payment, sign};

mod file;
mod full;
mod kill;
mod lock;
mod power_cut;
mod read_only;
mod sync;
mod volume;

/// The program, under a rule of `strace` for what becomes of its system calls; `strace` itself stays out of the way.
fn under_strace(rule: &str) -> Command {
    let mut command = Command::new(tool("strace"));
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync"]);
    command.args(["-e", rule]);
    command.arg(env!("CARGO_BIN_EXE_ttr"));
    command
}

/// A tool's path, since the program's environment is emptied.
fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found
        .unwrap_or_else(|| panic!("{name} is not there; `scripts/tools strace` installs what the tests need"))
}

/// One event of this session, as a browser posts it; nothing if nobody answers.
async fn browser_posts(program: &Program, session_id: &str) -> Option<Response> {
    let request = program.client.post(format!("{}/api/pulse", program.url));
    let request = request.header("sec-fetch-site", "same-origin").timeout(Duration::from_secs(20));
    request.json(&batch(session_id, &[("page_view", 1000)])).send().await.ok()
}

/// A payment of its own for this session.
async fn whop_delivers(program: &Program, session_id: &str) -> Option<Response> {
    let body = payment(&format!("pay_{session_id}"), &json!({ "aurea_session_id": session_id }));
    let (id, seconds) = (format!("msg_{session_id}"), now() / 1000);
    let request = program.client.post(format!("{}/api/webhooks/whop", program.url));
    request
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, &id, seconds, &body))
        .timeout(Duration::from_secs(20))
        .body(body)
        .send()
        .await
        .ok()
}

/// That nothing was recorded, and that it may be sent again.
fn is_put_off(response: &Response) -> bool {
    response.status() == StatusCode::SERVICE_UNAVAILABLE && response.headers().contains_key("retry-after")
}

/// What `/health/ready` says: its status, and why not.
async fn ready(program: &Program) -> (StatusCode, String) {
    let response = program.client.get(format!("{}/health/ready", program.url)).send().await.unwrap();
    let status = response.status();
    let said: Value = response.json().await.unwrap();
    (status, said["message"].as_str().unwrap_or_default().to_owned())
}

/// Waits until this gives `true`; `within` it must.
async fn eventually(within: Duration, mut check: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !check().await {
        assert!(begun.elapsed() < within, "not within {within:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asserts that each of these sessions is there.
async fn all_are_there(program: &Program, sessions: &[String]) {
    for session_id in sessions {
        let session = program.session(session_id).await;
        assert!(!session["events"].as_array().unwrap().is_empty(), "{session_id} was answered 200");
    }
}

/// How often the program has said this.
fn said(folder: &Path, text: &str) -> usize {
    std::fs::read_to_string(folder.join("ttr.log")).unwrap().matches(text).count()
}

/// Runs a program that refuses to start on this store; what it says.
fn refusal(mut command: Command, database: &Path) -> String {
    let mut child = command
        .arg("--config")
        .arg(leptos_toml())
        .env_clear()
        .envs(environment(database, free_address()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill(); // one that has ended can't be
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// The program as it is.
fn plain() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ttr"))
}

/// Asserts that the file in this folder, with what lies beside it, is whole.
fn is_whole(folder: &Path) {
    let connection = Connection::open(folder.join("ttr.db")).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// What would be there after a kill now: the files as they are, in a folder of their own.
fn as_after_a_kill(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["ttr.db", "ttr.db-wal", "ttr.db-shm"] {
        if folder.join(name).exists() {
            std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
    }
    copy
}
