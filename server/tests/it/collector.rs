//! Events in.

use crate::support::{TestApp, batch, names};
use reqwest::StatusCode;
use serde_json::{Value, json};

fn results(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| result["result"].as_str().unwrap()).collect()
}

/// The seed's example, event by event, in the seed's body shape.
fn seed() -> Value {
    let event = |name: &str, timestamp: i64, properties: Value| {
        json!({
            "eventName": name, "properties": properties, "timestamp": timestamp,
            "context": {"user": {"anonymousId": "1234567890_abc123"}, "session": {"sessionId": "1234567890_xyz789"}},
        })
    };
    let paid = json!({"revenue": 99, "orderId": "whop_12345", "source": "whop_webhook", "sessionEnd": true});
    json!({"events": [
        event("page_view", 1_703_001_000_000, json!({})),
        event("scroll_depth_25", 1_703_001_005_000, json!({})),
        event("video_started", 1_703_001_010_000, json!({})),
        event("faq_opened", 1_703_001_030_000, json!({})),
        event("buy_button_clicked", 1_703_001_050_000, json!({})),
        event("checkout_started", 1_703_001_051_000, json!({})),
        event("checkout_completed", 1_703_001_200_000, paid),
        event("session_end", 1_703_001_201_000, json!({"converted": true, "revenue": 99, "duration": 149})),
    ]})
}

#[tokio::test]
async fn the_seeds_eight_events_give_the_seeds_session() {
    let app = TestApp::start().await;
    let answer: Value = app.key_holder_posts(&seed()).await.json().await.unwrap();
    assert_eq!(results(&answer), ["ok"; 8]);
    let session = app.session("1234567890_xyz789").await;
    let expected = json!([
        {"eventName": "page_view", "timestamp": 1_703_001_000_000_i64},
        {"eventName": "scroll_depth_25", "timestamp": 1_703_001_005_000_i64},
        {"eventName": "video_started", "timestamp": 1_703_001_010_000_i64},
        {"eventName": "faq_opened", "timestamp": 1_703_001_030_000_i64},
        {"eventName": "buy_button_clicked", "timestamp": 1_703_001_050_000_i64},
        {"eventName": "checkout_started", "timestamp": 1_703_001_051_000_i64},
        {"eventName": "checkout_completed", "timestamp": 1_703_001_200_000_i64,
         "properties": {"revenue": 99, "orderId": "whop_12345", "source": "whop_webhook", "sessionEnd": true}},
        {"eventName": "session_end", "timestamp": 1_703_001_201_000_i64,
         "properties": {"converted": true, "revenue": 99, "duration": 149}},
    ]);
    assert_eq!(session["events"], expected);
    assert_eq!(session["sessionId"], "1234567890_xyz789");
    assert_eq!(session["anonymousId"], "1234567890_abc123");
    assert_eq!(session["converted"], true);
    assert_eq!(session["conversionType"], "purchase");
    assert_eq!(session["conversionValue"], 99);
    assert_eq!(session["currency"], "USD");
    assert_eq!(session["totalDuration"], 201);
    assert_eq!(session["state"], "converted");
}

#[tokio::test]
async fn the_same_events_again_are_duplicates_and_change_nothing() {
    let app = TestApp::start().await;
    app.key_holder_posts(&seed()).await;
    let before = app.session("1234567890_xyz789").await;
    let answer: Value = app.key_holder_posts(&seed()).await.json().await.unwrap();
    assert_eq!(results(&answer), ["duplicate"; 8]);
    assert_eq!(app.session("1234567890_xyz789").await, before);
}

#[tokio::test]
async fn a_browser_that_says_that_money_came_in_is_dropped() {
    let app = TestApp::start().await;
    let answer: Value = app.browser_posts(&seed()).await.json().await.unwrap();
    assert_eq!(results(&answer), ["ok", "ok", "ok", "ok", "ok", "ok", "dropped", "ok"]);
    let session = app.session("1234567890_xyz789").await;
    assert_eq!(session["converted"], false);
    assert_eq!(session["state"], "abandoned");
    assert!(session.get("conversionValue").is_none());
}

#[tokio::test]
async fn one_bad_event_costs_no_other() {
    let app = TestApp::start().await;
    let mut body = batch("s1", &[("page_view", 1000), ("faq_opened", 2000), ("x", 3000)]);
    body["events"][1]["context"]["session"]["sessionId"] = json!("not an id");
    body["events"][2] = json!("not an event");
    let answer: Value = app.browser_posts(&body).await.json().await.unwrap();
    assert_eq!(results(&answer), ["ok", "dropped", "dropped"]);
    assert!(answer["results"][1]["detail"].as_str().unwrap().contains("sessionId"), "{answer}");
    assert_eq!(names(&app.session("s1").await), ["page_view"]);
}

#[tokio::test]
async fn an_event_id_is_one_event_for_each_sender() {
    let app = TestApp::start().await;
    let mut body = batch("s1", &[("page_view", 1000)]);
    body["events"][0]["eventId"] = json!("e1");
    let first: Value = app.browser_posts(&body).await.json().await.unwrap();
    let again: Value = app.browser_posts(&body).await.json().await.unwrap();
    let by_key: Value = app.key_holder_posts(&body).await.json().await.unwrap();
    assert_eq!(
        (results(&first), results(&again), results(&by_key)),
        (vec!["ok"], vec!["duplicate"], vec!["ok"])
    );
    assert_eq!(first["results"][0]["eventId"], "e1");
}

#[tokio::test]
async fn a_conversion_whose_event_is_a_duplicate_is_none() {
    let app = TestApp::start().await;
    let mut body = batch("s1", &[("checkout_completed", 1000)]);
    body["events"][0]["eventId"] = json!("e1");
    body["events"][0]["properties"] = json!({"revenue": 7, "orderId": "o1"});
    app.key_holder_posts(&body).await;
    body["events"][0]["context"]["session"]["sessionId"] = json!("s2");
    body["events"][0]["properties"]["orderId"] = json!("o2");
    let answer: Value = app.key_holder_posts(&body).await.json().await.unwrap();
    assert_eq!(results(&answer), ["duplicate"]);
    assert_eq!(app.session("s1").await["conversionValue"], 7);
    let converted = app.owner("ttr/sessions?converted=true").await;
    assert_eq!(converted["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn only_the_sites_own_pages_and_holders_of_a_key_may_send() {
    let app = TestApp::start().await;
    let body = batch("s1", &[("page_view", 1000)]);
    for (headers, expected) in [
        (&[("sec-fetch-site", "cross-site")][..], StatusCode::FORBIDDEN),
        (&[("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        (&[], StatusCode::FORBIDDEN),
        (&[("origin", app.url.as_str())], StatusCode::OK),
        (&[("x-aurea-api-key", "wrong"), ("x-aurea-funnel-id", "ttr")], StatusCode::UNAUTHORIZED),
        (&[("x-aurea-api-key", "key-1"), ("x-aurea-funnel-id", "other")], StatusCode::UNAUTHORIZED),
        (&[("x-aurea-api-key", "key-1")], StatusCode::UNAUTHORIZED),
        (&[("x-aurea-api-key", "key-2"), ("x-aurea-funnel-id", "other")], StatusCode::OK),
    ] {
        let mut request = app.post("/api/track/events").json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(request.send().await.unwrap().status(), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_browser_that_sends_without_end_is_told_to_wait_and_a_key_is_not() {
    let app = TestApp::start_with(&[("TTR__SITE__TRUSTED_PROXIES", "[\"127.0.0.1\"]")]).await;
    let body = batch("s1", &[("page_view", 1000)]);
    let browser = |address: &'static str| {
        let request =
            app.post("/api/pulse").header("sec-fetch-site", "same-origin").header("x-forwarded-for", address);
        request.json(&body).send()
    };
    let mut refused = None;
    for _ in 0..1000 {
        let answer = browser("203.0.113.9").await.unwrap();
        if answer.status() != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("no end to it");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(browser("203.0.113.10").await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.key_holder_posts(&body).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_a_batch_gets_an_error_that_names_it() {
    let app = TestApp::start().await;
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = app.post("/api/pulse").header("sec-fetch-site", "same-origin");
        request.header("content-type", content_type).body(body).send()
    };
    for (content_type, body, status, tag) in [
        ("application/json", Vec::new(), 400, "empty_body"),
        ("application/json", b"{".to_vec(), 400, "not_a_batch"),
        ("application/json", b"[]".to_vec(), 400, "not_a_batch"),
        ("application/json", b"\xff\xfe".to_vec(), 400, "not_a_batch"),
        ("application/json", "[".repeat(100_000).into_bytes(), 400, "not_a_batch"),
        ("application/json", br#"{"events":[]}"#.to_vec(), 400, "empty_batch"),
        ("text/plain;charset=UTF-8", br#"{"events":[]}"#.to_vec(), 400, "empty_batch"),
        ("application/xml", br#"{"events":[]}"#.to_vec(), 415, "unsupported_media_type"),
        ("application/json", vec![b' '; 1024 * 1024 + 1], 413, "unreadable_body"),
    ] {
        let answer = post(content_type, body).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{tag}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], tag);
    }
}

#[tokio::test]
async fn a_clock_that_is_hours_ahead_is_corrected_and_latency_is_not() {
    let app = TestApp::start().await;
    let now = server::clock::now();
    let ahead = now + 3 * 3_600_000;
    let mut body = batch("s1", &[("page_view", ahead - 5000), ("faq_opened", ahead)]);
    body["sentAt"] = json!(ahead);
    app.browser_posts(&body).await;
    let session = app.session("s1").await;
    let first = session["events"][0]["timestamp"].as_i64().unwrap();
    assert!((first - (now - 5000)).abs() < 60_000, "{session}");
    let mut body = batch("s2", &[("page_view", now - 5000)]);
    body["sentAt"] = json!(now);
    app.browser_posts(&body).await;
    assert_eq!(app.session("s2").await["events"][0]["timestamp"], now - 5000);
}

#[tokio::test]
async fn odd_names_and_properties_come_back_as_they_were() {
    let app = TestApp::start().await;
    let odd = "<script>alert(1)</script> \u{202e}\u{0}\u{1f680} \"quotes\" 'single' \\";
    let mut body = batch("s1", &[("page_view", 1000), ("x", 2000)]);
    body["events"][1]["eventName"] = json!(odd);
    body["events"][1]["properties"] = json!({ odd: odd, "number": 1e300, "nested": {"a": [null, true]} });
    let answer: Value = app.browser_posts(&body).await.json().await.unwrap();
    assert_eq!(results(&answer), ["ok", "ok"]);
    let session = app.session("s1").await;
    assert_eq!(session["events"][1]["eventName"], odd);
    assert_eq!(session["events"][1]["properties"][odd], odd);
}

#[tokio::test]
async fn in_production_a_crawler_is_kept_apart_and_not_counted() {
    let app = TestApp::start_with(&[("SITE_URL", "https://ttr.example")]).await;
    let post = |session: &'static str, agent: &'static str| {
        let request =
            app.post("/api/pulse").header("sec-fetch-site", "same-origin").header("user-agent", agent);
        request.json(&batch(session, &[("page_view", 1000)])).send()
    };
    post("crawler", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
        .await
        .unwrap();
    post("person", "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0").await.unwrap();
    let people = app.owner("ttr/sessions").await;
    assert_eq!(people["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(people["sessions"][0]["sessionId"], "person");
    let programs = app.owner("ttr/sessions?state=bot").await;
    assert_eq!(programs["sessions"][0]["sessionId"], "crawler");
    assert!(programs["sessions"][0]["bot"].as_str().unwrap().contains("Google"));
}

#[tokio::test]
async fn a_browser_cannot_call_itself_a_bot_and_who_pays_is_none() {
    let app = TestApp::start_with(&[("SITE_URL", "https://ttr.example")]).await;
    let mut lie = batch("lie", &[("page_view", 1000)]);
    lie["events"][0]["properties"] = json!({"$bot": "not me"});
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
    let post = |agent: &'static str, body: Value| {
        let request =
            app.post("/api/pulse").header("sec-fetch-site", "same-origin").header("user-agent", agent);
        request.json(&body).send()
    };
    post(firefox, lie).await.unwrap();
    post("", batch("nameless", &[("page_view", 2000)])).await.unwrap();
    app.key_holder_posts(&batch("nameless", &[("checkout_completed", 3000)])).await;
    let people = app.owner("ttr/sessions").await;
    let ids: Vec<_> = people["sessions"].as_array().unwrap().iter().map(|it| &it["sessionId"]).collect();
    assert_eq!(ids, ["nameless", "lie"]);
}
