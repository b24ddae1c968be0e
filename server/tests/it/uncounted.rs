//! Deliveries that are authentic and count for nothing, since they can't be read or are of another account: kept, and shown to
//! the owner with the reason.

use reqwest::StatusCode;
use serde_json::{Value, json};
use server::clock::now;

use crate::durability::{Program, free_address};
use crate::stripe::{self, completed};
use crate::support::{TOKEN, TestApp, asked, metadata, payment};

/// Says more of the buyer than anybody is to see.
fn bought(company: &str) -> Value {
    let mut body: Value = serde_json::from_str(&payment("pay_1", &metadata(now() - 60_000))).unwrap();
    body["company_id"] = company.into();
    body["data"]["user"] = json!({"id": "user_1", "name": "Ada Lovelace", "email": "ada@example.com"});
    body
}

async fn deliver(app: &TestApp, id: &str, body: &str) {
    assert_eq!(app.whop_delivers(id, body).await.status(), StatusCode::OK, "{id}");
}

async fn text(app: &TestApp, path: &str) -> String {
    let answer = app.get(path).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

/// One of each kind, and two that are none of them.
async fn with_all_kinds() -> TestApp {
    let app = TestApp::start_with(&[("WHOP_COMPANY_ID", "biz_own")]).await;
    deliver(&app, "msg_nonsense", "paid by ada@example.com").await;
    let mut unreadable = bought("biz_own");
    unreadable["data"].as_object_mut().unwrap().remove("id");
    deliver(&app, "msg_unreadable", &unreadable.to_string()).await;
    deliver(&app, "msg_foreign", &bought("biz_other").to_string()).await;
    deliver(&app, "msg_dull", r#"{"type":"membership.activated","company_id":"biz_own","data":{}}"#).await;
    let mut own = bought("biz_own");
    own["data"]["id"] = "pay_2".into();
    deliver(&app, "msg_paid", &own.to_string()).await;
    app
}

#[tokio::test]
async fn what_can_not_be_read_or_is_of_another_account_is_listed_with_the_reason_and_counts_for_nothing() {
    let app = with_all_kinds().await;
    let answer = app.owner("ttr/payments").await;
    let listed = answer["uncounted"].as_array().unwrap();
    let [unreadable, nonsense, foreign] = &listed[..] else { panic!("{answer}") };
    for (delivery, id, state, event_type) in [
        (nonsense, "msg_nonsense", "unparsable", ""),
        (unreadable, "msg_unreadable", "unparsable", "payment.succeeded"),
        (foreign, "msg_foreign", "foreign", "payment.succeeded"),
    ] {
        assert_eq!((&delivery["deliveryId"], &delivery["state"]), (&json!(id), &json!(state)));
        assert_eq!((&delivery["provider"], &delivery["type"]), (&json!("whop"), &json!(event_type)));
        assert!((now() - delivery["receivedAt"].as_i64().unwrap()) < 60_000 && delivery["bodyCut"] == false);
        let body = delivery["body"].as_str().unwrap();
        assert!(body.contains("•••") && !body.contains("Ada") && !body.contains("ada@"), "{body}");
    }
    assert_eq!(foreign["why"], "biz_other");
    assert!(unreadable["why"].as_str().unwrap().contains("missing field `id`"), "{unreadable}");
    assert!(foreign["body"].as_str().unwrap().contains("pay_1"), "what is not private can be read");

    let [only] = &answer["payments"].as_array().unwrap()[..] else { panic!("{answer}") };
    assert_eq!(only["paymentId"], "pay_2");
    assert_eq!(app.session("s1").await["conversions"].as_array().unwrap().len(), 1);
    let metrics = text(&app, "/metrics").await;
    for (outcome, count) in
        [("recorded", 1), ("ignored", 1), ("unparsable", 2), ("foreign", 1), ("failed", 0)]
    {
        let line = format!("ttr_deliveries_total{{provider=\"whop\",outcome=\"{outcome}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[tokio::test]
async fn the_screen_of_payments_shows_deliveries_that_count_for_nothing_with_what_to_do() {
    let app = with_all_kinds().await;
    let html = text(&app, "/aurea/funnels/ttr/payments").await;
    for part in [
        "Deliveries that count for nothing",
        "msg_nonsense",
        "msg_unreadable",
        "msg_foreign",
        "biz_other",
        "ttr reconcile",
        "WHOP_COMPANY_ID",
        "card warn unattributed",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for hidden in ["msg_dull", "msg_paid", "Ada", "ada@example.com"] {
        assert!(!html.contains(hidden), "{hidden}");
    }
    let others = text(&app, "/aurea/funnels/other/payments").await;
    assert!(!others.contains("count for nothing"), "deliveries are told of the site's own funnel");
    assert_eq!(app.owner("other/payments").await["uncounted"], json!([]));
}

#[tokio::test]
async fn where_every_delivery_is_understood_nothing_is_said() {
    let app = TestApp::start().await;
    deliver(&app, "msg_1", &bought("biz_any").to_string()).await; // no company is set: none is foreign
    deliver(&app, "msg_2", r#"{"type":"membership.deactivated","data":{}}"#).await;
    assert_eq!(app.owner("ttr/payments").await["uncounted"], json!([]));
    assert!(!text(&app, "/aurea/funnels/ttr/payments").await.contains("count for nothing"));
}

#[tokio::test]
async fn a_reason_of_any_length_is_kept_in_short() {
    let app = TestApp::start_with(&[("WHOP_COMPANY_ID", "biz_own")]).await;
    deliver(&app, "msg_1", &bought(&"é".repeat(5000)).to_string()).await;
    let kept: String = asked(app.folder(), "SELECT why FROM delivery");
    assert!(kept.starts_with('é') && kept.len() <= 200, "{}", kept.len());
}

/// Stripe writes into an event how many endpoints still wait for it.
#[tokio::test]
async fn what_counted_for_nothing_counts_when_it_is_sent_again_in_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut event = completed(json!({ "metadata": metadata(now() - 60_000) }));
    event["account"] = "acct_1".into();
    for (account, pending, state) in [("acct_2", 2, "foreign"), ("acct_1", 1, "recorded")] {
        let more = [("STRIPE_WEBHOOK_SECRET", stripe::SECRET), ("TTR__STRIPE__ACCOUNT", account)];
        let program = Program::start_at(folder.path(), free_address(), &more).await;
        event["pending_webhooks"] = pending.into();
        let (body, seconds) = (event.to_string(), now() / 1000);
        let signature = format!("t={seconds},{}", stripe::v1(stripe::SECRET, seconds, &body));
        let request = program.client.post(format!("{}/api/webhooks/stripe", program.url));
        let answer = request.header("stripe-signature", signature).body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(asked::<String>(folder.path(), "SELECT state FROM delivery"), state);
        assert_eq!(program.session("s1").await["converted"] == true, state == "recorded");
        assert_eq!(program.stop(), Some(0));
    }
    let body: Vec<u8> = asked(folder.path(), "SELECT body FROM delivery");
    assert!(
        String::from_utf8(body).unwrap().contains(r#""pending_webhooks":1"#),
        "what was understood is kept"
    );
}
