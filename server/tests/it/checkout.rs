//! The buy button.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use url::Url;

use crate::support::{TestApp, asked, names, until};

pub(crate) const FORM: &[(&str, &str)] = &[
    ("anonymous_id", "a1"),
    ("session_id", "s1"),
    ("click_id", "c1"),
    ("location", "/"),
    ("page_url", "https://ttr.example/?utm_source=news&token=secret"),
];

pub(crate) async fn buy(app: &TestApp, form: &[(&str, &str)]) -> Response {
    app.post("/api/checkout")
        .header("sec-fetch-site", "same-origin")
        .header("accept", "text/html")
        .header("referer", &app.url)
        .form(form)
        .send()
        .await
        .unwrap()
}

fn location(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

fn carried(url: &Url, key: &str) -> Option<String> {
    let wanted = format!("checkout_session_metadata[{key}]");
    url.query_pairs().find(|(key, _)| *key == wanted).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn the_buyer_goes_to_whop_with_the_three_ids() {
    let app = TestApp::start().await;
    let url = location(&buy(&app, FORM).await);
    assert!(url.as_str().starts_with("https://whop.com/checkout/plan_1?"));
    assert_eq!(carried(&url, "aurea_anonymous_id").as_deref(), Some("a1"));
    assert_eq!(carried(&url, "aurea_session_id").as_deref(), Some("s1"));
    let started: i64 = carried(&url, "checkout_started_at").unwrap().parse().unwrap();
    assert!((server::clock::now() - started).abs() < 60_000);
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["buy_button_clicked", "checkout_started"]);
    assert_eq!(
        session["events"][0]["properties"],
        json!({"location": "/", "product": "TTR Membership", "sessionId": "s1", "anonymousId": "a1"})
    );
    assert_eq!(
        session["events"][1]["properties"],
        json!({"productId": "ttr_membership", "productName": "TTR VIP Access", "price": 99, "currency": "USD", "variant": "lifetime"})
    );
    assert_eq!((&session["state"], &session["touch"]["source"]), (&json!("checkout"), &json!("news")));
}

#[tokio::test]
async fn a_double_click_counts_once() {
    let app = TestApp::start().await;
    tokio::join!(buy(&app, FORM), buy(&app, FORM));
    assert_eq!(names(&app.session("s1").await), ["buy_button_clicked", "checkout_started"]);
}

#[tokio::test]
async fn without_javascript_the_server_makes_the_ids() {
    let app = TestApp::start().await;
    let url = location(&buy(&app, &[]).await);
    let session_id = carried(&url, "aurea_session_id").unwrap();
    let session = app.session(&session_id).await;
    assert_eq!(session["anonymousId"].as_str(), carried(&url, "aurea_anonymous_id").as_deref());
    assert_eq!(names(&session), ["buy_button_clicked", "checkout_started"]);
}

#[tokio::test]
async fn a_visitor_who_asks_not_to_be_followed_is_given_no_id() {
    let app = TestApp::start().await;
    let request = app.post("/api/checkout").header("accept", "text/html").header("sec-gpc", "1");
    let url = location(&request.form(&[("location", "/")]).send().await.unwrap());
    assert_eq!(carried(&url, "aurea_anonymous_id"), None);
    assert!(carried(&url, "aurea_session_id").is_some());
}

#[tokio::test]
async fn a_foreign_page_cannot_begin_a_checkout() {
    let app = TestApp::start().await;
    let request =
        app.post("/api/checkout").header("sec-fetch-site", "cross-site").header("accept", "text/html");
    let answer = request.header("referer", "https://evil.example/").form(FORM).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.headers().get(header::LOCATION).is_none());
}

#[tokio::test]
async fn a_form_that_is_out_of_order_still_buys_and_never_leads_elsewhere() {
    let app = TestApp::start().await;
    for body in [
        &b"session_id=s1&session_id=s2"[..],
        b"session_id=\xff\xfe&started_at=-9223372036854775808",
        b"&&=&a",
    ] {
        let request = app.post("/api/checkout").header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("accept", "text/html").header("referer", "https://evil.example/");
        let url = location(&request.body(body.to_vec()).send().await.unwrap());
        assert_eq!(url.host_str(), Some("whop.com"));
    }
    let without_accept = app.post("/api/checkout").form(FORM).send().await.unwrap();
    assert_eq!(location(&without_accept).host_str(), Some("whop.com"));
}

#[tokio::test]
async fn in_production_a_program_at_the_checkout_is_kept_apart_and_no_provider_is_asked_for_it() {
    let buys = async |app: &TestApp, session: &str, agent: &str| {
        let request = app.post("/api/checkout").header("sec-fetch-site", "same-origin");
        let form = [("session_id", session), ("click_id", "c1")];
        let answer = request.header("user-agent", agent).form(&form).send().await.unwrap();
        assert_eq!(carried(&location(&answer), "aurea_session_id").as_deref(), Some(session));
    };
    let site = ("SITE_URL", "https://ttr.example");
    let app = TestApp::start_with(&[site]).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
    buys(&app, "person", firefox).await;
    buys(&app, "program", "curl/8.5.0").await;
    let people = app.owner("ttr/sessions").await;
    assert_eq!(people["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(people["sessions"][0]["sessionId"], "person");
    assert_eq!(asked::<i64>(app.folder(), "SELECT sum(checkouts) FROM tally"), 1);
    let programs = app.owner("ttr/sessions?state=bot").await;
    assert_eq!(programs["sessions"][0]["sessionId"], "program");

    let app = TestApp::start_with(&[site, ("WHOP_API_KEY", "k"), ("WHOP_PLAN_ID", "plan_1")]).await;
    buys(&app, "program", "curl/8.5.0").await;
    until("it is seen in the session", || async {
        app.session("program").await["checkouts"][0]["carried"] == "link"
    })
    .await;
}

/// Begins checkouts from one address, in sessions `s0`, `s1` and so on, until one is answered otherwise than the first ones.
async fn buys_without_end(
    app: &TestApp,
    address: &str,
    first_ones: impl Fn(&Response) -> bool,
) -> (usize, Response) {
    for number in 0..1000 {
        let request = app.post("/api/checkout").header("x-forwarded-for", address);
        let form = [("session_id", format!("s{number}")), ("click_id", format!("c{number}"))];
        let answer = request.form(&form).send().await.unwrap();
        if !first_ones(&answer) {
            return (number, answer);
        }
    }
    panic!("no end to it")
}

const BEHIND_A_PROXY: (&str, &str) = ("TTR__SITE__TRUSTED_PROXIES", "[\"127.0.0.1\"]");

#[tokio::test]
async fn who_begins_checkouts_without_end_is_sent_by_the_link_and_leaves_nothing() {
    let made = "https://whop.com/checkout/plan_1/?session=ch_1";
    let (api_url, remote) = remote_whop(Some(json!({"id": "ch_1", "purchase_url": made}))).await;
    let api = [("WHOP_API_KEY", "k"), ("WHOP_PLAN_ID", "plan_1"), ("WHOP_API_URL", &*api_url)];
    let app = TestApp::start_with(&[&[BEHIND_A_PROXY], &api[..]].concat()).await;
    let by_the_api = |answer: &Response| location(answer).as_str() == made;
    let (number, answer) = buys_without_end(&app, "203.0.113.9", by_the_api).await;
    let last = format!("s{number}");
    assert_eq!(carried(&location(&answer), "aurea_session_id"), Some(last.clone()), "the sale is not lost");
    assert_eq!(remote.lock().unwrap().0.len(), number);
    let request = app.post("/api/checkout").header("x-forwarded-for", "203.0.113.10");
    let other = request.form(&[("session_id", "other")]).send().await.unwrap();
    assert!(by_the_api(&other), "others are not held up");
    let recorded = || asked::<i64>(app.folder(), "SELECT count(*) FROM session");
    until("all others are recorded", || async { recorded() == i64::try_from(number).unwrap() + 1 }).await;
    let kept = format!("SELECT count(*) FROM session WHERE session_id = '{last}'");
    assert_eq!(asked::<i64>(app.folder(), &kept), 0);
}

#[tokio::test]
async fn without_a_link_who_begins_checkouts_without_end_is_told_to_wait() {
    let more = [
        BEHIND_A_PROXY,
        ("TTR__CHECKOUT__PROVIDER", "stripe"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("STRIPE_API_KEY", "sk_test_1"),
        ("STRIPE_PRICE_ID", "price_1"),
        ("STRIPE_API_URL", "http://127.0.0.1:9/v1"),
    ];
    let app = TestApp::start_with(&more).await;
    let sent_on = |answer: &Response| answer.status() == StatusCode::SEE_OTHER;
    let (_, answer) = buys_without_end(&app, "203.0.113.9", sent_on).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    assert!(answer.text().await.unwrap().contains("press the button again"));
}

/// What the remote Whop was asked, and how it shall answer.
pub(crate) type Remote = Arc<Mutex<(Vec<(HeaderMap, Value)>, Option<Value>)>>;

/// Whop's API, played over real HTTP. Answers with `answer`, or 500.
pub(crate) async fn remote_whop(answer: Option<Value>) -> (String, Remote) {
    let remote: Remote = Arc::new(Mutex::new((Vec::new(), answer)));
    let handler = |State(remote): State<Remote>, headers: HeaderMap, Json(body): Json<Value>| async move {
        let mut remote = remote.lock().unwrap();
        remote.0.push((headers, body));
        match &remote.1 {
            Some(answer) => Json(answer.clone()).into_response(),
            None => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let router =
        Router::new().route("/api/v1/checkout_configurations", post(handler)).with_state(Arc::clone(&remote));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, remote)
}

#[tokio::test]
async fn in_api_mode_a_configuration_carries_the_ids() {
    let answer = json!({"id": "ch_1", "purchase_url": "https://whop.com/checkout/plan_1/?session=ch_1"});
    let (api_url, remote) = remote_whop(Some(answer)).await;
    let app =
        TestApp::start_with(&[("WHOP_API_KEY", "k"), ("WHOP_PLAN_ID", "plan_1"), ("WHOP_API_URL", &api_url)])
            .await;
    let url = location(&buy(&app, FORM).await);
    assert_eq!(url.as_str(), "https://whop.com/checkout/plan_1/?session=ch_1");
    let asked = remote.lock().unwrap();
    let (headers, body) = &asked.0[0];
    assert_eq!(headers["authorization"], "Bearer k");
    assert_eq!(body["plan_id"], "plan_1");
    assert_eq!(body["metadata"]["aurea_anonymous_id"], "a1");
    assert_eq!(body["metadata"]["aurea_session_id"], "s1");
    let started_at = body["metadata"]["checkout_started_at"].as_str().unwrap();
    assert!(started_at.parse::<i64>().is_ok());
    assert_eq!(headers["idempotency-key"], format!("s1.c1.{started_at}"));
    let back = Url::parse(body["redirect_url"].as_str().unwrap()).unwrap();
    assert!(back.as_str().starts_with(&format!("{}/thank-you?token=", app.url)), "{back}");
}

#[tokio::test]
async fn when_the_api_fails_the_buyer_goes_by_the_link() {
    for answer in [None, Some(json!({"no": "url"})), Some(json!({"purchase_url": "javascript:alert(1)"}))] {
        let (api_url, remote) = remote_whop(answer).await;
        let app = TestApp::start_with(&[
            ("WHOP_API_KEY", "k"),
            ("WHOP_PLAN_ID", "plan_1"),
            ("WHOP_API_URL", &api_url),
        ])
        .await;
        let url = location(&buy(&app, FORM).await);
        assert_eq!(remote.lock().unwrap().0.len(), 1);
        assert_eq!(carried(&url, "aurea_session_id").as_deref(), Some("s1"));
        until("it is seen in the session", || async {
            app.session("s1").await["checkouts"][0]["carried"] == "fallback"
        })
        .await;
    }
}
