//! The program that all this is done to: a real process on a real store.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Whop's secret.
pub(crate) const SECRET: &str = "ws_0123456789abcdef_chaos";

/// The key that events are posted with.
pub(crate) const KEY: &str = "key-1";

/// The owner's token.
const TOKEN: &str = "owner-token-of-the-chaos";

/// It must be ready by then (15 s are promised), and have stopped by then (20 s).
const PATIENCE: Duration = Duration::from_secs(30);

/// How it is started, again and again.
pub(crate) struct Setup {
    pub(crate) ttr: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) addr: SocketAddr,
    /// The way to the remote Aurea.
    pub(crate) remote: SocketAddr,
    /// What it is made to do wrong.
    pub(crate) failpoints: &'static str,
}

impl Setup {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("ttr.db")
    }

    /// What it says.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("ttr.log")
    }

    fn open_log(&self) -> File {
        OpenOptions::new().create(true).append(true).open(self.log()).unwrap()
    }
}

/// An address below those that the system gives to connections: none takes it while the program is down.
pub(crate) fn address() -> SocketAddr {
    let mut dice = rand::rng();
    let mut addresses =
        std::iter::repeat_with(|| SocketAddr::from(([127, 0, 0, 1], dice.random_range(20_000..32_000))));
    addresses.find(|addr| TcpListener::bind(addr).is_ok()).unwrap()
}

/// It, running.
pub(crate) struct Program {
    child: Child,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Program {
    pub(crate) fn start(setup: &Setup) -> Self {
        let child = Command::new(&setup.ttr)
            .arg("--config")
            .arg(&setup.config)
            .env_clear()
            .env("DATABASE_URL", format!("sqlite://{}", setup.store().display()))
            .env("LEPTOS_SITE_ADDR", setup.addr.to_string())
            .env("WHOP_WEBHOOK_SECRET", SECRET)
            .env("WHOP_CHECKOUT_URL", "https://whop.com/checkout/plan_1")
            .env("AUREA_RECEIVE_KEYS", format!("{KEY}:ttr"))
            .env("AUREA_ADMIN_TOKEN", TOKEN)
            .env("AUREA_API_URL", format!("http://{}/api", setup.remote))
            .env("AUREA_API_KEY", "key-of-the-remote")
            .env("FAILPOINTS", setup.failpoints)
            .stdout(setup.open_log())
            .stderr(setup.open_log())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", setup.ttr.display()));
        Self { child }
    }

    /// Says what is wrong if it is not ready in time.
    pub(crate) async fn ready(&mut self, http: &reqwest::Client, setup: &Setup) -> Result<(), String> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = self.ended() {
                return Err(format!("the program ended at its start: {status}"));
            }
            match http.get(setup.url("/health/ready")).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        Err(format!("the program is not ready {PATIENCE:?} after its start"))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }

    /// SIGTERM; says what is wrong if it does not end well.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            match self.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the program was asked to stop and ended with {status}")),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        self.kill();
        Err(format!("the program was asked to stop and went on for {PATIENCE:?}"))
    }

    /// SIGSTOP, and SIGCONT.
    pub(crate) async fn freeze(&self, time: Duration) {
        self.signal(Signal::STOP);
        tokio::time::sleep(time).await;
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal); // it may have ended
    }

    /// The most memory that it held so far, MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .map_or(0, |kib| kib / 1024)
    }
}

/// Sends what waits in the outbox; gives how many rows still do, parked ones included.
pub(crate) async fn drive(http: &reqwest::Client, setup: &Setup) -> Option<u64> {
    let answer =
        http.post(setup.url("/api/aurea/forward-conversions")).bearer_auth(TOKEN).send().await.ok()?;
    let driven: Value = answer.json().await.ok()?;
    Some(driven["waiting"].as_u64()? + driven["parked"].as_u64()?)
}
