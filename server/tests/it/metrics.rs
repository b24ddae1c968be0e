//! What machines read at `/metrics`, and who may.
#![allow(clippy::float_cmp)] // what is counted is whole

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::json;
use server::accept::{self, Settings};
use server::client::Clients;
use server::clock::now;
use server::metrics::Metrics;
use server::ops::metrics::Board;
use server::stopping::Stopping;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::durability::free_address;
use crate::support::{TOKEN, TestApp, batch, metadata, payment, sign, until};

/// Series by name and labels.
type Series = BTreeMap<String, f64>;

/// Reads the text as Prometheus does, and more strictly: each series once, below the type of its family.
fn read(text: &str) -> Series {
    let (mut series, mut family) = (Series::new(), "");
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().unwrap();
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(family), "{line} stands below {family}");
            let twice = series.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(twice, None, "{name}");
        }
    }
    series
}

async fn scrape(app: &TestApp) -> Series {
    let answer = app.get("/metrics").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    read(&answer.text().await.unwrap())
}

#[tokio::test]
async fn what_happened_is_counted() {
    let app = TestApp::start().await;
    let events = batch("s1", &[("page_view", 1000), ("faq_opened", 2000), ("checkout_completed", 3000)]);
    app.browser_posts(&events).await;
    app.browser_posts(&events).await;
    app.key_holder_posts(&batch("s2", &[("page_view", 1000)])).await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(now() - 1000))).await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(now() - 1000))).await;
    app.whop_delivers("msg_2", &payment("pay_2", &json!({}))).await;
    app.whop_delivers("msg_3", r#"{"type":"membership.activated"}"#).await;
    app.whop_delivers("msg_4", "no JSON").await;
    let seconds = now() / 1000;
    app.delivery("msg_5", seconds, &sign("ws_wrong", "msg_5", seconds, "{}"), "{}").await;
    app.get("/aurea/nothing/here").send().await.unwrap();

    let series = scrape(&app).await;
    for (name, value) in [
        (r#"ttr_events_total{source="browser",result="ok"}"#, 2.0),
        (r#"ttr_events_total{source="browser",result="duplicate"}"#, 2.0),
        (r#"ttr_events_total{source="browser",result="dropped"}"#, 2.0),
        (r#"ttr_events_total{source="browser",result="retry"}"#, 0.0),
        (r#"ttr_events_total{source="key",result="ok"}"#, 1.0),
        (r#"ttr_events_total{source="server",result="ok"}"#, 2.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="recorded"}"#, 2.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="duplicate"}"#, 1.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="ignored"}"#, 1.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="unparsable"}"#, 1.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="rejected"}"#, 1.0),
        (r#"ttr_deliveries_total{provider="whop",outcome="failed"}"#, 0.0),
        (r#"ttr_request_seconds_count{route="/api/pulse",class="2xx"}"#, 2.0),
        (r#"ttr_request_seconds_count{route="/api/webhooks/whop",class="2xx"}"#, 5.0),
        (r#"ttr_request_seconds_count{route="/api/webhooks/whop",class="4xx"}"#, 1.0),
        (r#"ttr_revenue_minor{funnel="ttr",currency="USD"}"#, 9900.0),
        (r#"ttr_conversions{funnel="ttr",currency="USD"}"#, 1.0),
        (r#"ttr_unattributed_minor{funnel="ttr",currency="USD"}"#, 9900.0),
        (r#"ttr_unattributed_payments{funnel="ttr",currency="USD"}"#, 1.0),
        ("ttr_commits_failed_total", 0.0),
        ("ttr_store_readable", 1.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name} in {series:#?}");
    }
    assert!(series["ttr_commit_seconds_count"] >= 7.0 && series["ttr_commit_writes_sum"] >= 7.0);
    let there =
        ["ttr_connections", "ttr_store_bytes", "ttr_disk_free_bytes", "process_resident_memory_bytes"];
    for name in there {
        assert!(series[name] > 0.0, "{name}");
    }
    assert!(series["process_start_time_seconds"] > 1.7e9);
    assert!(series.keys().any(|name| name.starts_with("ttr_build_info{version=")));
    // A refusal waits for nothing, so that it is counted a little later than it is answered.
    until("a row of refusals is shown", async || {
        scrape(&app).await[r#"ttr_refused_in_a_row{provider="whop"}"#] == 1.0
    })
    .await;
}

#[tokio::test]
async fn what_waits_and_what_is_parked_is_shown_for_each_destination() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = format!("http://{}/api", listener.local_addr().unwrap());
    let answer = |body: String| async move {
        if body.contains("bad") { StatusCode::BAD_REQUEST } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let router = Router::new().route("/api/track/events", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let app = TestApp::start_with(&[("AUREA_API_URL", &remote), ("AUREA_API_KEY", "k")]).await;
    app.browser_posts(&batch("bad", &[("page_view", 1000)])).await;
    app.browser_posts(&batch("good", &[("page_view", 1000)])).await;
    let stands = async {
        loop {
            let series = scrape(&app).await;
            let of_aurea = |name: &str| series[&format!(r#"{name}{{destination="aurea"}}"#)];
            let (waiting, parked) = (of_aurea("ttr_outbox_waiting"), of_aurea("ttr_outbox_parked"));
            if (waiting, parked) == (1.0, 1.0) && of_aurea("ttr_outbox_oldest_seconds") > 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stands).await.expect("one waits and one is parked");
}

#[tokio::test]
async fn in_production_the_figures_are_the_owners_unless_they_are_opened() {
    let production = [("SITE_URL", "https://ttr.example")];
    let opened = [production[0], ("TTR__SITE__METRICS", "open")];
    for (more, without_token) in [(&production[..], 401), (&opened[..], 200), (&[], 200)] {
        let app = TestApp::start_with(more).await;
        let ask = async |token: Option<&str>| {
            let request = app.get("/metrics");
            let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
            request.send().await.unwrap()
        };
        let answer = ask(None).await;
        assert_eq!(answer.status(), without_token, "{more:?}");
        assert_eq!(answer.text().await.unwrap().contains("ttr_store"), without_token == 200, "{more:?}");
        assert_eq!(ask(Some(TOKEN)).await.status(), 200, "{more:?}");
        if without_token == 401 {
            assert_eq!(ask(Some("wrong")).await.status(), 401);
        }
    }
}

#[tokio::test]
async fn nobody_can_make_a_series_by_what_they_send() {
    let app = TestApp::start().await;
    let names = async || scrape(&app).await.into_keys().collect::<Vec<_>>();
    let ask = async |n: usize| {
        app.get(&format!("/canary{n}?canary={n}")).send().await.unwrap();
        app.get(&format!("/aurea/funnels/canary{n}/sessions")).bearer_auth(TOKEN).send().await.unwrap();
        app.post(&format!("/api/webhooks/canary{n}")).send().await.unwrap();
        app.post("/api/pulse").header("x-aurea-api-key", format!("canary{n}")).send().await.unwrap();
        app.browser_posts(&batch(&format!("canary{n}"), &[(&format!("canary{n}"), 1000)])).await;
        let method = reqwest::Method::from_bytes(format!("CANARY{n}").as_bytes()).unwrap();
        reqwest::Client::new().request(method, format!("{}/", app.url)).send().await.unwrap();
    };
    names().await; // which is a request, too
    ask(0).await;
    let before = names().await;
    for n in 1..20 {
        ask(n).await;
    }
    let after = names().await;
    assert_eq!(before, after);
    assert!(!after.concat().to_lowercase().contains("canary"), "{after:?}");
}

/// The names of our metrics in a line.
fn metrics_in(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("ttr_"))
}

#[tokio::test]
async fn every_metric_that_an_alert_asks_for_is_there_and_the_page_for_the_night_explains_each_alert() {
    let alerts = include_str!("../../../docs/alerts.yml");
    let page = include_str!("../../../docs/operations.md");
    let named: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let explained: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(named.len() > 10);
    assert_eq!(named, explained);

    let remote = format!("http://{}/api", free_address());
    let app = TestApp::start_with(&[("AUREA_API_URL", &remote), ("AUREA_API_KEY", "k")]).await;
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    app.whop_delivers("msg_1", &payment("pay_1", &json!({}))).await;
    let series = scrape(&app).await;
    let there = |metric: &str| series.keys().any(|name| name.split('{').next() == Some(metric));
    let asked: Vec<&str> = alerts
        .lines()
        .filter(|line| line.contains("expr: "))
        .chain(page.lines())
        .flat_map(metrics_in)
        .collect();
    assert!(asked.len() > 10);
    for metric in asked {
        // The page speaks of a histogram by its name.
        assert!(there(metric) || there(&format!("{metric}_bucket")), "{metric} in {series:#?}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_read_hides_no_count() {
    let app = TestApp::start().await;
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    let store = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
    store.execute_batch("DROP TABLE payment").unwrap();
    let series = scrape(&app).await;
    assert_eq!(series["ttr_store_readable"], 0.0);
    assert_eq!(series[r#"ttr_events_total{source="browser",result="ok"}"#], 1.0);
}

#[tokio::test]
async fn open_connections_are_counted_and_those_that_found_no_place() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let metrics = Arc::new(Metrics::default());
    let settings = Settings { connections: 1, ..Settings::default() };
    let router = Router::new().route("/", get(|| async {}));
    let (clients, stopping) = (Clients::new(Vec::new()), Stopping::default());
    let served = tokio::spawn(accept::serve(
        listener,
        router,
        settings,
        clients,
        stopping.clone(),
        Arc::clone(&metrics),
    ));
    let open = TcpStream::connect(addr).await.unwrap();
    let mut refused = TcpStream::connect(addr).await.unwrap();
    let _ = refused.read(&mut [0]).await; // closed, or reset
    let series = read(&Board::new(&metrics).text());
    assert_eq!((series["ttr_connections"], series["ttr_connections_refused_total"]), (1.0, 1.0));
    drop(open);
    stopping.begin();
    served.await.unwrap();
    assert_eq!(read(&Board::new(&metrics).text())["ttr_connections"], 0.0);
}
