//! The provider's own list against the ledger: what no delivery brought is kept, what differs is said.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path as Segment, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use axum::{Router, serve};
use serde_json::{Value, json};
use server::clock::now;
use server::domain::DAY;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::durability::{Program, free_address};
use crate::support::{TOKEN, asked, batch, environment, leptos_toml, metadata, until};
use crate::upstream::{Upstream, says};

type Asked = BTreeMap<String, String>;

/// A Whop that lists what the test says, one item a page, to whom has its key.
struct Whop {
    url: String,
    lists: Arc<Lists>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Lists {
    /// A list that the key may not see.
    refused: Mutex<Option<&'static str>>,
    items: Mutex<BTreeMap<&'static str, Vec<Value>>>,
    asked: Mutex<Vec<(String, Asked)>>,
}

impl Drop for Whop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Whop {
    async fn start() -> Self {
        let lists = Arc::<Lists>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let router = Router::new().route("/api/v1/{what}", get(list)).with_state(Arc::clone(&lists));
        let server = tokio::spawn(async move { serve(listener, router).await.unwrap() });
        Self { url, lists, server }
    }

    fn lists(&self, what: &'static str, item: Value) {
        self.lists.items.lock().unwrap().entry(what).or_default().push(item);
    }

    fn environment(&self) -> [(&str, &str); 4] {
        [
            ("WHOP_API_URL", self.url.as_str()),
            ("WHOP_API_KEY", "apik_1"),
            ("WHOP_PLAN_ID", "plan_1"),
            ("WHOP_COMPANY_ID", "biz_1"),
        ]
    }

    /// `ttr reconcile` on the store in this folder.
    async fn reconciled(&self, folder: &Path) -> Output {
        self.asked_for("30d", folder, &[]).await
    }

    async fn reconciled_since(&self, since: &str, folder: &Path) -> Output {
        self.asked_for(since, folder, &[]).await
    }

    async fn asked_for(&self, since: &str, folder: &Path, more: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
        command.args(["reconcile", "--since", since, "--config"]).arg(leptos_toml()).env_clear();
        command.envs(environment(&folder.join("ttr.db"), free_address())).envs(self.environment());
        command.envs(more.iter().copied());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

async fn list(
    State(lists): State<Arc<Lists>>,
    Segment(what): Segment<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer apik_1") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if lists.refused.lock().unwrap().is_some_and(|refused| refused == what) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut items = lists.items.lock().unwrap().get(what.as_str()).cloned().unwrap_or_default();
    items.retain(|item| {
        item["created_at"].as_str().is_none_or(|at| millis(at) > millis(&asked["created_after"]))
    });
    let place: usize = asked.get("after").map_or(0, |cursor| cursor.parse().unwrap());
    lists.asked.lock().unwrap().push((what, asked));
    let page: Vec<&Value> = items.iter().skip(place).take(1).collect();
    let next = place + 1;
    let info = json!({"end_cursor": next.to_string(), "has_next_page": next < items.len()});
    Json(json!({"data": page, "page_info": info})).into_response()
}

fn iso(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

fn millis(iso: &str) -> i64 {
    iso.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn days_ago(days: i64) -> i64 {
    now() - days * DAY
}

/// An item of Whop's list of payments.
fn paid(id: &str, total: f64, metadata: &Value) -> Value {
    let at = iso(now() - 10_000);
    json!({
        "id": id, "status": "paid", "total": total, "currency": "usd", "billing_reason": "one_time",
        "created_at": at, "paid_at": at, "metadata": metadata,
    })
}

fn with(mut item: Value, changes: &Value) -> Value {
    item.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    item
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn session(folder: &TempDir) -> Value {
    let program = Program::start_at(folder.path(), free_address(), &[("TTR__RECONCILE__EVERY", "0s")]).await;
    program.session("s1").await
}

#[tokio::test]
async fn what_no_delivery_brought_is_found_by_the_command_and_converts_its_session() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    whop.lists("payments", json!({"id": "pay_0", "status": "open", "total": 5, "currency": "usd"}));
    whop.lists("payments", paid("pay_1", 99.0, &metadata(now() - 60_000)));
    whop.lists("refunds", json!({"id": "rfd_1", "amount": 10, "currency": "usd", "status": "succeeded", "payment": {"id": "pay_1"}}));
    let first = whop.reconciled(folder.path()).await;
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(
        text(&first).contains("no delivery had brought it: payment pay_1 of 99.00 USD, session s1"),
        "{}",
        text(&first)
    );
    assert!(text(&first).contains("refund rfd_1 of 10.00 USD, payment pay_1"), "{}", text(&first));
    let again = whop.reconciled(folder.path()).await;
    assert!(text(&again).contains("all of it is here"), "{}", text(&again));
    let asked = whop.lists.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.0.as_str(), asked.1["company_id"].as_str()), ("payments", "biz_1"));
    assert!(asked.1["created_after"].starts_with("20"));
    let session = session(&folder).await;
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(89)));
    assert_eq!(session["conversions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_may_not_see_disputes_finds_the_rest() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    whop.lists("payments", paid("pay_1", 99.0, &metadata(now() - 60_000)));
    *whop.lists.refused.lock().unwrap() = Some("disputes");
    let output = whop.reconciled(folder.path()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text(&output).contains("payment pay_1 of 99.00 USD, session s1"), "{}", text(&output));
    assert_eq!(session(&folder).await["converted"], true);
    *whop.lists.refused.lock().unwrap() = Some("refunds");
    let output = whop.reconciled(folder.path()).await;
    assert_eq!(output.status.code(), Some(1), "without refunds the comparison would be half of one");
}

#[tokio::test]
async fn what_is_decided_long_after_it_began_is_found() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    let old = json!({"created_at": iso(days_ago(25)), "paid_at": iso(days_ago(25))});
    whop.lists("payments", with(paid("pay_old", 99.0, &metadata(days_ago(25) - 60_000)), &old));
    whop.reconciled(folder.path()).await;

    let late = json!({"created_at": iso(days_ago(10)), "paid_at": iso(days_ago(6))});
    whop.lists("payments", with(paid("pay_late", 49.0, &json!({})), &late));
    whop.lists(
        "refunds",
        json!({"id": "rfd_1", "amount": 10, "currency": "usd", "status": "succeeded",
        "payment": {"id": "pay_old"}, "created_at": iso(days_ago(11))}),
    );
    whop.lists(
        "disputes",
        json!({"id": "dspt_1", "amount": 89, "currency": "usd", "status": "won",
        "payment": {"id": "pay_old"}, "created_at": iso(days_ago(20))}),
    );
    whop.lists.asked.lock().unwrap().clear();
    let began = now();
    let found = whop.reconciled_since("7d", folder.path()).await;
    let took = now() - began;
    for line in
        ["payment pay_late of 49.00", "refund rfd_1 of 10.00", "dispute dspt_1 (won), payment pay_old"]
    {
        assert!(text(&found).contains(line), "{}", text(&found));
    }
    for (what, days) in [("payments", 37), ("refunds", 37), ("disputes", 127)] {
        let asked = whop.lists.asked.lock().unwrap();
        let (_, asked) = asked.iter().find(|(list, _)| list == what).unwrap();
        let after = millis(&asked["created_after"]) - (began - days * DAY);
        assert!((0..=took).contains(&after), "{what}: {}", asked["created_after"]);
    }
    // What was paid before that time may be missing there without a word.
    let late = whop.lists.items.lock().unwrap()["payments"][1].clone();
    *whop.lists.items.lock().unwrap() = [("payments", vec![late])].into();
    let again = whop.reconciled_since("7d", folder.path()).await;
    assert!(text(&again).contains("all of it is here"), "{}", text(&again));
    assert_eq!(session(&folder).await["netValue"], 89);
}

#[tokio::test]
async fn with_only_a_visitor_what_is_found_later_belongs_to_the_checkout_before_it_was_paid() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    let more = [&whop.environment()[..], &[("TTR__RECONCILE__EVERY", "50ms")]].concat();
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    let first = days_ago(2) - 3_600_000;
    for (session_id, at) in [("first", first), ("second", now() - 3_600_000)] {
        let request = program.client.post(format!("{}/api/track/events", program.url));
        let request = request.header("x-aurea-api-key", "key-1").header("x-aurea-funnel-id", "ttr");
        let answer = request.json(&batch(session_id, &[("checkout_started", at)])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let at = iso(first + 60_000);
    let metadata = json!({"aurea_anonymous_id": "a1"});
    whop.lists("payments", with(paid("pay_1", 99.0, &metadata), &json!({"created_at": at, "paid_at": at})));
    let sold = async |session_id| program.session(session_id).await["converted"] == true;
    until("it is found", async || sold("first").await || sold("second").await).await;
    assert!(sold("first").await && !sold("second").await);
    assert_eq!(program.stop(), Some(0));
}

#[tokio::test]
async fn what_differs_is_said_and_stays_as_it_is() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    whop.lists("payments", paid("pay_1", 99.0, &metadata(now() - 60_000)));
    whop.reconciled(folder.path()).await;
    whop.lists.items.lock().unwrap().insert("payments", vec![paid("pay_1", 49.0, &json!({}))]);
    let output = whop.reconciled(folder.path()).await;
    assert!(
        text(&output).contains("differs: payment pay_1: 99.00 USD here, 49.00 USD there"),
        "{}",
        text(&output)
    );
    whop.lists.items.lock().unwrap().clear();
    let output = whop.reconciled(folder.path()).await;
    assert!(text(&output).contains("pay_1 is here and not in the provider's list"), "{}", text(&output));
    assert_eq!(session(&folder).await["netValue"], 99);
}

#[tokio::test]
async fn a_provider_that_can_not_be_asked_is_named() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
    command.args(["reconcile", "--config"]).arg(leptos_toml()).env_clear();
    command.envs(environment(&folder.path().join("ttr.db"), free_address()));
    let without_key = command.output().unwrap();
    assert_eq!(without_key.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without_key.stderr).contains("whop: WHOP_API_KEY is not set"));
    let with_wrong_key = tokio::task::spawn_blocking({
        let url = whop.url.clone();
        move || {
            command.envs([("WHOP_API_URL", url.as_str()), ("WHOP_API_KEY", "wrong")]);
            command.envs([("WHOP_PLAN_ID", "plan_1"), ("WHOP_COMPANY_ID", "biz_1")]).output().unwrap()
        }
    });
    let stderr = with_wrong_key.await.unwrap().stderr;
    assert!(String::from_utf8_lossy(&stderr).contains("whop: the provider could not be asked"));
}

#[tokio::test]
async fn the_program_finds_by_itself_what_no_delivery_brought() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    let more = [&whop.environment()[..], &[("TTR__RECONCILE__EVERY", "50ms")]].concat();
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    whop.lists("payments", paid("pay_1", 99.0, &metadata(now() - 60_000)));
    let converted = async {
        while program.session("s1").await["converted"] != true {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), converted).await.expect("it is found");
    let url = format!("{}/api/aurea/funnels/ttr/payments", program.url);
    let payments: Value =
        program.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(payments["payments"][0]["reconciled"], true);
    assert_eq!(program.stop(), Some(0));
}

#[tokio::test]
async fn the_command_leaves_the_telling_to_the_program_that_serves() {
    let (whop, folder) = (Whop::start().await, tempfile::tempdir().unwrap());
    let upstream = Upstream::start(says(422)).await;
    let told = [("AUREA_API_URL", upstream.url.as_str()), ("AUREA_API_KEY", "k")];
    let more = [&told[..], &[("TTR__RECONCILE__EVERY", "0s")]].concat();
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    let post = program.client.post(format!("{}/api/pulse", program.url));
    post.header("sec-fetch-site", "same-origin")
        .json(&batch("s0", &[("page_view", 1000)]))
        .send()
        .await
        .unwrap();
    let parked = "SELECT count(*) FROM outbox WHERE due_at IS NULL";
    until("it is parked", || async { asked::<i64>(folder.path(), parked) == 1 }).await;
    upstream.now_says(says(200));
    let tries = upstream.calls().len();

    whop.lists("payments", paid("pay_1", 99.0, &metadata(now() - 60_000)));
    let output = whop.asked_for("30d", folder.path(), &told).await;
    assert!(text(&output).contains("is told by the ttr that serves"), "{}", text(&output));
    assert_eq!(asked::<i64>(folder.path(), parked), 1, "what was given up is the owner's to send");
    let key = upstream.calls()[0].key.clone();
    assert_eq!(upstream.calls().iter().filter(|call| call.key == key).count(), tries, "nor is it sent");

    let url = format!("{}/api/aurea/forward-conversions", program.url);
    program.client.post(url).bearer_auth(TOKEN).send().await.unwrap();
    until("all is told", || async { asked::<i64>(folder.path(), "SELECT count(*) FROM outbox") == 0 }).await;
    assert_eq!(program.stop(), Some(0));
}
