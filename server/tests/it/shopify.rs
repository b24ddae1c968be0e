//! Shopify, from the buy button to the ledger.

use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use server::clock::now;
use server::provider::shopify::{Access, Api, Settings, Shopify};
use server::provider::{DisputeState, Fact, ListError, Provider};
use sha2::Sha256;
use url::Url;

use crate::durability::{Program, free_address};
use crate::support::{TestApp, asked, names, serve_here, until};

const APP_SECRET: &str = "shpss_0123456789abcdef";
const SHOP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const SHOP: &str = "ttr.myshopify.com";

const FORM: &[(&str, &str)] =
    &[("anonymous_id", "a1"), ("session_id", "s1"), ("click_id", "c1"), ("location", "/")];

async fn start() -> TestApp {
    start_with(&[("SHOPIFY_SHOP", SHOP), ("SHOPIFY_VARIANT_ID", "808950810")]).await
}

async fn start_with(more: &[(&str, &str)]) -> TestApp {
    let secrets = format!("{APP_SECRET},{SHOP_SECRET}");
    let shopify = [("TTR__CHECKOUT__PROVIDER", "shopify"), ("SHOPIFY_WEBHOOK_SECRET", secrets.as_str())];
    TestApp::start_with(&[&shopify, more].concat()).await
}

async fn buy(app: &TestApp, form: &[(&str, &str)]) -> Url {
    let request = app.post("/api/checkout").header("sec-fetch-site", "same-origin").form(form);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
}

/// The attributes of a permalink as they come back with the order.
fn note_attributes(url: &Url) -> Value {
    let name = |key: &str| Some(key.strip_prefix("attributes[")?.strip_suffix(']')?.to_owned());
    let attribute = |(key, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        Some(json!({"name": name(&key)?, "value": value}))
    };
    url.query_pairs().filter_map(attribute).collect()
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn delivers(app: &TestApp, id: &str, topic: &str, body: &Value) -> Response {
    delivers_signed(app, id, topic, SHOP, APP_SECRET, body).await
}

async fn delivers_signed(
    app: &TestApp,
    id: &str,
    topic: &str,
    shop: &str,
    secret: &str,
    body: &Value,
) -> Response {
    let delivery = app.post("/api/webhooks/shopify");
    signed(delivery, id, topic, shop, secret, &body.to_string()).send().await.unwrap()
}

fn signed(
    delivery: RequestBuilder,
    id: &str,
    topic: &str,
    shop: &str,
    secret: &str,
    body: &str,
) -> RequestBuilder {
    delivery
        .header("x-shopify-hmac-sha256", sign(secret, body))
        .header("x-shopify-topic", topic)
        .header("x-shopify-shop-domain", shop)
        .header("x-shopify-webhook-id", id)
        .header("content-type", "application/json")
        .body(body.to_owned())
}

fn order(id: u64, attributes: &Value) -> Value {
    json!({
        "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "financial_status": "paid", "total_price": "99.00",
        "currency": "USD", "processed_at": iso(now()), "source_name": "web", "test": false, "note_attributes": attributes,
    })
}

fn ids() -> Value {
    json!([
        {"name": "aurea_anonymous_id", "value": "a1"},
        {"name": "aurea_session_id", "value": "s1"},
        {"name": "checkout_started_at", "value": (now() - 60_000).to_string()},
    ])
}

fn with(mut value: Value, changes: &Value) -> Value {
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}

fn iso(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

async fn payments(app: &TestApp) -> Vec<Value> {
    app.owner("ttr/payments").await["payments"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_buyer_goes_by_the_cart_permalink_with_the_ids_as_attributes() {
    let app = start().await;
    let url = buy(&app, FORM).await;
    assert!(url.as_str().starts_with("https://ttr.myshopify.com/cart/808950810:1?"), "{url}");
    let attributes = note_attributes(&url);
    assert_eq!(attributes[0], json!({"name": "aurea_anonymous_id", "value": "a1"}));
    assert_eq!(attributes[1], json!({"name": "aurea_session_id", "value": "s1"}));
    assert_eq!(attributes[2]["name"], "checkout_started_at");
    assert_eq!(names(&app.session("s1").await), ["buy_button_clicked", "checkout_started"]);
    let csp = app.get("/").send().await.unwrap().headers()["content-security-policy"].clone();
    let csp = csp.to_str().unwrap();
    assert!(
        csp.contains(
            "https://*.myshopify.com https://checkout.shopify.com https://shop.app https://ttr.myshopify.com"
        ),
        "{csp}"
    );
}

#[tokio::test]
async fn a_permalink_of_the_shops_own_domain_is_taken_as_it_is() {
    let app = start_with(&[("SHOPIFY_CHECKOUT_URL", "https://shop.example/cart/1:1?discount=X")]).await;
    let url = buy(&app, FORM).await;
    assert!(url.as_str().starts_with("https://shop.example/cart/1:1?discount=X&attributes"), "{url}");
}

#[tokio::test]
async fn ids_of_the_longest_legal_length_come_back_as_attributes() {
    let app = start().await;
    let (visitor, session) = ("a-_".repeat(21) + "a", "_s-".repeat(21) + "s");
    let url = buy(&app, &[("anonymous_id", &visitor), ("session_id", &session), ("click_id", "c1")]).await;
    let answer = delivers(&app, "w1", "orders/paid", &order(1, &note_attributes(&url))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let session = app.session(&session).await;
    assert_eq!((&session["converted"], &session["anonymousId"]), (&json!(true), &json!(visitor)));
}

#[tokio::test]
async fn a_paid_order_converts_the_session_once_and_keeps_its_id_to_the_last_digit() {
    let app = start().await;
    let id = 18_446_744_073_709_551_615;
    for delivery in ["w1", "w1", "w2"] {
        let answer = delivers(&app, delivery, "orders/paid", &order(id, &ids())).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let by_name = with(order(id, &ids()), &json!({"id": format!("gid://shopify/Order/{id}")}));
    delivers(&app, "w3", "orders/paid", &by_name).await;
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["checkout_completed", "session_end"]);
    assert_eq!((&session["conversionValue"], &session["currency"]), (&json!(99), &json!("USD")));
    assert_eq!(session["events"][0]["properties"]["orderId"], "18446744073709551615");
    assert_eq!(session["events"][0]["properties"]["source"], "shopify_webhook");
}

#[tokio::test]
async fn the_apps_and_the_shops_secret_are_good_and_no_other() {
    let app = start().await;
    for (delivery, id, secret) in [("w1", 1, APP_SECRET), ("w2", 2, SHOP_SECRET)] {
        let answer = delivers_signed(&app, delivery, "orders/paid", SHOP, secret, &order(id, &ids())).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let refused = delivers_signed(&app, "w3", "orders/paid", SHOP, "other", &order(3, &ids())).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let unsigned = app.post("/api/webhooks/shopify").header("x-shopify-topic", "orders/paid");
    assert_eq!(unsigned.json(&order(4, &ids())).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(payments(&app).await.len(), 2);
}

#[tokio::test]
async fn an_order_that_came_under_a_wrong_secret_converts_after_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let started = async |secret| {
        let more = [("SHOPIFY_WEBHOOK_SECRET", secret), ("SHOPIFY_SHOP", SHOP)];
        Program::start_at(folder.path(), free_address(), &more).await
    };
    let program = started("shpss_of_another_app_01").await;
    let body = order(1, &ids()).to_string();
    for (id, topic) in [("w1", "orders/create"), ("w2", "orders/paid"), ("w3", "orders/paid")] {
        let delivery = program.client.post(format!("{}/api/webhooks/shopify", program.url));
        let refused = signed(delivery, id, topic, SHOP, APP_SECRET, &body).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    let kept = || asked::<i64>(folder.path(), "SELECT count(*) FROM quarantine");
    until("each topic is kept once", async || kept() == 2).await;
    assert_eq!(program.stop(), Some(0));
    let program = started(APP_SECRET).await;
    until("it is taken", async || kept() == 0).await;
    assert_eq!(names(&program.session("s1").await), ["checkout_completed", "session_end"]);
    assert_eq!(program.stop(), Some(0));
}

#[tokio::test]
async fn a_body_under_another_topic_or_of_another_shop_is_kept_and_counts_for_nothing() {
    let app = start().await;
    let paid = order(1, &ids());
    let unpaid = with(paid.clone(), &json!({"financial_status": "pending"}));
    for (id, topic, shop, body) in [
        ("w1", "refunds/create", SHOP, &paid),
        ("w2", "disputes/update", SHOP, &paid),
        ("w3", "orders/cancelled", SHOP, &paid),
        ("w4", "orders/paid<script>", SHOP, &paid),
        ("w5", "orders/paid", "other.myshopify.com", &paid),
        ("w6", "orders/paid", SHOP, &unpaid),
    ] {
        let answer = delivers_signed(&app, id, topic, shop, APP_SECRET, body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{id}");
    }
    assert_eq!(payments(&app).await, Vec::<Value>::new());
    let uncounted = async || {
        let listed = app.owner("ttr/payments").await["uncounted"].clone();
        let of = |told: &Value| ["deliveryId", "state"].map(|key| told[key].as_str().unwrap().to_owned());
        listed.as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    for kept in [["w5", "foreign"], ["w1", "unparsable"]] {
        assert!(uncounted().await.contains(&kept.map(str::to_owned)), "{kept:?}");
    }
    delivers(&app, "w1", "orders/paid", &paid).await;
    assert_eq!(app.session("s1").await["converted"], true, "a wrong topic before it takes nothing away");
    assert!(uncounted().await.iter().all(|[id, _]| id != "w1"), "it counts now");
}

#[tokio::test]
async fn refunds_and_disputes_find_their_order_by_its_id_whichever_comes_first() {
    let refund = json!({"id": 7, "order_id": 1, "created_at": iso(now()),
        "transactions": [{"kind": "refund", "status": "success", "amount": "30.00", "currency": "USD"}]});
    let dispute = |status: &str| {
        json!({"id": 9, "order_id": 1, "type": "chargeback", "status": status, "amount": "69.00", "currency": "USD",
            "initiated_at": iso(now())})
    };
    let paid = order(1, &ids());
    for order_first in [true, false] {
        let app = start().await;
        let (first, second) = if order_first {
            (("orders/paid", &paid), ("refunds/create", &refund))
        } else {
            (("refunds/create", &refund), ("orders/paid", &paid))
        };
        delivers(&app, "w1", first.0, first.1).await;
        delivers(&app, "w2", second.0, second.1).await;
        delivers(&app, "w2", "refunds/create", &refund).await;
        let net = async |app: &TestApp| app.session("s1").await["netValue"].clone();
        assert_eq!(net(&app).await, 69, "{order_first}");
        delivers(&app, "w3", "disputes/create", &dispute("needs_response")).await;
        assert_eq!(net(&app).await, 0);
        delivers(&app, "w4", "disputes/update", &dispute("won")).await;
        assert_eq!(net(&app).await, 69);
    }
}

#[tokio::test]
async fn a_refund_to_a_gift_card_and_a_card_counts_each_when_it_has_settled() {
    let app = start().await;
    let refund = |card: &str| {
        let back = |id: u64, status: &str, amount: &str| json!({"id": id, "kind": "refund", "status": status, "amount": amount, "currency": "USD"});
        json!({"id": 7, "order_id": 1, "created_at": iso(now()),
            "transactions": [back(8, "success", "20.00"), back(9, card, "79.00")]})
    };
    delivers(&app, "w1", "orders/paid", &order(1, &ids())).await;
    for (id, card, net) in [("w2", "pending", 79), ("w3", "success", 0), ("w4", "success", 0)] {
        delivers(&app, id, "refunds/create", &refund(card)).await;
        assert_eq!(app.session("s1").await["netValue"], net, "{id}");
    }
}

#[tokio::test]
async fn a_full_refund_in_the_buyers_currency_leaves_nothing_in_the_shops() {
    let app = start().await;
    delivers(&app, "w1", "orders/paid", &order(1, &ids())).await;
    let both = |usd: &str, cad: &str| {
        json!({"shop_money": {"amount": usd, "currency_code": "USD"},
            "presentment_money": {"amount": cad, "currency_code": "CAD"}})
    };
    let refund = json!({"id": 7, "order_id": 1, "created_at": iso(now()),
        "refund_line_items": [{"subtotal_set": both("90.00", "122.73"), "total_tax_set": both("9.00", "12.27")}],
        "transactions": [{"kind": "refund", "status": "success", "amount": "135.00", "currency": "CAD"}]});
    delivers(&app, "w2", "refunds/create", &refund).await;
    let session = app.session("s1").await;
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(0)));
    assert_eq!(payments(&app).await[0]["state"], "refunded");
}

#[tokio::test]
async fn a_test_notification_is_kept_as_a_test_and_is_no_revenue() {
    let app = start().await;
    let sample =
        with(order(820_982_911_946_154_508, &ids()), &json!({"test": true, "financial_status": "voided"}));
    delivers(&app, "w1", "orders/paid", &sample).await;
    let session = app.session("s1").await;
    assert_eq!(session["conversions"][0]["test"], true, "{session}");
    assert_eq!(payments(&app).await.len(), 1);
}

/// The Admin API, played over real HTTP: two pages of orders, one of disputes.
struct Remote {
    url: String,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Remote {
    async fn start(disputes: Result<Value, StatusCode>, next: Option<&'static str>) -> Self {
        type Asked = Arc<Mutex<Vec<(HeaderMap, Value)>>>;
        let asked = Asked::default();
        let orders = move |State(asked): State<Asked>, headers: HeaderMap, Query(query): Query<Value>| async move {
            let host = headers["host"].to_str().unwrap().to_owned();
            let second = query.get("page_info").is_some();
            asked.lock().unwrap().push((headers, query));
            let next = next.map_or(format!("http://{host}/admin/api/2026-10/orders.json"), str::to_owned);
            let link = format!(
                r#"<{next}?page_info=x>; rel="previous", <{next}?page_info=abc&limit=250>; rel="next""#
            );
            let refund = json!({"id": 7, "order_id": 1, "transactions": [{"kind": "refund", "status": "success", "amount": "9.00", "currency": "USD"}]});
            let first = with(
                order(1, &ids()),
                &json!({"refunds": [refund], "financial_status": "partially_refunded"}),
            );
            let pending = with(order(2, &ids()), &json!({"financial_status": "pending"}));
            if second {
                ([("x-page", "2".to_owned())], Json(json!({"orders": [order(3, &ids())]}))).into_response()
            } else {
                ([("link", link)], Json(json!({"orders": [first, pending, {"odd": true}]}))).into_response()
            }
        };
        // Page after page of the same: only a dispute that is too old ends it.
        let disputes = move |headers: HeaderMap| async move {
            let host = headers["host"].to_str().unwrap().to_owned();
            let link = format!(
                r#"<http://{host}/admin/api/2026-10/shopify_payments/disputes.json?page_info=x>; rel="next""#
            );
            match disputes {
                Ok(Value::Array(none)) if none.is_empty() => Json(json!({"disputes": []})).into_response(),
                Ok(disputes) => ([("link", link)], Json(json!({ "disputes": disputes }))).into_response(),
                Err(status) => status.into_response(),
            }
        };
        let grant = |State(asked): State<Asked>, headers: HeaderMap, Form(form): Form<Value>| async move {
            asked.lock().unwrap().push((headers, form));
            Json(json!({"access_token": "shpat_of_today", "scope": "read_orders", "expires_in": 86399}))
        };
        let router = Router::new()
            .route("/admin/api/2026-10/orders.json", get(orders))
            .route("/admin/api/2026-10/shopify_payments/disputes.json", get(disputes))
            .route("/admin/oauth/access_token", post(grant))
            .with_state(Arc::clone(&asked));
        Self { url: format!("{}/admin/api/2026-10", serve_here(router).await), asked }
    }

    fn shopify(&self, access: Access) -> Shopify {
        let api = Api { url: self.url.parse().unwrap(), access };
        let settings = Settings { checkout_url: None, shop: None, api: Some(api), webhook_keys: vec![] };
        Shopify::new(settings, reqwest::Client::new())
    }
}

fn token() -> Access {
    Access::Token("shpat_1".to_owned().into())
}

#[tokio::test]
async fn the_list_follows_the_pages_and_tells_of_orders_refunds_and_disputes() {
    let dispute = |id: u64, days: i64| {
        json!({"id": id, "order_id": 1, "type": "chargeback", "status": "lost", "amount": "90.00", "currency": "USD",
            "initiated_at": iso(now() - days * 86_400_000)})
    };
    let remote = Remote::start(Ok(json!([dispute(9, 1), dispute(8, 300)])), None).await;
    let since = now() / 1000 * 1000 - 3_600_000;
    let facts = remote.shopify(token()).list(since).await.unwrap();
    let told: Vec<String> = facts
        .iter()
        .map(|fact| match fact {
            Fact::Paid(paid) => format!("paid {}", paid.payment_id),
            Fact::Refunded(refunded) => format!("refunded {} of {}", refunded.refund_id, refunded.of),
            Fact::Disputed(disputed) => {
                assert_eq!(disputed.state, DisputeState::Lost);
                format!("disputed {} of {}", disputed.dispute_id, disputed.of)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["paid 1", "refunded 7 of 1", "paid 3", "disputed 9 of 1", "disputed 8 of 1"]);
    let asked = remote.asked.lock().unwrap();
    assert!(asked.iter().all(|(headers, _)| headers["x-shopify-access-token"] == "shpat_1"));
    assert_eq!(asked[0].1["updated_at_min"], iso(since));
    assert_eq!((&asked[0].1["status"], &asked[1].1["page_info"]), (&json!("any"), &json!("abc")));
}

#[tokio::test]
async fn an_app_of_the_dev_dashboard_asks_for_its_token_first() {
    let remote = Remote::start(Ok(json!([])), None).await;
    let access = Access::App { client_id: "client_1".into(), secret: APP_SECRET.to_owned().into() };
    assert_eq!(remote.shopify(access).list(0).await.unwrap().len(), 3);
    let asked = remote.asked.lock().unwrap();
    let expected =
        json!({"grant_type": "client_credentials", "client_id": "client_1", "client_secret": APP_SECRET});
    assert_eq!(asked[0].1, expected);
    assert_eq!(asked[1].0["x-shopify-access-token"], "shpat_of_today");
}

#[tokio::test]
async fn a_shop_without_shopify_payments_has_no_disputes_and_any_other_failure_is_told() {
    for status in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN] {
        let remote = Remote::start(Err(status), None).await;
        assert_eq!(remote.shopify(token()).list(0).await.unwrap().len(), 3, "{status}");
    }
    let remote = Remote::start(Err(StatusCode::BAD_GATEWAY), None).await;
    let error = remote.shopify(token()).list(0).await.unwrap_err().to_string();
    assert!(error.contains("502") && !error.contains("shpat_1"), "{error}");
}

#[tokio::test]
async fn the_token_goes_to_nobody_but_the_api() {
    let remote = Remote::start(Ok(json!([])), Some("https://evil.example/orders.json")).await;
    let error = remote.shopify(token()).list(0).await.unwrap_err();
    assert!(matches!(&error, ListError::Unreadable(why) if why == "the next page is elsewhere"), "{error}");
    let settings = Settings { checkout_url: None, shop: None, api: None, webhook_keys: vec![] };
    let without_a_key = Shopify::new(settings, reqwest::Client::new()).list(0).await.unwrap_err();
    assert!(matches!(without_a_key, ListError::NoKey("SHOPIFY_API_KEY")));
}
