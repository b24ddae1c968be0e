//! The owner's screens, as HTML over HTTP.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{TOKEN, TestApp, batch, metadata, payment};

async fn screen(app: &TestApp, path: &str) -> (StatusCode, String) {
    let answer = app.get(path).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    (answer.status(), answer.text().await.unwrap())
}

async fn html(app: &TestApp, path: &str) -> String {
    let (status, html) = screen(app, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {html}");
    html
}

#[tokio::test]
async fn a_purchase_is_seen_on_every_screen() {
    let app = TestApp::start().await;
    let now = server::clock::now();
    app.browser_posts(&batch(
        "s1",
        &[("page_view", now - 9000), ("faq_opened", now - 8000), ("checkout_started", now - 7000)],
    ))
    .await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(now - 7000))).await;
    for path in ["/aurea", "/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions"] {
        assert!(html(&app, path).await.contains("99.00"), "{path}");
    }
    let session = html(&app, "/aurea/funnels/ttr/sessions/s1").await;
    for part in ["msg_1", "pay_1", "payment.succeeded", "At the checkout", "data-live="] {
        assert!(session.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_session_that_somebody_filled_without_end_is_shown_with_its_money_and_its_count() {
    let app = TestApp::start().await;
    let now = server::clock::now();
    app.browser_posts(&batch("s1", &[("page_view", now - 9_000_000)])).await;
    let store = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
    store.busy_timeout(Duration::from_secs(20)).unwrap();
    store
        .execute_batch(
            "BEGIN IMMEDIATE;
             WITH RECURSIVE number (it) AS (SELECT 1 UNION ALL SELECT it + 1 FROM number WHERE it < 21000)
             INSERT INTO event (funnel, source, event_id, session_id, name, properties, timestamp, received_at)
             SELECT funnel, source, 'filler' || it, session_id, 'filler', '{}', timestamp + it, received_at
             FROM event, number;
             UPDATE session SET events = events + 21000;
             COMMIT;",
        )
        .unwrap();
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(now - 7000))).await;
    let page = html(&app, "/aurea/funnels/ttr/sessions/s1?cursor=19990").await;
    assert!(page.contains(r#"data-events="21003""#), "what there is");
    assert!(page.contains("checkout_completed"), "what tells of money");
    let session = app.owner("ttr/sessions/s1?cursor=19990").await;
    assert_eq!((&session["conversionValue"], &session["state"]), (&json!(99), &json!("converted")));
    assert_eq!(
        session["events"].as_array().unwrap().len(),
        12,
        "the first 20,000 and the two of the payment"
    );
}

#[tokio::test]
async fn a_filter_lists_what_fits_and_a_bad_one_says_why() {
    let app = TestApp::start().await;
    let now = server::clock::now();
    app.browser_posts(&batch("s-faq", &[("page_view", now), ("faq_opened", now)])).await;
    app.browser_posts(&batch("s-plain", &[("page_view", now)])).await;
    let list = html(&app, "/aurea/funnels/ttr/sessions?event=faq_opened&state=&from=").await;
    assert!(list.contains("s-faq") && !list.contains("s-plain"));
    let (status, list) = screen(&app, "/aurea/funnels/ttr/sessions?from=yesterday").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(list.contains("must be a day such as"));
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let app = TestApp::start().await;
    for (path, what) in [
        ("/aurea/funnels/ttr/sessions/unknown", "session"),
        ("/aurea/funnels/ttr/sessions/a%20b", "session"),
        ("/aurea/funnels/a%20b", "funnel"),
        ("/aurea/nonsense", "page"),
    ] {
        let (status, html) = screen(&app, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let title = format!("<h1>There is no such <bdi>{what}</bdi></h1>");
        assert!(html.contains(&title), "{path}: {html}");
    }
    html(&app, "/aurea").await;
    html(&app, "/aurea/funnels/ttr/sessions").await;
}

#[tokio::test]
async fn the_screens_files_are_cached_for_ever_and_need_no_login() {
    let app = TestApp::start().await;
    let login = app.get("/aurea/login").send().await.unwrap().text().await.unwrap();
    let from = login.find("/aurea/assets/").unwrap();
    let path = &login[from..from + login[from..].find('"').unwrap()];
    let file = app.get(path).send().await.unwrap();
    assert_eq!(
        (file.status(), &file.headers()["content-type"]),
        (StatusCode::OK, &"text/css; charset=utf-8".parse().unwrap())
    );
    assert!(file.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let old = app.get("/aurea/assets/aurea.000000000000.css").send().await.unwrap();
    assert_eq!(old.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hostile_text_is_shown_as_text() {
    let app = TestApp::start().await;
    let nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{0}\u{202e}";
    let body = json!({ "events": [{
        "eventName": nasty, "properties": {nasty: nasty}, "timestamp": 1000,
        "context": {"user": {}, "session": {"sessionId": "s1"},
            "page": {"url": format!("https://t.example/?utm_source={nasty}"), "referrer": format!("https://r.example/{nasty}")}},
    }]});
    assert_eq!(app.browser_posts(&body).await.status(), StatusCode::OK);
    for path in ["/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions", "/aurea/funnels/ttr/sessions/s1"] {
        let html = html(&app, path).await;
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{path}");
    }
}

#[tokio::test]
async fn events_of_any_length_make_a_page_that_a_browser_can_show() {
    let app = TestApp::start().await;
    let event = |properties| {
        json!({ "events": [{
            "eventName": "x", "properties": properties, "timestamp": 1000,
            "context": {"user": {}, "session": {"sessionId": "s1"}},
        }]})
    };
    assert_eq!(app.browser_posts(&event(json!({"short": "in full"}))).await.status(), StatusCode::OK);
    let short = html(&app, "/aurea/funnels/ttr/sessions/s1").await;
    assert!(short.contains("in full") && !short.contains("cut here") && !short.contains("too long"));
    for number in 0..30 {
        let long = event(json!({"long": "<".repeat(30_000), "number": number}));
        assert_eq!(app.browser_posts(&long).await.status(), StatusCode::OK);
    }
    let long = html(&app, "/aurea/funnels/ttr/sessions/s1").await;
    assert!(long.len() < 1_000_000, "{} bytes", long.len());
    assert!(long.contains("cut here") && long.contains("too long"), "it says what is not shown");
}

#[tokio::test]
async fn an_open_timeline_is_told_of_a_change_and_of_no_other() {
    let app = TestApp::start().await;
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    let mut stream = app.get("/aurea/funnels/ttr/sessions/s1/live").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    app.browser_posts(&batch("s2", &[("page_view", 2000)])).await;
    let quiet = tokio::time::timeout(Duration::from_millis(300), stream.chunk()).await;
    assert!(quiet.is_err(), "another session's change is none of this one's");
    app.browser_posts(&batch("s1", &[("faq_opened", 3000)])).await;
    let told = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&told).contains("event: changed\ndata: changed\n\n"));
}

#[tokio::test]
async fn a_query_that_says_two_things_is_refused() {
    let app = TestApp::start().await;
    let (status, _) = screen(&app, "/aurea/funnels/ttr/sessions?state=active&state=ended").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    html(&app, &format!("/aurea/funnels/ttr/sessions/s1?cursor={}", u64::MAX)).await;
}
