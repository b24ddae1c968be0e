//! `ttr demo`: made-up visits that went through the real collector, checkouts and webhooks.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{TestApp, batch, leptos_toml};

fn demo(database: &Path, more: &[(&str, &str)]) -> Output {
    demo_with(&[], database, more)
}

fn demo_with(args: &[&str], database: &Path, more: &[(&str, &str)]) -> Output {
    let database = format!("sqlite://{}", database.display());
    let mut env: HashMap<&str, &str> = more.iter().copied().collect();
    env.insert("DATABASE_URL", &database);
    Command::new(env!("CARGO_BIN_EXE_ttr"))
        .arg("--config")
        .arg(leptos_toml())
        .args(["demo", "--sessions", "200", "--seed", "7", "--until", "2026-10-31T18:00:00Z"])
        .args(args)
        .env_clear()
        .envs(env)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Every session that the owner's JSON lists, with the query.
async fn sessions(app: &TestApp, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.owner(&format!("ttr/sessions?{query}{cursor}")).await;
        all.extend(page["sessions"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn two_hundred_visits_look_like_a_months_business_and_a_second_run_adds_nothing() {
    let app = TestApp::start().await; // works beside a ttr that is running
    let database = app.folder().join("ttr.db");
    let first = said(&demo(&database, &[]));
    assert!(
        first.starts_with("200 sessions of ") && first.contains("http://127.0.0.1:3000/aurea"),
        "{first}"
    );

    let all = sessions(&app, "").await;
    assert_eq!(all.len(), 200, "every session is there, and none besides");
    let count = |state: &str| all.iter().filter(|session| session["state"] == state).count();
    assert!((2..=20).contains(&count("converted")), "{} converted", count("converted"));
    assert!((5..=40).contains(&count("abandoned")), "{} abandoned", count("abandoned"));
    let seen = |event: &'static str| sessions(&app, event);
    for event in
        ["buy_button_clicked", "video_started", "faq_opened", "scroll_depth_100", "newsletter_subscribed"]
    {
        let with = sessions(&app, &format!("event={event}")).await.len();
        assert!((1..150).contains(&with), "{event} in {with}");
    }
    assert!(!seen("converted=true").await.is_empty());

    let payments = app.owner("ttr/payments").await;
    let list = payments["payments"].as_array().unwrap();
    let without_session = list.iter().filter(|payment| payment["sessionId"].is_null()).count();
    assert!(without_session > 0 && without_session < list.len(), "{payments:#}");

    let again = said(&demo(&database, &[]));
    assert!(again.contains(": 0 new events ("), "{again}");
    assert_eq!(sessions(&app, "").await, all);
    assert_eq!(app.owner("ttr/payments").await, payments);
}

#[tokio::test]
async fn made_up_visits_are_not_mixed_with_real_ones_unless_that_is_meant() {
    let app = TestApp::start().await;
    app.browser_posts(&batch("1703001000000_k3j9x2q7w1e5r8t4", &[("page_view", 1000)])).await;
    let database = app.folder().join("ttr.db");
    let output = demo(&database, &[]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("DATABASE_URL=") && stderr.contains("--into-existing"), "{stderr}");
    assert_eq!(sessions(&app, "").await.len(), 1, "nothing was written");
    said(&demo_with(&["--into-existing"], &database, &[]));
    assert_eq!(sessions(&app, "").await.len(), 201);
}

#[test]
fn made_up_visits_are_kept_out_of_production() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(
        &folder.path().join("ttr.db"),
        &[
            ("SITE_URL", "https://ttr.example"),
            ("WHOP_WEBHOOK_SECRET", "ws_0123456789abcdef"),
            ("WHOP_PLAN_ID", "plan_1"),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("development only"), "{said}");
    assert!(!folder.path().join("ttr.db").exists(), "nothing was written");
}
