//! The program itself, over HTTP from another process on the same processors: events a second, how long a provider waits for
//! the answer to a delivery, and how much memory all of that takes.
//!
//! Deliveries come at their times whether the ones before are answered or not, and wait from the moment they were meant to
//! be sent: a program that stalls can't hide it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::events::Events;
use crate::table::Table;

const SECRET: &str = "ws_of_the_bench";

/// Connections that post events.
const SENDERS: usize = 64;

/// How long events are posted.
const POSTING: Duration = Duration::from_secs(8);

/// Deliveries a second, and how many are sent; the first are for warming up.
const PER_SECOND: u32 = 200;
const DELIVERIES: u32 = 20 * PER_SECOND;
const WARMING_UP: usize = 2 * PER_SECOND as usize;

/// A running `ttr` on a store of its own.
struct Program {
    child: Child,
    url: String,
    client: Client,
    _folder: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

impl Program {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ttr"))
            .arg("--config")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Leptos.toml"))
            .env_clear()
            .env("DATABASE_URL", format!("sqlite://{}", folder.path().join("bench.db").display()))
            .env("LEPTOS_SITE_ADDR", addr.to_string())
            .env("WHOP_WEBHOOK_SECRET", SECRET)
            .env("WHOP_PLAN_ID", "plan_1")
            .env("AUREA_ADMIN_TOKEN", "token-of-the-bench")
            .env("AUREA_RECEIVE_KEYS", "key-of-the-bench:ttr")
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self { child, url: format!("http://{addr}"), client: Client::new(), _folder: folder };
        while !program
            .client
            .get(format!("{}/health/ready", program.url))
            .send()
            .await
            .is_ok_and(|a| a.status() == 200)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// The most memory that it has ever had, MiB.
    fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

pub(crate) fn measure(table: &mut Table) {
    Runtime::new().unwrap().block_on(async {
        let program = Arc::new(Program::start().await);
        for (size, called) in [(10, "tens"), (1, "ones")] {
            let rate = events_per_second(&program, size).await;
            table.note(&format!("over HTTP, {called}: events/s"), rate);
        }
        let waits = deliveries(&program).await;
        for (share, called, limit) in
            [(0.5, "half", None), (0.99, "99 %", Some(100.0)), (0.999, "99.9 %", Some(500.0))]
        {
            let what = format!("deliveries at {PER_SECOND}/s, {called} answered within: ms");
            let wait = share_of(&waits, share);
            match limit {
                Some(limit) => table.at_most(&what, wait, limit),
                None => table.note(&what, wait),
            }
        }
        let slowest = waits.last().copied().unwrap();
        table.at_most("the slowest answer to a delivery: ms", slowest, 1000.0);
        table.at_most("most memory over all of it: MiB", program.peak_memory(), 128.0);
    });
}

async fn events_per_second(program: &Arc<Program>, size: i64) -> f64 {
    let (events, begun) = (Arc::new(Events::default()), Instant::now());
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (program, events) = (Arc::clone(program), Arc::clone(&events));
        senders.spawn(async move {
            let mut taken = 0.0;
            while begun.elapsed() < POSTING {
                let request = program.post("/api/track/events").header("x-aurea-api-key", "key-of-the-bench");
                let request = request.header("x-aurea-funnel-id", "ttr").json(&events.body(size));
                assert_eq!(request.send().await.unwrap().status(), 200);
                #[allow(clippy::cast_precision_loss)] // 1 or 10
                {
                    taken += size as f64;
                }
            }
            taken
        });
    }
    let taken: f64 = senders.join_all().await.into_iter().sum();
    taken / begun.elapsed().as_secs_f64()
}

/// How long each delivery waited for its answer, sorted, ms.
async fn deliveries(program: &Arc<Program>) -> Vec<f64> {
    let requests: Vec<RequestBuilder> = (0..DELIVERIES).map(|number| delivery(program, number)).collect();
    let begun = tokio::time::Instant::now() + Duration::from_millis(100);
    let mut sends = JoinSet::new();
    for (request, number) in requests.into_iter().zip(0..) {
        sends.spawn(async move {
            let meant = begun + Duration::from_secs(1) / PER_SECOND * number;
            tokio::time::sleep_until(meant).await;
            assert_eq!(request.send().await.unwrap().status(), 200);
            (number, meant.elapsed().as_secs_f64() * 1000.0)
        });
    }
    let mut waits = sends.join_all().await;
    waits.sort_by_key(|(number, _)| *number);
    let mut waits: Vec<f64> = waits.into_iter().skip(WARMING_UP).map(|(_, wait)| wait).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

fn delivery(program: &Program, number: u32) -> RequestBuilder {
    let id = format!("msg_{number}");
    let metadata = json!({"aurea_anonymous_id": "a1", "aurea_session_id": format!("s{number}")});
    let body = json!({
        "id": id, "api_version": "v1", "type": "payment.succeeded",
        "data": {"id": format!("pay_{number}"), "total": 99.0, "currency": "usd", "metadata": metadata},
    })
    .to_string();
    let seconds = server::clock::now() / 1000;
    let signer = standardwebhooks::Webhook::from_bytes(SECRET.as_bytes().to_vec()).unwrap();
    program
        .post("/api/webhooks/whop")
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signer.sign(&id, seconds, body.as_bytes()).unwrap())
        .body(body)
}

/// The wait that so large a share of the sorted waits stays within.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // a few thousand
fn share_of(waits: &[f64], share: f64) -> f64 {
    waits[((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len()) - 1]
}
