//! Stripe's API, played over real HTTP: how a checkout begins with it, and what its list tells.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use server::clock::now;
use server::provider::signature::Key;
use server::provider::stripe::{Api, Mode, Settings, Stripe};
use server::provider::{Fact, ListError, Provider};
use url::form_urlencoded;

use crate::stripe::{SECRET, buy, buy_with, completed, event, start};
use crate::support::{serve_here, until};

/// What Stripe's API was asked, and what it answers.
struct Remote {
    asked: Mutex<Vec<(HeaderMap, String)>>,
    answer: fn(&str) -> Answer,
}

/// Stripe's API, played over real HTTP. `answer` is given the request's form or query.
async fn remote_stripe(answer: fn(&str) -> Answer) -> (String, Arc<Remote>) {
    let remote = Arc::new(Remote { asked: Mutex::default(), answer });
    let told = |remote: &Remote, headers, text: String| {
        let answer = (remote.answer)(&text);
        remote.asked.lock().unwrap().push((headers, text));
        answer
    };
    let create = move |State(remote): State<Arc<Remote>>, headers: HeaderMap, form: String| async move {
        told(&remote, headers, form)
    };
    let list = move |State(remote): State<Arc<Remote>>, headers: HeaderMap, RawQuery(query): RawQuery| async move {
        told(&remote, headers, query.unwrap_or_default())
    };
    let router = Router::new()
        .route("/v1/checkout/sessions", post(create))
        .route("/v1/events", get(list))
        .with_state(Arc::clone(&remote));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, remote)
}

fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn value(text: &str, name: &str) -> Option<String> {
    pairs(text).into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

const API: [(&str, &str); 2] = [("STRIPE_API_KEY", "sk_test_1"), ("STRIPE_PRICE_ID", "price_1")];

#[tokio::test]
async fn in_api_mode_a_checkout_session_carries_the_ids() {
    let answer = |_: &str| {
        Json(json!({"id": "cs_1", "url": "https://checkout.stripe.com/c/pay/cs_1"})).into_response()
    };
    for (mode, made) in [("payment", "payment_intent_data"), ("subscription", "subscription_data")] {
        let (api_url, remote) = remote_stripe(answer).await;
        let more = [&API[..], &[("STRIPE_API_URL", &api_url), ("TTR__STRIPE__MODE", mode)]].concat();
        let app = start(&more).await;
        assert_eq!(buy(&app).await.as_str(), "https://checkout.stripe.com/c/pay/cs_1");
        let asked = remote.asked.lock().unwrap();
        let (headers, form) = &asked[0];
        assert_eq!(headers["authorization"], "Bearer sk_test_1");
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        let value = |name: &str| value(form, name).unwrap_or_default();
        assert_eq!((&*value("mode"), &*value("line_items[0][price]")), (mode, "price_1"));
        assert_eq!(value("line_items[0][quantity]"), "1");
        let started_at = value("metadata[checkout_started_at]");
        assert_eq!(headers["idempotency-key"], format!("s1.c1.{started_at}").as_str());
        assert!(value("success_url").starts_with(&format!("{}/thank-you", app.url)));
        assert_eq!(value("cancel_url"), format!("{}/", app.url));
        assert!(value("client_reference_id").starts_with("aurea1_2_a1_s1_"));
        for place in ["metadata".to_owned(), format!("{made}[metadata]")] {
            assert_eq!(value(&format!("{place}[aurea_anonymous_id]")), "a1");
            assert_eq!(value(&format!("{place}[aurea_session_id]")), "s1");
            assert!(value(&format!("{place}[checkout_started_at]")).parse::<i64>().is_ok());
        }
    }
}

#[tokio::test]
async fn when_the_api_fails_the_buyer_goes_by_the_payment_link() {
    let answers: [fn(&str) -> Answer; 4] = [
        |_| axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |_| (axum::http::StatusCode::BAD_REQUEST, Json(json!({"error": {"code": "x"}}))).into_response(),
        |_| Json(json!({"id": "cs_1", "url": null})).into_response(),
        |_| Json(json!({"url": "javascript:alert(1)"})).into_response(),
    ];
    for answer in answers {
        let (api_url, remote) = remote_stripe(answer).await;
        let app = start(&[&API[..], &[("STRIPE_API_URL", &api_url)]].concat()).await;
        let url = buy(&app).await;
        assert!(url.as_str().starts_with("https://buy.stripe.com/abc?client_reference_id=aurea1_"), "{url}");
        assert_eq!(remote.asked.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_api_that_hangs_is_left_for_the_payment_link_in_three_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let app = start(&[&API[..], &[("STRIPE_API_URL", &api_url)]].concat()).await;
    let began = std::time::Instant::now();
    let url = buy(&app).await;
    let waited = began.elapsed().as_secs_f32();
    assert!(url.as_str().starts_with("https://buy.stripe.com/abc?"), "{url}");
    assert!((2.5..15.0).contains(&waited), "{waited}"); // generous upwards: the machine may be busy
    drop(listener);
}

/// Stripe's API as far as its keys go.
#[derive(Default)]
struct Keys {
    /// What came under each.
    known: Mutex<BTreeMap<String, String>>,
    /// How the next requests are answered, before anything is looked at.
    first: Mutex<VecDeque<StatusCode>>,
    /// The key and the form of every request.
    asked: Mutex<Vec<(String, String)>>,
}

/// Refuses a key that comes again with another body.
async fn with_keys(State(keys): State<Arc<Keys>>, headers: HeaderMap, form: String) -> Answer {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    keys.asked.lock().unwrap().push((key.clone(), form.clone()));
    if let Some(status) = keys.first.lock().unwrap().pop_front() {
        return (status, Json(json!({"error": {"type": "idempotency_error"}}))).into_response();
    }
    if *keys.known.lock().unwrap().entry(key).or_insert_with(|| form.clone()) != form {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": {"type": "idempotency_error"}})))
            .into_response();
    }
    Json(json!({"id": "cs_1", "url": "https://checkout.stripe.com/c/pay/cs_1"})).into_response()
}

async fn stripe_with_keys(first: &[StatusCode]) -> (String, Arc<Keys>) {
    let keys = Arc::new(Keys { first: Mutex::new(first.iter().copied().collect()), ..Keys::default() });
    let router = Router::new().route("/v1/checkout/sessions", post(with_keys)).with_state(Arc::clone(&keys));
    (format!("{}/v1", serve_here(router).await), keys)
}

#[tokio::test]
async fn a_double_click_by_a_clock_that_is_far_off_finds_the_checkout_both_times() {
    let (api_url, keys) = stripe_with_keys(&[]).await;
    let app = start(&[&API[..], &[("STRIPE_API_URL", &api_url)]].concat()).await;
    let clock = now() - 60_000;
    for started_at in [clock, clock + 10_000] {
        let url = buy_with(&app, &[("started_at", &started_at.to_string())]).await;
        assert_eq!(url.as_str(), "https://checkout.stripe.com/c/pay/cs_1");
        let then = now();
        until("time goes on", || async { now() > then }).await;
    }
    let asked = keys.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0].1, asked[1].1, "each is dated by our clock");
}

#[tokio::test]
async fn a_key_that_is_in_use_is_asked_for_once_more() {
    let in_use = StatusCode::CONFLICT;
    for (first, goes_by, requests) in [
        (&[in_use][..], "https://checkout.stripe.com/c/pay/cs_1", 2),
        (&[in_use, in_use], "https://buy.stripe.com/abc?", 2),
        (&[StatusCode::TOO_MANY_REQUESTS], "https://buy.stripe.com/abc?", 1),
    ] {
        let (api_url, keys) = stripe_with_keys(first).await;
        let app = start(&[&API[..], &[("STRIPE_API_URL", &api_url)]].concat()).await;
        let url = buy(&app).await;
        assert!(url.as_str().starts_with(goes_by), "{url}");
        let asked = keys.asked.lock().unwrap();
        assert_eq!(asked.len(), requests);
        assert!(asked.iter().all(|request| *request == asked[0]), "the same under the same key");
    }
}

fn provider(api_url: &str) -> Stripe {
    let api =
        Api { url: api_url.parse().unwrap(), key: "sk_test_1".into(), price_id: None, mode: Mode::Payment };
    let settings =
        Settings { checkout_url: None, api: Some(api), account: None, webhook_keys: vec![Key::raw(SECRET)] };
    Stripe::new(settings, reqwest::Client::new())
}

#[tokio::test]
async fn the_list_finds_what_deliveries_would_have_told_on_every_page() {
    let (api_url, remote) = remote_stripe(|query| {
        let refund = json!({"id": "re_1", "amount": 100, "currency": "usd", "payment_intent": "pi_1", "status": "succeeded"});
        let page = match value(query, "starting_after").as_deref() {
            None => json!({"object": "list", "has_more": true, "data": [
                event("evt_4", "refund.created", refund),
                event("evt_3", "refund.created", json!({"id": "re_0"})),
            ]}),
            Some("evt_3") => json!({"object": "list", "has_more": false, "data": [completed(json!({}))]}),
            Some(other) => panic!("{other}"),
        };
        Json(page).into_response()
    })
    .await;
    let facts = provider(&api_url).list(1_703_001_200_999).await.unwrap();
    let [Fact::Paid(paid), Fact::Refunded(refunded)] = &facts[..] else { panic!("{facts:?}") };
    assert_eq!((&*paid.payment_id, &*refunded.refund_id), ("pi_1", "re_1"));
    let asked = remote.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    let (headers, query) = &asked[0];
    assert_eq!(headers["authorization"], "Bearer sk_test_1");
    assert_eq!(value(query, "created[gte]").as_deref(), Some("1703001200"));
    assert_eq!(value(query, "limit").as_deref(), Some("100"));
    let types: Vec<String> =
        pairs(query).into_iter().filter(|(key, _)| key == "types[]").map(|(_, value)| value).collect();
    assert!(types.len() <= 20, "Stripe takes no more");
    assert!(types.contains(&"checkout.session.completed".to_owned()));
}

#[tokio::test]
async fn a_list_that_can_not_be_had_is_an_error_without_the_key() {
    let said = |error: ListError| format!("{error} {error:?}");
    let answers: [fn(&str) -> Answer; 3] = [
        |_| axum::http::StatusCode::UNAUTHORIZED.into_response(),
        |_| "no json".into_response(),
        |_| Json(json!({"data": [{"no": "type"}], "has_more": false})).into_response(),
    ];
    for answer in answers {
        let (api_url, _) = remote_stripe(answer).await;
        let error = said(provider(&api_url).list(0).await.unwrap_err());
        assert!(!error.contains("sk_test_1"), "{error}");
    }
    let endless =
        |_: &str| Json(json!({"data": [{"id": "evt_1", "type": "x"}], "has_more": true})).into_response();
    let (api_url, remote) = remote_stripe(endless).await;
    assert!(matches!(provider(&api_url).list(0).await, Err(ListError::Unreadable(_))));
    assert!(remote.asked.lock().unwrap().len() < 10, "the same page again is no page");
    let no_key = Settings { checkout_url: None, api: None, account: None, webhook_keys: vec![] };
    let answer = Stripe::new(no_key, reqwest::Client::new()).list(0).await;
    assert!(matches!(answer, Err(ListError::NoKey("STRIPE_API_KEY"))));
}
