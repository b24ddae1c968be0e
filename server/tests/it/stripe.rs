//! Stripe: from the buy button by its Payment Link to the session's conversion, and what becomes of the money.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use server::clock::now;
use sha2::Sha256;
use url::Url;

use crate::support::{TestApp, batch, names};

pub(crate) const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";

/// Stripe by its Payment Link, with Whop still on.
const SELLS: &[(&str, &str)] = &[
    ("TTR__CHECKOUT__PROVIDER", "stripe"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_an_older_one,whsec_0123456789abcdef0123456789abcdef"),
    ("STRIPE_CHECKOUT_URL", "https://buy.stripe.com/abc"),
];

pub(crate) async fn start(more: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(&[SELLS, more].concat()).await
}

/// `v1=…` over `{seconds}.{body}`, keyed with the secret as it is written.
pub(crate) fn v1(secret: &str, seconds: i64, body: &str) -> String {
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

pub(crate) fn event(id: &str, event_type: &str, object: Value) -> Value {
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
pub(crate) fn completed(more: Value) -> Value {
    event("evt_1", "checkout.session.completed", session(more))
}

pub(crate) async fn buy(app: &TestApp) -> Url {
    buy_with(app, &[]).await
}

/// Buys with `more` in the form.
pub(crate) async fn buy_with(app: &TestApp, more: &[(&str, &str)]) -> Url {
    let form = [("anonymous_id", "a1"), ("session_id", "s1"), ("click_id", "c1"), ("location", "/")];
    let form = [&form[..], more].concat();
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
async fn a_refund_that_failed_after_a_sum_told_of_it_is_money_again() {
    let app = start(&[]).await;
    let seconds = now() / 1000 - 60;
    let at = |second: i64, id: &str, event_type: &str, object: Value| {
        let mut event = event(id, event_type, object);
        event["created"] = json!(seconds + second);
        event
    };
    let refund = |status: &str| json!({"id": "re_1", "amount": 4000, "currency": "usd", "payment_intent": "pi_1", "status": status});
    let charge = json!({"id": "ch_1", "amount_refunded": 4000, "currency": "usd", "payment_intent": "pi_1"});
    let metadata = json!({"aurea_anonymous_id": "a1", "aurea_session_id": "s1"});
    delivers(&app, &completed(json!({"metadata": metadata}))).await;
    for (event, net) in [
        (at(1, "evt_2", "refund.created", refund("pending")), 99),
        (at(1, "evt_3", "charge.refunded", charge), 59),
        (at(9, "evt_4", "refund.failed", refund("failed")), 99),
    ] {
        delivers(&app, &event).await;
        assert_eq!(app.session("s1").await["netValue"], net, "{event}");
    }
}

#[tokio::test]
async fn a_try_that_failed_in_test_mode_is_marked() {
    let app = start(&[]).await;
    let metadata = json!({"aurea_anonymous_id": "a1", "aurea_session_id": "s1"});
    let mut expired = event("evt_1", "checkout.session.expired", session(json!({"metadata": metadata})));
    expired["livemode"] = json!(false);
    delivers(&app, &expired).await;
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["checkout_failed"]);
    assert_eq!(session["events"][0]["properties"]["test"], true);
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
