//! Stripe: from the buy button to the session's conversion, and what its API is asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response as Answer};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use server::clock::now;
use server::provider::signature::Key;
use server::provider::stripe::{Api, Mode, Settings, Stripe};
use server::provider::{Fact, ListError, Provider};
use sha2::Sha256;
use url::{Url, form_urlencoded};

use crate::support::{TestApp, batch, names};

const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";

/// Stripe by its Payment Link, with Whop still on.
const SELLS: &[(&str, &str)] = &[
    ("TTR__CHECKOUT__PROVIDER", "stripe"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_an_older_one,whsec_0123456789abcdef0123456789abcdef"),
    ("STRIPE_CHECKOUT_URL", "https://buy.stripe.com/abc"),
];

async fn start(more: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(&[SELLS, more].concat()).await
}

/// `v1=…` over `{seconds}.{body}`, keyed with the secret as it is written.
fn v1(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("v1={}", hex::encode(mac.finalize().into_bytes()))
}

async fn post_signed(app: &TestApp, signature: &str, body: &str) -> Response {
    let request = app.post("/api/webhooks/stripe").header("stripe-signature", signature);
    request
        .header("content-type", "application/json; charset=utf-8")
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

async fn delivers(app: &TestApp, body: &Value) {
    let (seconds, body) = (now() / 1000, body.to_string());
    let signature = format!("t={seconds},{},v0=6ffbb59b", v1(SECRET, seconds, &body));
    assert_eq!(post_signed(app, &signature, &body).await.status(), StatusCode::OK, "{body}");
}

fn event(id: &str, event_type: &str, object: Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": "2026-07-29.dahlia", "created": now() / 1000, "livemode": true,
        "type": event_type, "data": {"object": object},
    })
}

/// A paid Checkout Session with `more` laid over it.
fn session(more: Value) -> Value {
    let mut session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "amount_total": 9900,
        "currency": "usd", "payment_intent": "pi_1", "invoice": null, "subscription": null, "metadata": {},
        "client_reference_id": null,
    });
    session.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    session
}

/// The first event of a checkout.
fn completed(more: Value) -> Value {
    event("evt_1", "checkout.session.completed", session(more))
}

async fn buy(app: &TestApp) -> Url {
    let form = [("anonymous_id", "a1"), ("session_id", "s1"), ("click_id", "c1"), ("location", "/")];
    let request = app.post("/api/checkout").header("sec-fetch-site", "same-origin").form(&form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

async fn payment(app: &TestApp, payment_id: &str) -> Value {
    let payments = app.owner("ttr/payments").await;
    let found = payments["payments"].as_array().unwrap().iter().find(|it| it["paymentId"] == payment_id);
    found.unwrap_or_else(|| panic!("{payment_id} is not in {payments}")).clone()
}

#[tokio::test]
async fn what_the_payment_link_carried_comes_back_and_converts_the_session() {
    let app = start(&[]).await;
    let start = now() - 200_000;
    app.browser_posts(&batch("s1", &[("page_view", start), ("faq_opened", start + 5000)])).await;
    let url = buy(&app).await;
    assert!(
        url.as_str().starts_with("https://buy.stripe.com/abc?client_reference_id=aurea1_2_a1_s1_"),
        "{url}"
    );
    let (_, reference) = url.query_pairs().next().unwrap();
    delivers(&app, &completed(json!({"client_reference_id": reference}))).await;
    let session = app.session("s1").await;
    assert_eq!(names(&session)[4..], ["checkout_completed", "session_end"]);
    assert_eq!((&session["conversionValue"], &session["currency"]), (&json!(99), &json!("USD")));
    assert_eq!(session["anonymousId"], "a1");
    let completed = &session["events"][4]["properties"];
    assert_eq!((&completed["orderId"], &completed["source"]), (&json!("pi_1"), &json!("stripe_webhook")));
    assert!(completed["checkoutDuration"].as_i64().unwrap() < 60, "{completed}");
}

#[tokio::test]
async fn ids_of_the_longest_legal_length_survive_the_payment_link() {
    let app = start(&[]).await;
    let (visitor, session_id) = ("_-".repeat(32), "-_".repeat(32));
    let form = [("anonymous_id", &*visitor), ("session_id", &*session_id), ("click_id", "c1")];
    let response = app.post("/api/checkout").form(&form).send().await.unwrap();
    let url = Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    let (_, reference) = url.query_pairs().next().unwrap();
    assert!(reference.len() <= 200, "Stripe drops a longer one");
    delivers(&app, &completed(json!({"client_reference_id": reference}))).await;
    let session = app.session(&session_id).await;
    assert_eq!((&session["converted"], &session["anonymousId"]), (&json!(true), &json!(visitor)));
}

#[tokio::test]
async fn only_the_page_of_the_providers_own_origins_is_allowed() {
    let app = start(&[]).await;
    let response = app.get("/").send().await.unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(
        policy.ends_with("form-action 'self' https://checkout.stripe.com https://buy.stripe.com"),
        "{policy}"
    );
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_changes_nothing() {
    let app = start(&[]).await;
    let body = completed(json!({})).to_string();
    let seconds = now() / 1000;
    let good = v1(SECRET, seconds, &body);
    let mut other_case = good.clone().into_bytes();
    let letter = other_case.iter().rposition(u8::is_ascii_alphabetic).unwrap();
    other_case[letter].make_ascii_uppercase();
    let other_case = String::from_utf8(other_case).unwrap();
    for (signature, body) in [
        (format!("t={seconds},{}", v1("whsec_wrong", seconds, &body)), body.clone()),
        (format!("t={seconds},{good}"), body.replace("9900", "9901")),
        (format!("t={},{good}", seconds - 1), body.clone()),
        (format!("t={},{}", seconds - 400, v1(SECRET, seconds - 400, &body)), body.clone()),
        (format!("t={},{}", seconds + 400, v1(SECRET, seconds + 400, &body)), body.clone()),
        (format!("t={seconds},{}", good.replace("v1=", "v0=")), body.clone()),
        (format!("t={seconds},{other_case}"), body.clone()),
        (good.clone(), body.clone()),
        (String::new(), body.clone()),
    ] {
        let answer = post_signed(&app, &signature, &body).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{signature}");
        assert!(!answer.text().await.unwrap().contains("whsec_"));
    }
    let unsigned = app.post("/api/webhooks/stripe").body(body).send().await.unwrap();
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
}

#[tokio::test]
async fn while_a_secret_is_rolled_either_signature_will_do() {
    let app = start(&[]).await;
    let seconds = now() / 1000;
    for (number, secrets) in
        [["whsec_of_tomorrow", SECRET], [SECRET, "whsec_of_tomorrow"], ["whsec_an_older_one", "x"]]
            .iter()
            .enumerate()
    {
        let intent = format!("pi_{number}");
        let mut event = completed(json!({"payment_intent": intent}));
        event["id"] = json!(format!("evt_{number}"));
        let body = event.to_string();
        let signatures = secrets.map(|secret| v1(secret, seconds, &body)).join(",");
        let answer = post_signed(&app, &format!("t={seconds},{signatures}"), &body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{secrets:?}");
    }
    assert_eq!(app.owner("ttr/payments").await["payments"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn one_payment_told_by_many_events_counts_once() {
    let app = start(&[]).await;
    let metadata = json!({"aurea_session_id": "s1", "checkout_started_at": (now() - 1000).to_string()});
    let mut event = completed(json!({"metadata": metadata}));
    delivers(&app, &event).await;
    delivers(&app, &event).await;
    event["id"] = json!("evt_2");
    delivers(&app, &event).await;
    event["type"] = json!("checkout.session.async_payment_succeeded");
    event["id"] = json!("evt_3");
    delivers(&app, &event).await;
    let session = app.session("s1").await;
    assert_eq!(session["conversions"].as_array().unwrap().len(), 1);
    assert_eq!(session["conversionValue"], 99);
    assert_eq!(names(&session), ["checkout_completed", "session_end"]);
}

#[tokio::test]
async fn the_first_invoice_of_a_subscription_is_its_checkouts_money_whichever_comes_first() {
    let metadata = json!({"aurea_session_id": "s1"});
    let began = completed(json!({
        "mode": "subscription", "payment_intent": null, "subscription": "sub_1", "invoice": "in_1", "metadata": metadata,
    }));
    let invoice = |id, reason| {
        let parent = json!({"subscription_details": {"subscription": "sub_1", "metadata": metadata}});
        let object = json!({
            "id": id, "object": "invoice", "billing_reason": reason, "amount_paid": 9900, "currency": "usd", "parent": parent,
        });
        event(&format!("evt_{id}"), "invoice.paid", object)
    };
    let first = invoice("in_1", "subscription_create");
    for order in [[&began, &first], [&first, &began]] {
        let app = start(&[]).await;
        for event in order {
            delivers(&app, event).await;
        }
        delivers(&app, &invoice("in_2", "subscription_cycle")).await;
        let session = app.session("s1").await;
        assert_eq!(session["conversions"].as_array().unwrap().len(), 1, "{session}");
        assert_eq!(session["conversionValue"], 99);
        let payments = app.owner("ttr/payments").await;
        let mut ids: Vec<&str> = payments["payments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["paymentId"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, ["in_1", "in_2"]);
    }
}

#[tokio::test]
async fn a_delayed_payment_converts_when_the_money_is_there() {
    let app = start(&[]).await;
    let metadata = json!({"aurea_session_id": "s1"});
    delivers(&app, &completed(json!({"payment_status": "unpaid", "metadata": metadata}))).await;
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
    let there = session(json!({"metadata": metadata}));
    delivers(&app, &event("evt_2", "checkout.session.async_payment_succeeded", there)).await;
    assert_eq!(app.session("s1").await["conversionValue"], 99);
}

#[tokio::test]
async fn money_is_counted_by_stripes_rules() {
    let app = start(&[]).await;
    for (amount, currency, shown) in [
        (1000, "jpy", json!(1000)),
        (5120, "kwd", json!(5.12)),
        (50_000, "isk", json!(500)),
        (50_000, "ugx", json!(500)),
        (5, "mga", json!(5)),
        (30, "usd", json!(0.3)),
    ] {
        let told =
            json!({"payment_intent": format!("pi_{currency}"), "amount_total": amount, "currency": currency});
        delivers(&app, &event(&format!("evt_{currency}"), "checkout.session.completed", session(told))).await;
        let payment = payment(&app, &format!("pi_{currency}")).await;
        assert_eq!(payment["amount"], shown, "{amount} {currency}");
        assert_eq!(payment["currency"], currency.to_uppercase());
    }
}

#[tokio::test]
async fn an_amount_that_can_not_be_trusted_is_kept_with_its_fault() {
    let app = start(&[]).await;
    let cases = [
        (json!(-1), "usd", "is not a whole number"),
        (json!(0.1 + 0.2), "usd", "is not a whole number"),
        (json!(1e30), "usd", "is not a whole number"),
        (json!("99,00"), "usd", "is not a whole number"),
        (json!(550), "isk", "more digits than the currency"),
        (json!(9900), "xxq", "unknown currency"),
    ];
    for (number, (amount, currency, fault)) in cases.iter().enumerate() {
        let told = json!({
            "payment_intent": format!("pi_{number}"), "amount_total": amount, "currency": currency,
            "metadata": {"aurea_session_id": "s1"},
        });
        delivers(&app, &event(&format!("evt_{number}"), "checkout.session.completed", session(told))).await;
        let payment = payment(&app, &format!("pi_{number}")).await;
        assert!(payment["amountFault"].as_str().unwrap().contains(fault), "{payment}");
    }
    assert_eq!(app.owner("ttr/sessions?converted=true").await["sessions"], json!([]));
}

fn refund(id: &str, payment_intent: &str, amount: i64, status: &str) -> Value {
    json!({
        "id": id, "object": "refund", "amount": amount, "currency": "usd", "charge": "ch_1",
        "payment_intent": payment_intent, "status": status,
    })
}

#[tokio::test]
async fn net_revenue_follows_refunds_and_disputes_of_a_payment() {
    let app = start(&[]).await;
    let dispute = |status| {
        json!({
            "id": "dp_1", "object": "dispute", "amount": 9900, "currency": "usd", "charge": "ch_1",
            "payment_intent": "pi_1", "status": status,
        })
    };
    let charge = |refunded| json!({"id": "ch_1", "object": "charge", "amount_refunded": refunded, "currency": "usd", "payment_intent": "pi_1"});
    delivers(&app, &completed(json!({"metadata": {"aurea_session_id": "s1"}}))).await;
    for (number, (event_type, object, net)) in [
        ("refund.created", refund("re_1", "pi_1", 4000, "pending"), 99),
        ("refund.updated", refund("re_1", "pi_1", 4000, "succeeded"), 59),
        ("charge.refunded", charge(4000), 59),
        ("charge.refunded", charge(5000), 49),
        ("refund.created", refund("re_2", "pi_1", 1000, "succeeded"), 49),
        ("refund.failed", refund("re_2", "pi_1", 1000, "failed"), 59),
        ("charge.dispute.created", dispute("warning_needs_response"), 59),
        ("charge.dispute.funds_withdrawn", dispute("needs_response"), 0),
        ("charge.dispute.closed", dispute("won"), 59),
    ]
    .into_iter()
    .enumerate()
    {
        delivers(&app, &event(&format!("evt_later_{number}"), event_type, object)).await;
        let session = app.session("s1").await;
        assert_eq!(session["conversionValue"], 99);
        assert_eq!(session["netValue"], net, "{number} {event_type}");
    }
}

#[tokio::test]
async fn a_refund_of_a_subscriptions_money_finds_it_in_every_order_of_events() {
    let app = start(&[]).await;
    let places = (0..256).map(|number: usize| [number & 3, number >> 2 & 3, number >> 4 & 3, number >> 6]);
    let orders = places.filter(|order| order.iter().collect::<BTreeSet<_>>().len() == order.len());
    for (number, order) in orders.enumerate() {
        let id = |prefix: &str| format!("{prefix}_{number}");
        let parent = json!({"subscription_details": {"subscription": id("sub"), "metadata": {}}});
        let events = [
            (
                "checkout.session.completed",
                session(json!({
                    "id": id("cs"), "mode": "subscription", "payment_intent": null, "subscription": id("sub"),
                    "invoice": id("in"), "metadata": {"aurea_session_id": id("s")},
                })),
            ),
            (
                "invoice.paid",
                json!({
                    "id": id("in"), "billing_reason": "subscription_create", "amount_paid": 9900, "currency": "usd",
                    "parent": parent,
                }),
            ),
            (
                "invoice_payment.paid",
                json!({
                    "id": id("inpay"), "invoice": id("in"), "payment": {"type": "payment_intent", "payment_intent": id("pi")},
                }),
            ),
            ("refund.created", refund(&id("re"), &id("pi"), 4000, "succeeded")),
        ];
        for place in order {
            let (event_type, object) = &events[place];
            delivers(&app, &event(&format!("evt_{number}_{place}"), event_type, object.clone())).await;
        }
        let session = app.session(&id("s")).await;
        assert_eq!(
            (&session["conversionValue"], &session["netValue"]),
            (&json!(99), &json!(59)),
            "{order:?}"
        );
        assert_eq!(session["conversions"].as_array().unwrap().len(), 1, "{order:?}");
    }
}

#[tokio::test]
async fn what_is_authentic_and_says_nothing_of_money_is_kept() {
    let app = start(&[]).await;
    for (number, body) in [
        json!({"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}),
        json!({"id": "evt_2", "object": "v2.core.event", "type": "charge.refunded", "created": "2026-01-01T00:00:00Z"}),
        json!({"id": "evt_3", "object": "event", "type": "checkout.session.completed"}),
        json!("no event"),
    ]
    .iter()
    .enumerate()
    {
        delivers(&app, body).await;
        let store = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
        let kept: usize = store.query_row("SELECT count(*) FROM delivery", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, number + 1, "{body}");
    }
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
}

#[tokio::test]
async fn a_provider_that_is_not_on_has_no_door() {
    let app = TestApp::start().await;
    let body = completed(json!({})).to_string();
    let seconds = now() / 1000;
    let signature = format!("t={seconds},{}", v1(SECRET, seconds, &body));
    assert_eq!(post_signed(&app, &signature, &body).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn another_provider_than_the_buy_buttons_takes_deliveries() {
    let app = start(&[]).await;
    let body = crate::support::payment("pay_1", &json!({"aurea_session_id": "s1"}));
    assert_eq!(app.whop_delivers("msg_1", &body).await.status(), StatusCode::OK);
    assert_eq!(app.session("s1").await["conversionValue"], 99);
}

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
        assert_eq!(headers["idempotency-key"], "s1.c1");
        let value = |name: &str| value(form, name).unwrap_or_default();
        assert_eq!((&*value("mode"), &*value("line_items[0][price]")), (mode, "price_1"));
        assert_eq!(value("line_items[0][quantity]"), "1");
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
