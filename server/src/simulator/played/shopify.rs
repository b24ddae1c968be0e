//! Shopify: a cart permalink whose attributes become the order's; a checkout that ends on a page of Shopify's own; bodies in
//! decimals, signed without their headers. Sources: shopify.dev (cart permalinks, webhooks, Admin REST API).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::{Played, decimal, hmac, page, text, uuid};
use crate::config::providers::Providers;
use crate::domain::money::Money;
use crate::provider::shopify;
use crate::provider::signature::Key;
use crate::simulator::books::{Checkout, Dispute, Happened, Payment, Refund, number};
use crate::simulator::deliveries::{Delivery, Habits};
use crate::simulator::{Inner, checkout, pages, random};

/// What is sold, and by whom.
const SHOP: &str = "simulated.myshopify.com";
const VARIANT: &str = "808950810";

/// The app that asks the Admin API.
const CLIENT: &str = "simulated-app";

const VERSION: &str = "2026-10";

/// Eight, exponential, over four hours.
const RETRIES: &[Duration] = &[
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(8),
    Duration::from_mins(16),
    Duration::from_mins(32),
    Duration::from_mins(64),
    Duration::from_mins(113),
];

/// Items on a page of a list that asks for no number, and the most that there can be.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 250;

type Simulated = State<Arc<Inner>>;
type Asked = BTreeMap<String, String>;

pub(super) struct Shopify;

impl Played for Shopify {
    fn name(&self) -> &'static str {
        shopify::NAME
    }

    fn title(&self) -> &'static str {
        "Shopify"
    }

    fn new_secret(&self) -> String {
        random("shpss_")
    }

    fn router(&self) -> Router<Arc<Inner>> {
        Router::new()
            .route("/cart/{lines}", get(cart))
            .route("/checkouts/cn/{token}", get(checkout_page))
            .route("/checkouts/cn/{token}/thank-you", get(thank_you))
            .route("/admin/oauth/access_token", post(grant))
            .route("/admin/api/2026-10/orders.json", get(orders))
            .route("/admin/api/2026-10/shopify_payments/disputes.json", get(disputes))
    }

    /// There is one way to begin, whatever the mode.
    fn stand_in(&self, inner: &Inner, providers: &mut Providers) {
        let known = providers.shopify.take().map(|known| known.webhook_keys);
        let access = shopify::Access::App { client_id: CLIENT.into(), secret: inner.secret.clone() };
        providers.shopify = Some(shopify::Settings {
            checkout_url: Some(inner.at(&format!("/cart/{VARIANT}:1"))),
            shop: Some(SHOP.into()),
            api: Some(shopify::Api { url: inner.at(&format!("/admin/api/{VERSION}")), access }),
            webhook_keys: known.unwrap_or_else(|| vec![Key::raw(inner.secret.expose_secret())]),
        });
    }

    fn habits(&self) -> Habits {
        Habits { retries: RETRIES, patience: Duration::from_secs(5) }
    }

    fn payment_id(&self, payment: &Payment) -> String {
        payment.number.to_string()
    }

    /// Of a declined card nothing is said.
    fn told(&self, _: &Inner, payment: &Payment, happened: Happened) -> Vec<Delivery> {
        let dispute = || payment.dispute.as_ref().map(|dispute| dispute_json(payment, dispute));
        let (topic, body) = match happened {
            Happened::Paid => ("orders/paid", Some(order_json(payment))),
            Happened::Refunded => {
                ("refunds/create", payment.refunds.last().map(|refund| refund_json(payment, refund)))
            }
            Happened::Disputed => ("disputes/create", dispute()),
            Happened::Ruled => ("disputes/update", dispute()),
            Happened::Declined => return Vec::new(),
        };
        let id = uuid(number(), 1);
        let delivery = |body: Value| Delivery { id, topic, body: body.to_string(), about: payment.number };
        body.map(delivery).into_iter().collect()
    }

    /// Only the body is signed.
    fn headers(&self, secret: &str, delivery: &Delivery, at: Timestamp) -> Vec<(&'static str, String)> {
        let signature = STANDARD.encode(hmac(secret.as_bytes(), &[delivery.body.as_bytes()]));
        vec![
            ("x-shopify-topic", delivery.topic.to_owned()),
            ("x-shopify-hmac-sha256", signature),
            ("x-shopify-shop-domain", SHOP.to_owned()),
            ("x-shopify-api-version", VERSION.to_owned()),
            ("x-shopify-webhook-id", delivery.id.clone()),
            ("x-shopify-event-id", delivery.id.clone()),
            ("x-shopify-triggered-at", at.to_string()),
        ]
    }

    /// The buyer stays with Shopify.
    fn back(&self, _: &Inner, payment: &Payment) -> String {
        format!("/checkouts/cn/{}/thank-you", payment.checkout.id)
    }
}

/// An amount in both currencies, which are one here.
fn set(money: Money) -> Value {
    let amount = json!({"amount": decimal(money), "currency_code": money.currency.code()});
    json!({"shop_money": amount, "presentment_money": amount})
}

fn order_json(payment: &Payment) -> Value {
    let attributes = payment.checkout.metadata.iter();
    let attributes: Vec<Value> =
        attributes.map(|(name, value)| json!({"name": name, "value": value})).collect();
    let refunds: Vec<Value> = payment.refunds.iter().map(|refund| refund_json(payment, refund)).collect();
    let status = match (payment.refunded().minor, payment.left().minor) {
        (0, _) => "paid",
        (_, 0) => "refunded",
        _ => "partially_refunded",
    };
    let (total, at) = (decimal(payment.amount), payment.at.to_string());
    json!({
        "id": payment.number, "admin_graphql_api_id": format!("gid://shopify/Order/{}", payment.number),
        "name": format!("#{}", payment.number % 10_000), "order_number": payment.number % 10_000,
        "cancelled_at": null, "confirmed": true, "contact_email": "buyer@example.org", "email": "buyer@example.org",
        "created_at": at, "processed_at": at, "updated_at": payment.changed_at.to_string(),
        "currency": payment.amount.currency.code(), "presentment_currency": payment.amount.currency.code(),
        "current_total_price": decimal(payment.left()), "subtotal_price": total, "total_price": total,
        "total_price_set": set(payment.amount), "total_tax": "0.00", "total_discounts": "0.00",
        "total_outstanding": "0.00", "financial_status": status, "note_attributes": attributes,
        "source_name": if payment.renews { "subscription_contract" } else { "web" }, "test": false,
        "checkout_token": payment.checkout.id, "refunds": refunds,
        "line_items": [{"variant_id": 808_950_810, "quantity": 1, "price": total, "price_set": set(payment.amount)}],
    })
}

/// A refund repeats nothing of ours; its transactions may leave the currency out.
fn refund_json(payment: &Payment, refund: &Refund) -> Value {
    let at = refund.at.to_string();
    json!({
        "id": refund.number, "order_id": payment.number, "created_at": at, "processed_at": at, "note": null,
        "admin_graphql_api_id": format!("gid://shopify/Refund/{}", refund.number), "restock": false,
        "total_duties_set": set(Money { minor: 0, ..refund.amount }), "order_adjustments": [],
        "refund_line_items": [], "transactions": [{
            "id": refund.number + 1, "order_id": payment.number, "kind": "refund", "gateway": "shopify_payments",
            "status": "success", "created_at": at, "test": false, "amount": decimal(refund.amount), "currency": null,
        }],
    })
}

fn dispute_json(payment: &Payment, dispute: &Dispute) -> Value {
    let decided = dispute.ruling.is_some().then(|| payment.changed_at.to_string());
    json!({
        "id": dispute.number, "order_id": payment.number, "type": "chargeback", "amount": decimal(dispute.amount),
        "currency": dispute.amount.currency.code(), "reason": "fraudulent", "network_reason_code": "4837",
        "status": dispute.status(), "initiated_at": dispute.at.to_string(), "evidence_due_by": null,
        "evidence_sent_on": null, "finalized_on": decided,
    })
}

/// `GET /cart/{variant}:{quantity}`: the attributes in the query go with the cart.
async fn cart(State(inner): Simulated, Path(lines): Path<String>, Query(carried): Query<Asked>) -> Response {
    if lines != format!("{VARIANT}:1") {
        return checkout::unknown();
    }
    let inside = |key: &str| Some(key.strip_prefix("attributes[")?.strip_suffix(']')?.to_owned());
    let metadata = carried.iter().filter_map(|(key, value)| Some((inside(key)?, json!(value)))).collect();
    let made = Checkout { id: random(""), metadata, ..Checkout::default() };
    let page = format!("/checkouts/cn/{}", made.id);
    inner.books().open("checkout", made);
    Redirect::to(&page).into_response()
}

/// `GET /checkouts/cn/{token}`
async fn checkout_page(State(inner): Simulated, Path(token): Path<String>) -> Response {
    let known = inner.books().checkout(&token).cloned();
    known.map_or_else(checkout::unknown, |known| checkout::show(&inner, &known))
}

/// `GET /checkouts/cn/{token}/thank-you`: here it ends.
async fn thank_you(State(inner): Simulated, Path(token): Path<String>) -> Response {
    let is_paid = inner.books().checkout(&token).is_some_and(|known| known.paid_by.is_some());
    if !is_paid {
        return checkout::unknown();
    }
    Html(pages::notice(
        "Thank you, your order is confirmed",
        "Shopify does not lead buyers back to the site.",
    ))
    .into_response()
}

fn refused(status: StatusCode) -> Response {
    (status, Json(json!({"errors": status.canonical_reason()}))).into_response()
}

/// What opens the Admin API for a day.
fn token(inner: &Inner) -> String {
    hex::encode(hmac(inner.secret.expose_secret().as_bytes(), &[b"access token"]))
}

/// `POST /admin/oauth/access_token`: an app of the Dev Dashboard asks for its token.
async fn grant(State(inner): Simulated, Form(asked): Form<Asked>) -> Response {
    let given = |name: &str| asked.get(name).map(String::as_str);
    let known = given("grant_type") == Some("client_credentials")
        && given("client_id") == Some(CLIENT)
        && given("client_secret") == Some(inner.secret.expose_secret());
    if !known {
        return refused(StatusCode::BAD_REQUEST);
    }
    let scope = "read_orders,read_shopify_payments_disputes";
    Json(json!({"access_token": token(&inner), "scope": scope, "expires_in": 86_399})).into_response()
}

/// `GET …/orders.json`
async fn orders(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let since = asked.get("updated_at_min").and_then(|text| text.parse::<Timestamp>().ok());
    let since = since.unwrap_or_default();
    let fields: Option<Vec<&str>> = asked.get("fields").map(|fields| fields.split(',').collect());
    let item = |payment: &Payment| {
        let order = (payment.changed_at >= since).then(|| order_json(payment))?;
        let Value::Object(order) = order else { return None };
        let wanted = |key: &str| fields.as_ref().is_none_or(|fields| fields.contains(&key));
        Some(order.into_iter().filter(|(key, _)| wanted(key)).collect::<Map<_, _>>().into())
    };
    list(&inner, &headers, &asked, "orders", item)
}

/// `GET …/shopify_payments/disputes.json`
async fn disputes(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, "disputes", |payment| {
        payment.dispute.as_ref().map(|dispute| dispute_json(payment, dispute))
    })
}

/// A page of a list, newest first; the address of the next stands in a header.
fn list(
    inner: &Inner,
    headers: &HeaderMap,
    asked: &Asked,
    name: &str,
    item: impl Fn(&Payment) -> Option<Value>,
) -> Response {
    if text(headers, "x-shopify-access-token") != Some(&token(inner)) {
        return refused(StatusCode::UNAUTHORIZED);
    }
    let items = inner.books().payments.iter().rev().filter_map(item).collect();
    let limit = asked.get("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let after = asked.get("page_info").map(String::as_str);
    let (items, has_more) = page(items, limit, after);
    let next = items.last().filter(|_| has_more).map(|last| last["id"].clone());
    let mut answer = Json(json!({name: items})).into_response();
    if let Some(next) = next {
        let path = if name == "orders" { "orders" } else { "shopify_payments/disputes" };
        let url = inner.at(&format!("/admin/api/{VERSION}/{path}.json?limit={limit}&page_info={next}"));
        if let Ok(link) = format!("<{url}>; rel=\"next\"").parse() {
            answer.headers_mut().insert(header::LINK, link);
        }
    }
    answer
}
