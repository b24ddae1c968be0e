//! Deliveries in.

use crate::durability::free_address;
use crate::support::{SECRET, TestApp, asked, batch, metadata, names, payment, sign};
use futures::future::join_all;
use futures::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use server::clock::now;
use sha2::{Digest, Sha256};

#[tokio::test]
async fn a_payment_converts_the_session_that_began_the_checkout() {
    let app = TestApp::start().await;
    let start = now() - 200_000;
    app.browser_posts(&batch("s1", &[("page_view", start), ("faq_opened", start + 5000)])).await;
    let answer = app.whop_delivers("msg_1", &payment("pay_1", &metadata(start + 50_000))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["page_view", "faq_opened", "checkout_completed", "session_end"]);
    assert_eq!(session["conversionValue"], 99);
    let completed = &session["events"][2]["properties"];
    assert_eq!(completed["revenue"], 99);
    assert_eq!(completed["currency"], "USD");
    assert_eq!(completed["orderId"], "pay_1");
    assert_eq!(completed["source"], "whop_webhook");
    assert_eq!(completed["sessionEnd"], true);
    assert_eq!(completed["checkoutDuration"], 150);
    let ended = &session["events"][3]["properties"];
    assert_eq!(
        (&ended["converted"], &ended["conversionType"], &ended["duration"]),
        (&json!(true), &json!("purchase"), &json!(150))
    );
}

#[tokio::test]
async fn the_webhook_may_come_before_the_browsers_events() {
    let start = now() - 200_000;
    let events = batch("s1", &[("page_view", start), ("scroll_depth_25", start + 1000)]);
    let body = payment("pay_1", &metadata(start + 50_000));
    let mut sessions = Vec::new();
    for webhook_first in [true, false] {
        let app = TestApp::start().await;
        if webhook_first {
            app.whop_delivers("msg_1", &body).await;
            app.browser_posts(&events).await;
        } else {
            app.browser_posts(&events).await;
            app.whop_delivers("msg_1", &body).await;
        }
        let session = app.session("s1").await;
        sessions.push((
            names(&session).join(" "),
            session["converted"].clone(),
            session["conversionValue"].clone(),
        ));
    }
    assert_eq!(sessions[0], sessions[1]);
    assert_eq!(sessions[0].0, "page_view scroll_depth_25 checkout_completed session_end");
}

#[tokio::test]
async fn ten_copies_at_once_and_another_message_about_it_make_one_conversion() {
    let app = TestApp::start().await;
    let body = payment("pay_1", &metadata(now() - 1000));
    let copies = join_all((0..10).map(|_| app.whop_delivers("msg_1", &body))).await;
    assert!(copies.iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(app.whop_delivers("msg_2", &body).await.status(), StatusCode::OK);
    let session = app.session("s1").await;
    assert_eq!(session["conversions"].as_array().unwrap().len(), 1);
    assert_eq!(session["conversionValue"], 99);
    assert_eq!(names(&session), ["checkout_completed", "session_end"]);
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let body = payment("pay_1", &metadata(now() - 1000));
    let seconds = now() / 1000;
    let good = sign(SECRET, "msg_1", seconds, &body);
    let stale = sign(SECRET, "msg_1", seconds - 400, &body);
    for (seconds, signature, body) in [
        (seconds, sign("ws_wrong", "msg_1", seconds, &body), body.clone()),
        (seconds, good[..good.len() - 4].to_owned(), body.clone()),
        (seconds, String::new(), body.clone()),
        (seconds, good.clone(), body.replace("99.0", "9.0")),
        (seconds - 1, good.clone(), body.clone()),
        (seconds - 400, stale, body.clone()),
    ] {
        let answer = app.delivery("msg_1", seconds, &signature, &body).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{signature}");
    }
    let unsigned = app.post("/api/webhooks/whop").body(body).send().await.unwrap();
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
}

#[tokio::test]
async fn both_secrets_are_good_while_rotating() {
    let app = TestApp::start().await;
    for (id, secret) in [("msg_1", SECRET), ("msg_2", "ws_an_older_one")] {
        let body = payment(&format!("pay_{id}"), &metadata(now() - 1000));
        let seconds = now() / 1000;
        let answer = app.delivery(id, seconds, &sign(secret, id, seconds, &body), &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{secret}");
    }
}

#[tokio::test]
async fn a_payment_without_metadata_is_kept_unattributed() {
    let app = TestApp::start().await;
    assert_eq!(app.whop_delivers("msg_1", &payment("pay_1", &json!(null))).await.status(), StatusCode::OK);
    let payments = app.owner("ttr/payments").await;
    let [only] = &payments["payments"].as_array().unwrap()[..] else { panic!("{payments}") };
    assert_eq!(
        (&only["paymentId"], &only["amount"], &only["currency"]),
        (&json!("pay_1"), &json!(99), &json!("USD"))
    );
    assert_eq!((&only["unattributed"], &only["sessionId"]), (&json!(true), &Value::Null));
    assert_eq!(app.owner("ttr/sessions").await["sessions"], json!([]));
}

#[tokio::test]
async fn with_only_a_visitor_the_money_belongs_to_their_newest_checkout() {
    let app = TestApp::start().await;
    let start = now() - 100_000;
    app.key_holder_posts(&batch("older", &[("checkout_started", start)])).await;
    app.key_holder_posts(&batch("newer", &[("checkout_started", start + 1000)])).await;
    app.key_holder_posts(&batch("later", &[("page_view", start + 2000)])).await;
    app.whop_delivers("msg_1", &payment("pay_1", &json!({"aurea_anonymous_id": "a1"}))).await;
    assert_eq!(app.session("newer").await["converted"], true);
    app.whop_delivers("msg_2", &payment("pay_2", &json!({"aurea_id": "stranger"}))).await;
    assert_eq!(app.session("stranger").await["converted"], true);
}

#[tokio::test]
async fn what_is_authentic_and_unknown_is_kept_and_answered_200() {
    let app = TestApp::start().await;
    for (id, body) in [
        ("msg_1", "not json"),
        ("msg_2", ""),
        ("msg_3", r#"{"type":"entry.created","data":{}}"#),
        ("msg_4", r#"{"type":"payment.succeeded","data":{"id":"pay_1"}}"#),
    ] {
        assert_eq!(app.whop_delivers(id, body).await.status(), StatusCode::OK, "{body}");
    }
    let payments = app.owner("ttr/payments").await;
    assert_eq!(payments["payments"][0]["amountFault"], "no amount");
    let store = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
    let states: Vec<String> = store
        .prepare("SELECT state FROM delivery ORDER BY delivery_id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(states, ["unparsable", "unparsable", "ignored", "recorded"]);
}

#[tokio::test]
async fn what_one_delivery_left_out_another_fills_in_whatever_their_order() {
    let sparse = r#"{"type":"payment.succeeded","data":{"id":"pay_1"}}"#.to_owned();
    let unattributed = payment("pay_1", &json!(null));
    let full = payment("pay_1", &metadata(now() - 1000));
    for order in
        [[&sparse, &unattributed, &full], [&full, &unattributed, &sparse], [&unattributed, &full, &sparse]]
    {
        let app = TestApp::start().await;
        for (number, body) in order.into_iter().enumerate() {
            app.whop_delivers(&format!("msg_{number}"), body).await;
        }
        let session = app.session("s1").await;
        assert_eq!((&session["converted"], &session["conversionValue"]), (&json!(true), &json!(99)));
        assert_eq!(app.owner("ttr/sessions?converted=true").await["sessions"].as_array().unwrap().len(), 1);
        let payments = app.owner("ttr/payments").await;
        let [only] = &payments["payments"].as_array().unwrap()[..] else { panic!("{payments}") };
        assert_eq!(
            (&only["unattributed"], &only["amount"], &only["amountFault"]),
            (&json!(false), &json!(99), &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_refused_or_recorded_delivery_is_never_answered_with_a_redirect() {
    let app = TestApp::start().await;
    let body = payment("pay_1", &metadata(now() - 1000));
    let seconds = now() / 1000;
    for (signature, expected) in
        [(sign(SECRET, "msg_1", seconds, &body), StatusCode::OK), (String::new(), StatusCode::UNAUTHORIZED)]
    {
        let request = app
            .post("/api/webhooks/whop")
            .header("accept", "text/html")
            .header("referer", "https://x.example/");
        let request = request.header("webhook-id", "msg_1").header("webhook-timestamp", seconds.to_string());
        let answer = request.header("webhook-signature", signature).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert!(answer.headers().get("location").is_none());
    }
}

#[tokio::test]
async fn ids_that_are_none_are_as_good_as_missing() {
    let app = TestApp::start().await;
    let hostile =
        json!({"aurea_anonymous_id": "<script>", "aurea_session_id": "a b", "checkout_started_at": "soon"});
    assert_eq!(app.whop_delivers("msg_1", &payment("pay_1", &hostile)).await.status(), StatusCode::OK);
    assert_eq!(app.owner("ttr/payments").await["payments"][0]["unattributed"], true);
}

#[tokio::test]
async fn only_posts_of_a_sane_size_are_deliveries() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/api/webhooks/whop").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let large = vec![b' '; 2 * 1024 * 1024 + 1];
    let answer = app.post("/api/webhooks/whop").body(large).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(app.post("/api/webhooks/unknown").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_can_not_be_recorded_is_to_be_sent_again_later() {
    let app = TestApp::start().await;
    // Takes the writer's table away, as a broken file would.
    let file = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
    file.execute_batch("ALTER TABLE delivery RENAME TO elsewhere").unwrap();
    let body = payment("pay_1", &json!({}));
    let answer = app.whop_delivers("msg_1", &body).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    file.execute_batch("ALTER TABLE elsewhere RENAME TO delivery").unwrap();
    assert_eq!(app.whop_delivers("msg_1", &body).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn thousands_of_copies_at_once_are_one_delivery_and_each_is_answered_200() {
    // The remote is away, so that what is to be told stays to be counted.
    let away = format!("http://{}/api", free_address());
    let app = TestApp::start_with(&[("AUREA_API_URL", &away), ("AUREA_API_KEY", "key-of-the-remote")]).await;
    let body = payment("pay_1", &metadata(now() - 1000));
    let copies = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    let answers: Vec<StatusCode> = stream::iter(0..copies)
        .map(|_| async { app.whop_delivers("msg_1", &body).await.status() })
        .buffer_unordered(64)
        .collect()
        .await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    for (table, rows) in
        [("delivery", 1), ("payment", 1), ("conversion", 1), ("event", 2), ("outbox", 1), ("conflict", 0)]
    {
        assert_eq!(asked::<i64>(app.folder(), &format!("SELECT count(*) FROM {table}")), rows, "{table}");
    }
}

#[tokio::test]
async fn the_same_id_with_another_body_is_answered_200_and_the_first_stands() {
    let app = TestApp::start().await;
    let first = payment("pay_1", &metadata(now() - 1000));
    for body in [
        &first,
        &first.replace("99.0", "1.0"),
        &payment("pay_2", &json!({"aurea_session_id": "s2"})),
        &first.replace("99.0", "1.0"),
        &first,
    ] {
        assert_eq!(app.whop_delivers("msg_1", body).await.status(), StatusCode::OK);
    }
    assert_eq!(app.session("s1").await["conversionValue"], 99);
    assert_eq!(app.owner("ttr/payments").await["payments"].as_array().unwrap().len(), 1);
    assert_eq!(asked::<String>(app.folder(), "SELECT cast(body AS TEXT) FROM delivery"), first);
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM conflict"), 2, "each body once");
    let digests: String =
        asked(app.folder(), "SELECT group_concat(lower(hex(digest)), ' ') FROM conflict ORDER BY seq");
    let digest = hex::encode(Sha256::digest(first.replace("99.0", "1.0")));
    assert!(digests.contains(&digest), "{digests}");
}

#[tokio::test]
async fn one_order_by_several_types_of_event_and_versions_is_one_conversion() {
    let app = TestApp::start().await;
    let data = json!({"id": "pay_1", "total": 99.0, "final_amount": 99.0, "currency": "usd", "metadata": metadata(now() - 1000)});
    for (number, envelope) in [
        json!({"type": "payment.created", "api_version": "v1", "data": data}),
        json!({"type": "payment.pending", "api_version": "v1", "data": data}),
        json!({"type": "payment.succeeded", "api_version": "v1", "data": data}),
        json!({"type": "payment_succeeded", "data": data}),
        json!({"action": "payment.succeeded", "api_version": "v5", "data": data}),
        json!({"action": "payment_succeeded", "api_version": "v2", "data": data}),
        json!({"action": "payment.pending", "api_version": "v5", "data": data}),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = app.whop_delivers(&format!("msg_{number}"), &envelope.to_string()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{envelope}");
        let conversions: i64 = asked(app.folder(), "SELECT count(*) FROM conversion");
        assert_eq!(conversions, i64::from(number >= 2), "{envelope}");
    }
    let session = app.session("s1").await;
    assert_eq!(
        (session["conversions"].as_array().unwrap().len(), &session["conversionValue"]),
        (1, &json!(99))
    );
    assert_eq!(names(&session), ["checkout_completed", "session_end"]);
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM delivery"), 7, "each is kept");
}

#[tokio::test]
async fn a_signature_over_the_body_written_anew_is_refused() {
    let app = TestApp::start().await;
    let sent = format!(" {}\n", payment("pay_1", &metadata(now() - 1000)).replace("99.0", "99.00"));
    let anew = serde_json::from_str::<Value>(&sent).unwrap().to_string();
    let seconds = now() / 1000;
    let signature = sign(SECRET, "msg_1", seconds, &anew);
    assert_eq!(app.delivery("msg_1", seconds, &signature, &sent).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM delivery"), 0);
    assert_eq!(app.whop_delivers("msg_1", &sent).await.status(), StatusCode::OK, "as it was sent");
}
