//! The buyer comes back from the checkout.

use reqwest::header;
use serde_json::{Value, json};
use url::Url;

use crate::checkout::{FORM, Remote, buy, remote_whop};
use crate::support::{TestApp, asked, metadata, payment, until};

/// An application whose checkouts Whop's API makes, and what that API was asked.
async fn in_api_mode() -> (TestApp, Remote) {
    let answer = json!({"id": "ch_1", "purchase_url": "https://whop.com/checkout/plan_1/?session=ch_1"});
    let (api_url, remote) = remote_whop(Some(answer)).await;
    let env = [("WHOP_API_KEY", "k"), ("WHOP_PLAN_ID", "plan_1"), ("WHOP_API_URL", &api_url)];
    (TestApp::start_with(&env).await, remote)
}

/// The return URLs that Whop was given, as paths of the site.
fn return_paths(remote: &Remote) -> Vec<String> {
    let path = |body: &Value| {
        let url = Url::parse(body["redirect_url"].as_str().unwrap()).unwrap();
        format!("{}?{}", url.path(), url.query().unwrap_or_default())
    };
    remote.lock().unwrap().0.iter().map(|(_, body)| path(body)).collect()
}

/// The return page: what it says of the payment, and its HTML.
async fn return_page(app: &TestApp, path: &str) -> (String, String) {
    let answer = app.get(path).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store", "{path}");
    let html = answer.text().await.unwrap();
    let (_, rest) = html.split_once("data-return=\"").unwrap();
    (rest.split_once('"').unwrap().0.to_owned(), html)
}

/// What the open page is answered.
async fn asked_again(app: &TestApp, query: &str) -> Value {
    let answer = app.get(&format!("/api/checkout/return?{query}")).send().await.unwrap();
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    answer.json::<Value>().await.unwrap()["returned"].clone()
}

/// The checkout of session `s1` as it is kept.
async fn started_at(app: &TestApp, checkout: usize) -> i64 {
    let kept = || async { app.session("s1").await["checkouts"][checkout]["startedAt"].as_i64() };
    until("the checkout is kept", || async { kept().await.is_some() }).await;
    kept().await.unwrap()
}

#[tokio::test]
async fn the_return_page_waits_and_then_says_confirmed() {
    let (app, remote) = in_api_mode().await;
    buy(&app, FORM).await;
    let path = return_paths(&remote).remove(0);
    let (_, query) = path.split_once('?').unwrap();
    let started_at = started_at(&app, 0).await;

    let (returned, html) = return_page(&app, &path).await;
    assert_eq!(returned, "waiting");
    assert!(html.contains(r#"<noscript><meta http-equiv="refresh""#), "asks again without scripts");
    assert_eq!(asked_again(&app, query).await, "waiting");

    app.whop_delivers("msg_1", &payment("pay_1", &metadata(started_at))).await;
    let (returned, html) = return_page(&app, &path).await;
    assert_eq!(returned, "confirmed");
    assert!(!html.contains("http-equiv=\"refresh\""), "a page that knows all is at rest");
    assert_eq!(asked_again(&app, query).await, "confirmed");
}

#[tokio::test]
async fn what_else_a_return_url_says_is_not_believed() {
    let (app, remote) = in_api_mode().await;
    buy(&app, FORM).await;
    started_at(&app, 0).await;
    let path = return_paths(&remote).remove(0);
    let (returned, _) = return_page(&app, &format!("{path}&payment_id=pay_1&checkout_status=success")).await;
    assert_eq!(returned, "waiting");
    for query in [
        "",
        "?status=success&payment_id=pay_1",
        "?token=",
        "?token=success",
        "?token=00000000000000000000000000000000",
        "?token=a&token=b",
        "?token=%ff%00",
        "?sessionId=s1",
    ] {
        assert_eq!(return_page(&app, &format!("/thank-you{query}")).await.0, "unknown", "{query}");
    }
    for query in ["", "sessionId=nobody", "sessionId=%00", "token=x&sessionId=", "sessionId=s1&sessionId=s1"]
    {
        assert_eq!(asked_again(&app, query).await, "unknown", "{query}");
    }
}

#[tokio::test]
async fn without_a_token_an_open_page_asks_by_the_session_of_its_browser() {
    let app = TestApp::start().await;
    buy(&app, FORM).await;
    let started_at = started_at(&app, 0).await;
    assert_eq!(asked_again(&app, "sessionId=s1").await, "waiting");
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(started_at))).await;
    assert_eq!(asked_again(&app, "sessionId=s1").await, "confirmed");
}

#[tokio::test]
async fn an_earlier_payment_confirms_no_later_checkout() {
    let app = TestApp::start().await;
    buy(&app, FORM).await;
    let first = started_at(&app, 0).await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(first))).await;
    until("time goes on", || async { server::clock::now() > first }).await;
    let again: Vec<_> =
        FORM.iter().map(|(key, value)| (*key, if *key == "click_id" { "c2" } else { *value })).collect();
    buy(&app, &again).await;
    let second = started_at(&app, 1).await;
    assert_eq!(asked_again(&app, "sessionId=s1").await, "waiting");
    app.whop_delivers("msg_2", &payment("pay_2", &metadata(second))).await;
    assert_eq!(asked_again(&app, "sessionId=s1").await, "confirmed");
}

#[tokio::test]
async fn a_click_that_is_sent_again_begins_the_same_checkout() {
    let (app, remote) = in_api_mode().await;
    let now = server::clock::now().to_string();
    let form: Vec<_> = FORM.iter().copied().chain([("started_at", now.as_str())]).collect();
    buy(&app, &form).await;
    buy(&app, &form).await;
    let asked = remote.lock().unwrap().0.clone();
    assert_eq!(asked[0].1, asked[1].1, "the same key must come with the same body");
    assert_eq!(asked[0].0["idempotency-key"], asked[1].0["idempotency-key"]);
    started_at(&app, 0).await;
    assert_eq!(app.session("s1").await["checkouts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_token_is_kept_nowhere() {
    let (app, remote) = in_api_mode().await;
    buy(&app, FORM).await;
    started_at(&app, 0).await;
    let path = return_paths(&remote).remove(0);
    let token = path.split_once("token=").unwrap().1;
    let view = json!({"events": [{
        "eventName": "page_view", "timestamp": 1, "properties": {},
        "context": {
            "user": {"anonymousId": "a1"}, "session": {"sessionId": "s1"},
            "page": {"url": format!("{}{path}", app.url), "referrer": ""},
        },
    }]});
    assert_eq!(app.browser_posts(&view).await.status(), 200);
    let url: String = asked(app.folder(), "SELECT page_url FROM event WHERE name = 'page_view'");
    assert_eq!(url, format!("{}/thank-you", app.url));
    let hash: Vec<u8> = asked(app.folder(), "SELECT return_hash FROM checkout");
    assert_eq!(hash.len(), 32);
    assert_ne!(hash, token.as_bytes(), "only its hash is kept");
}
