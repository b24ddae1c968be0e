//! A fault of the program itself: it costs the request, the write or the try that met it, and nothing else. Real processes.

use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};
use serde_json::json;
use server::clock::now;

use crate::durability::{Program, free_address};
use crate::support::{SECRET, TestApp, asked, batch, metadata, payment, sign, until};

async fn start(folder: &std::path::Path, more: &[(&str, &str)]) -> Program {
    Program::start_at(folder, free_address(), more).await
}

async fn delivers(program: &Program, id: &str) -> Response {
    let (body, seconds) = (payment("pay_1", &metadata(now() - 1000)), now() / 1000);
    let request = program
        .client
        .post(format!("{}/api/webhooks/whop", program.url))
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, id, seconds, &body));
    request.body(body).send().await.unwrap()
}

async fn is_ready(program: &Program) -> bool {
    let answer = program.client.get(format!("{}/health/ready", program.url)).send().await.unwrap();
    answer.status() == StatusCode::OK
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_and_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let program = start(folder.path(), &[("FAILPOINTS", "delivery.verified=1*panic")]).await;
    assert_eq!(delivers(&program, "msg_1").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(is_ready(&program).await);
    assert_eq!(delivers(&program, "msg_1").await.status(), StatusCode::OK, "Whop's next try");
    assert_eq!(program.session("s1").await["conversionValue"], 99);
    assert_eq!(asked::<i64>(folder.path(), "SELECT count(*) FROM delivery"), 1);
}

#[tokio::test]
async fn a_panic_in_a_write_rolls_it_back_and_the_next_one_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let program = start(folder.path(), &[("FAILPOINTS", "delivery.before_commit=1*panic")]).await;
    let answer = delivers(&program, "msg_1").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(asked::<i64>(folder.path(), "SELECT count(*) FROM payment"), 0);
    assert!(is_ready(&program).await);
    assert_eq!(delivers(&program, "msg_1").await.status(), StatusCode::OK);
    assert_eq!(program.session("s1").await["conversionValue"], 99);
}

/// A program that forwards to `remote` and meets these failpoints; returns when the remote knows the session.
async fn forwards_although(failpoints: &str) -> Duration {
    let remote = TestApp::start_with(&[("AUREA_RECEIVE_KEYS", "key-of-the-remote:ttr")]).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/api", remote.url);
    let more = [("AUREA_API_URL", &*url), ("AUREA_API_KEY", "key-of-the-remote"), ("FAILPOINTS", failpoints)];
    let program = start(folder.path(), &more).await;
    let begun = Instant::now();
    let pulse = format!("{}/api/pulse", program.url);
    let request = program.client.post(pulse).header("sec-fetch-site", "same-origin");
    let answer = request.json(&batch("s1", &[("page_view", 1000)])).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    until("the remote knows it", || async {
        asked::<i64>(remote.folder(), "SELECT count(*) FROM event") == 1
    })
    .await;
    until("nothing waits", || async { asked::<i64>(folder.path(), "SELECT count(*) FROM outbox") == 0 })
        .await;
    assert_eq!(remote.session("s1").await["events"][0]["eventName"], json!("page_view"));
    begun.elapsed()
}

#[tokio::test]
async fn a_panic_in_a_send_is_a_try_that_failed() {
    let took = forwards_although("outbox.claimed=1*panic").await;
    assert!(took < Duration::from_secs(30), "it did not wait for the claim's end: {took:?}");
}

#[tokio::test]
async fn a_lane_that_breaks_begins_anew() {
    let took = forwards_although("outbox.lane=2*panic").await;
    assert!(took < Duration::from_secs(30), "{took:?}");
}
