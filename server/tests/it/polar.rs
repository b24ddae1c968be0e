//! Polar, from the buy button to the ledger.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use server::clock::now;
use server::provider::polar::{Api, Polar, Settings};
use server::provider::{Counts, Fact, ListError, PaymentKind, Provider};
use tokio::net::TcpListener;
use url::Url;

use crate::support::{TestApp, metadata, names, serve_here, sign};

/// A secret of before September 2026: signed with the bytes of the whole text.
const OLD_SECRET: &str = "polar_whs_AbCdEf0123456789";

/// A secret that Polar has made since: signed with what it decodes to.
const NEW_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const LINK: &str = "https://buy.polar.sh/polar_cl_1?utm_source=ttr";

const FORM: &[(&str, &str)] =
    &[("anonymous_id", "a1"), ("session_id", "s1"), ("click_id", "c1"), ("location", "/")];

async fn start(more: &[(&str, &str)]) -> TestApp {
    let secrets = format!("{OLD_SECRET},{NEW_SECRET}");
    let polar = [
        ("TTR__CHECKOUT__PROVIDER", "polar"),
        ("POLAR_WEBHOOK_SECRET", secrets.as_str()),
        ("POLAR_CHECKOUT_URL", LINK),
    ];
    TestApp::start_with(&[&polar, more].concat()).await
}

fn buying(app: &TestApp, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    app.post("/api/checkout").header("sec-fetch-site", "same-origin").form(form)
}

async fn buy(app: &TestApp, form: &[(&str, &str)]) -> Url {
    location(&buying(app, form).send().await.unwrap())
}

fn location(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

/// What the link carries.
fn reference(url: &Url) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == "reference_id").map(|(_, value)| value.into_owned())
}

async fn delivers(app: &TestApp, id: &str, event_type: &str, data: &Value) -> Response {
    delivers_signed(app, id, event_type, data, |body, seconds| sign(OLD_SECRET, id, seconds, body)).await
}

async fn delivers_signed(
    app: &TestApp,
    id: &str,
    event_type: &str,
    data: &Value,
    sign: impl Fn(&str, i64) -> String,
) -> Response {
    let body = json!({"type": event_type, "timestamp": "2026-08-01T12:00:36Z", "data": data}).to_string();
    let seconds = now() / 1000;
    let signature = sign(&body, seconds);
    app.post("/api/webhooks/polar")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .unwrap()
}

/// A paid order of 90 USD with 9 USD of tax.
fn order(id: &str, metadata: &Value) -> Value {
    json!({
        "id": id, "status": "paid", "billing_reason": "purchase", "checkout_id": format!("co_{id}"), "subscription_id": null,
        "net_amount": 9000, "tax_amount": 900, "total_amount": 9900, "refunded_amount": 0, "refunded_tax_amount": 0,
        "currency": "usd", "created_at": iso(now()), "modified_at": null, "metadata": metadata,
    })
}

fn with(mut value: Value, changes: &Value) -> Value {
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}

fn iso(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

/// What Polar's API was asked.
type Asked = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// Polar's API, played over real HTTP: answers a checkout with `answer`, or 500.
async fn remote_polar(answer: Option<Value>) -> (String, Asked) {
    let asked = Asked::default();
    let make = |State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>| async move {
        asked.lock().unwrap().push((headers, body));
        match answer {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    let router = Router::new().route("/v1/checkouts/", post(make)).with_state(Arc::clone(&asked));
    (format!("{}/v1", serve_here(router).await), asked)
}

fn api_mode(url: &str) -> [(&str, &str); 3] {
    [("POLAR_API_KEY", "polar_oat_1"), ("POLAR_PRODUCT_ID", "prod_1"), ("POLAR_API_URL", url)]
}

#[tokio::test]
async fn the_buyer_goes_by_the_link_with_the_ids_in_its_one_field() {
    let app = start(&[]).await;
    let url = buy(&app, FORM).await;
    assert!(url.as_str().starts_with(LINK), "{url}");
    let reference = reference(&url).unwrap();
    assert!(reference.starts_with("aurea1_2_a1_s1_1"), "{reference}");
    assert_eq!(names(&app.session("s1").await), ["buy_button_clicked", "checkout_started"]);
    let csp = app.get("/").send().await.unwrap().headers()["content-security-policy"].clone();
    let csp = csp.to_str().unwrap();
    assert!(
        csp.contains("form-action 'self' https://polar.sh https://*.polar.sh https://buy.polar.sh"),
        "{csp}"
    );
}

#[tokio::test]
async fn ids_of_the_longest_legal_length_come_back_by_the_link() {
    let app = start(&[]).await;
    let (visitor, session) = ("a-_".repeat(21) + "a", "_s-".repeat(21) + "s");
    assert_eq!((visitor.len(), session.len()), (64, 64));
    let url = buy(&app, &[("anonymous_id", &visitor), ("session_id", &session), ("click_id", "c1")]).await;
    let reference = reference(&url).unwrap();
    assert!(reference.len() <= 500, "what Polar's metadata takes");
    let paid = order("or_1", &json!({"reference_id": reference, "utm_source": "ttr"}));
    assert_eq!(delivers(&app, "msg_1", "order.paid", &paid).await.status(), StatusCode::OK);
    let session = app.session(&session).await;
    assert_eq!((&session["converted"], &session["anonymousId"]), (&json!(true), &json!(visitor)));
    assert!(session["events"][2]["properties"]["checkoutDuration"].is_u64(), "{session}");
}

#[tokio::test]
async fn in_api_mode_the_checkout_is_made_with_the_ids_and_the_buyers_address() {
    let answer = json!({"id": "co_1", "url": "https://polar.sh/checkout/polar_c_1"});
    let (api_url, asked) = remote_polar(Some(answer)).await;
    let proxies = ("TTR__SITE__TRUSTED_PROXIES", r#"["127.0.0.1"]"#);
    let app = start(&[&api_mode(&api_url)[..], &[proxies]].concat()).await;
    let buying = buying(&app, FORM).header("x-forwarded-for", "203.0.113.7");
    assert_eq!(location(&buying.send().await.unwrap()).as_str(), "https://polar.sh/checkout/polar_c_1");
    buy(&app, FORM).await;
    let asked = asked.lock().unwrap();
    let (headers, body) = &asked[0];
    assert_eq!(headers["authorization"], "Bearer polar_oat_1");
    assert_eq!(body["products"], json!(["prod_1"]));
    assert_eq!(body["metadata"]["aurea_anonymous_id"], "a1");
    assert_eq!(body["metadata"]["aurea_session_id"], "s1");
    assert!(body["metadata"]["checkout_started_at"].as_str().unwrap().parse::<i64>().is_ok());
    assert!(body["success_url"].as_str().unwrap().starts_with(&format!("{}/thank-you", app.url)), "{body}");
    assert_eq!(body["customer_ip_address"], "203.0.113.7");
    assert!(body.get("customer_id").is_none() && body.get("external_customer_id").is_none());
    assert!(asked[1].1.get("customer_ip_address").is_none(), "an address that is not public says nothing");
}

#[tokio::test]
async fn when_the_api_fails_the_buyer_goes_by_the_link() {
    for answer in [None, Some(json!({"no": "url"})), Some(json!({"url": "javascript:alert(1)"}))] {
        let (api_url, asked) = remote_polar(answer).await;
        let app = start(&api_mode(&api_url)).await;
        let url = buy(&app, FORM).await;
        assert_eq!(asked.lock().unwrap().len(), 1);
        assert!(url.as_str().starts_with(LINK) && reference(&url).is_some(), "{url}");
    }
}

#[tokio::test]
async fn a_buyer_waits_three_seconds_for_the_api_at_most() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap(); // connections are made, and nobody answers
    let api_url = format!("http://{}/v1", silent.local_addr().unwrap());
    let app = start(&api_mode(&api_url)).await;
    let clicked = Instant::now();
    let url = buy(&app, FORM).await;
    assert!(url.as_str().starts_with(LINK), "{url}");
    assert!(clicked.elapsed() < Duration::from_secs(20), "{:?}", clicked.elapsed());
}

#[tokio::test]
async fn deliveries_signed_by_either_generation_of_secrets_are_taken_and_no_others() {
    let app = start(&[]).await;
    let paid = |id: &str| order(id, &metadata(now() - 1000));
    assert_eq!(delivers(&app, "msg_1", "order.paid", &paid("or_1")).await.status(), StatusCode::OK);
    let library = standardwebhooks::Webhook::new(NEW_SECRET).unwrap();
    let decoded = |body: &str, seconds: i64| library.sign("msg_2", seconds, body.as_bytes()).unwrap();
    let answer = delivers_signed(&app, "msg_2", "order.paid", &paid("or_2"), decoded).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let whole = |body: &str, seconds: i64| sign(NEW_SECRET, "msg_3", seconds, body);
    let answer = delivers_signed(&app, "msg_3", "order.paid", &paid("or_3"), whole).await;
    assert_eq!(answer.status(), StatusCode::OK, "one that the merchant chose");
    for secret in ["whsec_", "", "polar_whs_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        let other = |body: &str, seconds: i64| sign(&format!("{secret} "), "msg_4", seconds, body);
        let answer = delivers_signed(&app, "msg_4", "order.paid", &paid("or_4"), other).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{secret}");
    }
    assert_eq!(app.owner("ttr/payments").await["payments"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_paid_order_converts_the_session_once_however_often_polar_tells() {
    let app = start(&[]).await;
    let paid = order("or_1", &metadata(now() - 60_000));
    let pending = with(paid.clone(), &json!({"status": "pending"}));
    for (id, event_type, data) in [
        ("msg_1", "order.created", &pending),
        ("msg_2", "order.paid", &paid),
        ("msg_2", "order.paid", &paid),
        ("msg_3", "order.paid", &paid),
        ("msg_4", "order.updated", &paid),
    ] {
        assert_eq!(delivers(&app, id, event_type, data).await.status(), StatusCode::OK, "{id}");
    }
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["checkout_completed", "session_end"]);
    assert_eq!((&session["conversionValue"], &session["currency"]), (&json!(99), &json!("USD")));
    let completed = &session["events"][0]["properties"];
    assert_eq!((&completed["source"], &completed["orderId"]), (&json!("polar_webhook"), &json!("or_1")));
}

#[tokio::test]
async fn a_renewal_that_repeats_the_metadata_makes_no_second_conversion() {
    let app = start(&[]).await;
    let first = json!({"billing_reason": "subscription_create", "subscription_id": "sub_1"});
    let renewal =
        json!({"billing_reason": "subscription_cycle", "subscription_id": "sub_1", "checkout_id": null});
    let ids = metadata(now() - 60_000);
    delivers(&app, "msg_1", "order.paid", &with(order("or_1", &ids), &first)).await;
    delivers(&app, "msg_2", "order.paid", &with(order("or_2", &ids), &renewal)).await;
    let session = app.session("s1").await;
    assert_eq!(session["conversions"].as_array().unwrap().len(), 1);
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(198)));
    assert_eq!(app.owner("ttr/payments").await["payments"].as_array().unwrap().len(), 2);
}

fn refund(id: &str, order_id: &str, status: &str, amount: u64, tax: u64) -> Value {
    json!({
        "id": id, "order_id": order_id, "status": status, "reason": "customer_request", "amount": amount, "tax_amount": tax,
        "currency": "usd", "created_at": iso(now()), "metadata": {}, "dispute": null,
    })
}

#[tokio::test]
async fn a_refund_that_polar_tells_three_times_is_taken_once_and_with_its_tax() {
    let app = start(&[]).await;
    let paid = order("or_1", &metadata(now() - 60_000));
    let partly = json!({"status": "partially_refunded", "refunded_amount": 3000, "refunded_tax_amount": 300});
    let wholly = json!({"status": "refunded", "refunded_amount": 9000, "refunded_tax_amount": 900});
    for (id, event_type, data, net) in [
        ("msg_1", "order.paid", paid.clone(), 99),
        ("msg_2", "refund.created", refund("re_1", "or_1", "pending", 3000, 300), 99),
        ("msg_3", "refund.updated", refund("re_1", "or_1", "succeeded", 3000, 300), 66),
        ("msg_4", "order.refunded", with(paid.clone(), &partly), 66),
        ("msg_5", "refund.created", refund("re_2", "or_1", "succeeded", 6000, 600), 0),
        ("msg_6", "order.refunded", with(paid.clone(), &wholly), 0),
        ("msg_7", "refund.updated", refund("re_2", "or_1", "succeeded", 6000, 600), 0),
    ] {
        assert_eq!(delivers(&app, id, event_type, &data).await.status(), StatusCode::OK, "{id}");
        let session = app.session("s1").await;
        assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(net)), "{id}");
    }
}

#[tokio::test]
async fn an_order_of_which_only_the_refund_arrived_is_known_all_the_same() {
    let app = start(&[]).await;
    let wholly = json!({"status": "refunded", "refunded_amount": 9000, "refunded_tax_amount": 900});
    let refunded = with(order("or_1", &metadata(now() - 60_000)), &wholly);
    delivers(&app, "msg_1", "refund.created", &refund("re_1", "or_1", "succeeded", 9000, 900)).await;
    delivers(&app, "msg_2", "order.refunded", &refunded).await;
    let session = app.session("s1").await;
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(0)));
}

#[tokio::test]
async fn what_is_paid_or_fails_in_the_sandbox_is_a_test() {
    let app =
        start(&[("POLAR_CHECKOUT_URL", "https://sandbox-api.polar.sh/v1/checkout-links/x/redirect")]).await;
    delivers(&app, "msg_1", "order.paid", &order("or_1", &metadata(now() - 60_000))).await;
    let checkout = json!({"id": "co_2", "status": "expired", "modified_at": iso(now()), "metadata": metadata(now() - 60_000)});
    delivers(&app, "msg_2", "checkout.expired", &checkout).await;
    let session = app.session("s1").await;
    assert_eq!(session["conversions"][0]["test"], true);
    let failed = session["events"].as_array().unwrap().iter().find(|it| it["eventName"] == "checkout_failed");
    assert_eq!(failed.unwrap()["properties"]["test"], true);
}

#[tokio::test]
async fn a_checkout_that_expired_is_told_in_its_session() {
    let app = start(&[]).await;
    let checkout = json!({"id": "co_1", "status": "expired", "modified_at": iso(now()), "metadata": metadata(now() - 60_000)});
    delivers(&app, "msg_1", "checkout.expired", &checkout).await;
    let session = app.session("s1").await;
    assert_eq!((names(&session), &session["converted"]), (vec!["checkout_failed"], &json!(false)));
}

/// Polar's lists, two items a page, newest first. Without a list of disputes the token may not see it.
async fn remote_lists(
    orders: Vec<Value>,
    refunds: Vec<Value>,
    disputes: Option<Vec<Value>>,
) -> (String, Asked) {
    let asked = Asked::default();
    let list = |items: Vec<Value>| {
        move |State(asked): State<Asked>, headers: HeaderMap, Query(query): Query<Value>| async move {
            let page: usize = query["page"].as_str().unwrap().parse().unwrap();
            asked.lock().unwrap().push((headers, query));
            let pages: Vec<_> = items.chunks(2).collect();
            let items = pages.get(page - 1).copied().unwrap_or_default();
            Json(json!({"items": items, "pagination": {"total_count": 5, "max_page": pages.len()}}))
        }
    };
    let router = Router::new()
        .route("/v1/orders/", get(list(orders)))
        .route("/v1/refunds/", get(list(refunds)))
        .route("/v1/disputes/", disputes.map_or(get(StatusCode::FORBIDDEN), |disputes| get(list(disputes))))
        .with_state(Arc::clone(&asked));
    (format!("{}/v1", serve_here(router).await), asked)
}

fn polar(api_url: &str) -> Polar {
    let api = Api { url: api_url.parse().unwrap(), key: "polar_oat_1".to_owned().into(), product_id: None };
    Polar::new(Settings { checkout_url: None, api: Some(api), webhook_keys: vec![] }, reqwest::Client::new())
}

#[tokio::test]
async fn the_list_tells_of_every_page_of_orders_and_of_refunds_until_they_are_too_old() {
    let day = 86_400_000;
    let created = |days: i64| json!({"created_at": iso(now() - days * day)});
    let pending = with(order("or_2", &json!({})), &json!({"status": "pending"}));
    let odd = json!({"id": 5, "created_at": iso(now())});
    let orders =
        vec![order("or_1", &metadata(1)), pending, odd, order("or_4", &json!({})), order("or_5", &json!({}))];
    let refund = |id: &str, days| {
        let refund = json!({"id": id, "order_id": "or_0", "status": "succeeded", "amount": 1, "tax_amount": 0, "currency": "usd"});
        with(refund, &created(days))
    };
    let refunds = vec![
        refund("re_1", 3),
        refund("re_2", 20),
        refund("re_3", 50),
        refund("re_4", 60),
        refund("re_5", 70),
    ];
    let dispute = json!({"id": "dp_1", "order_id": "or_0", "status": "lost", "amount": 1, "tax_amount": 0, "currency": "usd"});
    let (api_url, asked) = remote_lists(orders, refunds, Some(vec![with(dispute, &created(90))])).await;
    let facts = polar(&api_url).list(now() - day).await.unwrap();
    let told: Vec<&str> = facts
        .iter()
        .map(|fact| match fact {
            Fact::Paid(paid) => paid.payment_id.as_str(),
            Fact::Refunded(refunded) => refunded.refund_id.as_str(),
            Fact::Disputed(disputed) => disputed.dispute_id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["or_1", "or_4", "or_5", "re_1", "re_2", "re_3", "re_4", "dp_1"]);
    assert!(matches!(&facts[0], Fact::Paid(paid) if paid.kind == PaymentKind::First && !paid.test));
    assert!(matches!(&facts[3], Fact::Refunded(refunded) if refunded.counts == Counts::One));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 6, "three pages of orders, and no page of refunds that are older than a month");
    assert!(asked.iter().all(|(headers, _)| headers["authorization"] == "Bearer polar_oat_1"));
    assert_eq!(asked[0].1["sorting"], "-created_at");
}

#[tokio::test]
async fn a_token_that_may_not_see_disputes_still_lists_the_rest() {
    let (api_url, _) = remote_lists(vec![order("or_1", &metadata(1))], vec![], None).await;
    assert_eq!(polar(&api_url).list(now()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_that_can_not_be_had_says_why_and_no_secret() {
    let settings = Settings { checkout_url: None, api: None, webhook_keys: vec![] };
    let without_a_key = Polar::new(settings, reqwest::Client::new()).list(0).await.unwrap_err();
    assert!(matches!(without_a_key, ListError::NoKey("POLAR_API_KEY")));
    let refusing = serve_here(Router::new().fallback(|| async { StatusCode::UNAUTHORIZED })).await;
    let odd = serve_here(Router::new().fallback(|| async { "{}" })).await;
    for api_url in [&refusing, &odd] {
        let error = polar(api_url).list(0).await.unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains("polar_oat_1"), "{error}");
    }
}
