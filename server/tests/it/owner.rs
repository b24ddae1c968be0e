//! The owner's JSON.

use crate::support::{TOKEN, TestApp, batch};
use reqwest::StatusCode;
use serde_json::{Value, json};

fn ids(answer: &Value) -> Vec<&str> {
    answer["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["sessionId"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn nothing_is_shown_without_the_token() {
    let app = TestApp::start().await;
    for path in ["sessions", "sessions/s1", "payments"] {
        let path = format!("/api/aurea/funnels/ttr/{path}");
        assert_eq!(app.get(&path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        for wrong in ["", "owner-toke", "owner-token2"] {
            let answer = app.get(&path).bearer_auth(wrong).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_can_be_filtered() {
    let app = TestApp::start().await;
    app.browser_posts(&batch("old", &[("page_view", 1000)])).await;
    app.browser_posts(&batch("new", &[("page_view", 3000), ("faq_opened", 4000)])).await;
    app.key_holder_posts(&batch("paid", &[("page_view", 2000), ("checkout_completed", 2500)])).await;
    assert_eq!(ids(&app.owner("ttr/sessions").await), ["new", "paid", "old"]);
    assert_eq!(ids(&app.owner("ttr/sessions?converted=true").await), ["paid"]);
    assert_eq!(ids(&app.owner("ttr/sessions?converted=false").await), ["new", "old"]);
    assert_eq!(ids(&app.owner("ttr/sessions?event=faq_opened").await), ["new"]);
    assert_eq!(ids(&app.owner("ttr/sessions?anonymousId=a1").await), ["new", "paid", "old"]);
    assert_eq!(ids(&app.owner("ttr/sessions?anonymousId=nobody").await), [""; 0]);
    assert_eq!(ids(&app.owner("other/sessions").await), [""; 0]);
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_without_gaps() {
    let app = TestApp::start().await;
    let all: Vec<String> = (0..120).map(|number| format!("s{number:03}")).collect();
    for (number, id) in (0_i64..).zip(&all) {
        app.browser_posts(&batch(id, &[("page_view", number / 7)])).await; // many share a time
    }
    let (mut seen, mut path) = (Vec::new(), "ttr/sessions".to_owned());
    loop {
        let page = app.owner(&path).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("ttr/sessions?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 120);
    seen.sort();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_long_timeline_is_read_to_its_end() {
    let app = TestApp::start().await;
    for part in 0..3 {
        let events: Vec<(&str, i64)> = (0..300).map(|number| ("x", part * 300 + number)).collect();
        app.browser_posts(&batch("s1", &events)).await;
    }
    let first = app.session("s1").await;
    assert_eq!(first["events"].as_array().unwrap().len(), 500);
    let rest = app.session(&format!("s1?cursor={}", first["nextCursor"].as_str().unwrap())).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 400);
    assert_eq!(rest["events"][0]["timestamp"], 500);
    assert!(rest.get("nextCursor").is_none());
}

#[tokio::test]
async fn a_bad_question_gets_an_error_that_names_the_field() {
    let app = TestApp::start().await;
    for (query, status, field) in [
        ("sessions?cursor=nonsense", 400, json!("cursor")),
        ("sessions?anonymousId=a%20b", 400, json!("anonymousId")),
        ("sessions?converted=maybe", 400, json!("converted")),
        ("sessions/s1?cursor=-1", 400, json!("cursor")),
        ("sessions/unknown", 404, Value::Null),
        ("sessions/a%20b", 404, Value::Null),
    ] {
        let answer =
            app.get(&format!("/api/aurea/funnels/ttr/{query}")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
        assert_eq!(answer.json::<Value>().await.unwrap()["field"], field, "{query}");
    }
}
