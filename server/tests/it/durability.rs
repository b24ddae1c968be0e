//! A 200 means that it is on disk: the program is killed right after it and must know everything after a restart.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use server::clock::now;
use tempfile::TempDir;

use crate::support::{SECRET, TOKEN, batch, environment, leptos_toml, metadata, payment, sign};

/// A real process.
pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // SIGKILL; it may be dead already
        let _ = self.child.wait();
    }
}

impl Program {
    async fn start(folder: &Path) -> Self {
        Self::start_at(folder, free_address(), &[]).await
    }

    /// Starts on this store and at this address, with more in the environment.
    pub(crate) async fn start_at(folder: &Path, addr: SocketAddr, more: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_ttr")), folder, addr, more).await
    }

    /// Starts by a command that runs the program with the arguments it is given. What it says is added to `ttr.log` in the
    /// folder.
    pub(crate) async fn start_by(
        command: Command,
        folder: &Path,
        addr: SocketAddr,
        more: &[(&str, &str)],
    ) -> Self {
        Self::try_to_start_by(command, folder, addr, more).await.expect("it ended before it was ready")
    }

    /// As [`Self::start_by`]; nothing if it ends before it is ready.
    pub(crate) async fn try_to_start_by(
        mut command: Command,
        folder: &Path,
        addr: SocketAddr,
        more: &[(&str, &str)],
    ) -> Option<Self> {
        let log = File::options().append(true).create(true).open(folder.join("ttr.log")).unwrap();
        let child = command
            .arg("--config")
            .arg(leptos_toml())
            .env_clear()
            .envs(environment(&folder.join("ttr.db"), addr))
            .envs(more.iter().copied())
            .stdout(log)
            .spawn()
            .unwrap();
        let mut program = Self { child, url: format!("http://{addr}"), client: Client::new() };
        program.until_ready().await.then_some(program)
    }

    /// False if it ends before.
    async fn until_ready(&mut self) -> bool {
        let ready = async {
            while self.child.try_wait().unwrap().is_none() {
                match self.client.get(format!("{}/health/ready", self.url)).send().await {
                    Ok(answer) if answer.status() == StatusCode::OK => return true,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            false
        };
        tokio::time::timeout(Duration::from_mins(1), ready).await.expect("ready within a minute")
    }

    /// SIGTERM, and its exit code.
    pub(crate) fn stop(self) -> Option<i32> {
        self.terminate();
        self.ended()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &id]).status().unwrap();
    }

    /// Its exit code, when it has ended.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// The memory that it has, KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) async fn session(&self, session_id: &str) -> Value {
        let url = format!("{}/api/aurea/funnels/ttr/sessions/{session_id}", self.url);
        self.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
    }
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn events_answered_ok_survive_a_kill() {
    let folder = folder();
    for round in 0..3 {
        let program = Program::start(folder.path()).await;
        let session_id = format!("s{round}");
        let request =
            program.client.post(format!("{}/api/pulse", program.url)).header("sec-fetch-site", "same-origin");
        let answer = request.json(&batch(&session_id, &[("page_view", 1000)])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        drop(program);
    }
    let program = Program::start(folder.path()).await;
    for round in 0..3 {
        assert_eq!(program.session(&format!("s{round}")).await["events"][0]["eventName"], "page_view");
    }
}

#[tokio::test]
async fn a_delivery_answered_200_survives_a_kill() {
    let folder = folder();
    let program = Program::start(folder.path()).await;
    let body = payment("pay_1", &metadata(now() - 1000));
    let seconds = now() / 1000;
    let answer = program
        .client
        .post(format!("{}/api/webhooks/whop", program.url))
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, "msg_1", seconds, &body))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop(program);
    let program = Program::start(folder.path()).await;
    let session = program.session("s1").await;
    assert_eq!((&session["converted"], &session["conversionValue"]), (&Value::Bool(true), &Value::from(99)));
}

#[test]
fn a_bad_configuration_ends_with_78_and_says_why() {
    let folder = folder();
    let mut env = environment(&folder.path().join("ttr.db"), free_address());
    env.insert("SITE_URL".into(), "http://ttr.example".into());
    env.insert("DATABASE_URL".into(), "mysql://x".into());
    let output = Command::new(env!("CARGO_BIN_EXE_ttr"))
        .arg("--config")
        .arg(leptos_toml())
        .env_clear()
        .envs(env)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("SITE_URL: ") && lines[1].starts_with("DATABASE_URL: "), "{said}");
}
