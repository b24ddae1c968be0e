//! Polar: checkouts that carry metadata, or a checkout link with its one field; orders in minor units, signed as Standard
//! Webhooks has it. It tells of no dispute: its list does. Sources: polar.sh/docs, the code of polarsource/polar.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use standardwebhooks::Webhook;

use super::{Played, fits, hmac, is_authorized, lower, page, standard_webhooks, uuid};
use crate::config::providers::Providers;
use crate::provider::polar;
use crate::simulator::books::{Checkout, Dispute, Happened, Payment, Refund};
use crate::simulator::deliveries::{Delivery, Habits};
use crate::simulator::{Inner, checkout, random};

/// What is sold, and by whom.
const PRODUCT: &str = "d8dd2de1-21b7-4a41-8bc3-ce909c0cfe23";
const ORGANIZATION: &str = "1dbfc517-0bbf-4301-9ba8-555ca42b9737";
const CUSTOMER: &str = "992fae2a-2a17-4b7a-8d9e-e287cf90131b";

/// Ten tries, each wait twice the one before.
const RETRIES: &[Duration] = &[
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(64),
    Duration::from_secs(128),
    Duration::from_secs(256),
    Duration::from_secs(512),
];

/// What a checkout link keeps of its query.
const KEPT: &[&str] =
    &["reference_id", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];

/// Items on a page of a list that asks for no number, and the most that there can be.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;

type Simulated = State<Arc<Inner>>;
type Asked = BTreeMap<String, String>;

pub(super) struct Polar;

impl Played for Polar {
    fn name(&self) -> &'static str {
        polar::NAME
    }

    fn title(&self) -> &'static str {
        "Polar"
    }

    /// As Polar makes them since September 2026: the key stands in base64 behind the prefix.
    fn new_secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 24]>()))
    }

    fn router(&self) -> Router<Arc<Inner>> {
        Router::new()
            .route("/v1/checkouts/", post(create))
            .route("/v1/orders/", get(orders))
            .route("/v1/refunds/", get(refunds))
            .route("/v1/disputes/", get(disputes))
            .route("/polar_cl_simulated", get(link))
            .route("/checkout/{secret}", get(checkout_page))
    }

    /// By the link, too, there is a key: the API lists what was paid.
    fn stand_in(&self, inner: &Inner, providers: &mut Providers) {
        let known = providers.polar.take().map(|known| known.webhook_keys);
        providers.polar = Some(polar::Settings {
            checkout_url: Some(inner.at("/polar_cl_simulated")),
            api: Some(polar::Api {
                url: inner.at("/v1"),
                key: inner.secret.clone(),
                product_id: inner.api_mode.then(|| PRODUCT.into()),
            }),
            webhook_keys: known.unwrap_or_else(|| polar::keys(inner.secret.expose_secret())),
        });
    }

    fn habits(&self) -> Habits {
        Habits { retries: RETRIES, patience: Duration::from_secs(10) }
    }

    fn payment_id(&self, payment: &Payment) -> String {
        order_id(payment)
    }

    /// A refund is told three times. A declined card leaves the checkout open, and nothing is said of it.
    fn told(&self, inner: &Inner, payment: &Payment, happened: Happened) -> Vec<Delivery> {
        let refund = |status| payment.refunds.last().map(|refund| refund_json(payment, refund, status));
        let order = || Some(order_json(inner, payment));
        let checkout = |status| Some(checkout_json(payment, status));
        let told = match happened {
            Happened::Paid if payment.renews => vec![("order.paid", order())],
            Happened::Paid => vec![
                ("checkout.updated", checkout("confirmed")),
                ("order.paid", order()),
                ("checkout.updated", checkout("succeeded")),
            ],
            Happened::Refunded => vec![
                ("refund.created", refund("pending")),
                ("refund.updated", refund("succeeded")),
                ("order.refunded", order()),
            ],
            Happened::Declined | Happened::Disputed | Happened::Ruled => Vec::new(),
        };
        let deliveries = told.into_iter().filter_map(|(topic, data)| Some((topic, data?)));
        deliveries.map(|(topic, data)| delivery(payment, topic, &data)).collect()
    }

    /// A secret that the merchant chose signs with the bytes of the whole text.
    fn headers(&self, secret: &str, delivery: &Delivery, at: Timestamp) -> Vec<(&'static str, String)> {
        let made = secret.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = made.unwrap_or_else(|| secret.as_bytes().to_vec());
        standard_webhooks(Webhook::from_bytes(key), delivery, at)
    }

    /// Exactly the address that was given, with the checkout's id where it asks for it.
    fn back(&self, inner: &Inner, payment: &Payment) -> String {
        let back = payment.checkout.back.as_deref().unwrap_or(inner.return_url.as_str());
        back.replace("{CHECKOUT_ID}", &checkout_id(&payment.checkout))
    }
}

fn order_id(payment: &Payment) -> String {
    uuid(payment.number, 1)
}

/// The checkout's id; in its address stands its secret.
fn checkout_id(checkout: &Checkout) -> String {
    let digest = hmac(checkout.id.as_bytes(), &[b"id"]);
    uuid(digest.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), 6)
}

/// The id stands in the headers only.
fn delivery(payment: &Payment, topic: &'static str, data: &Value) -> Delivery {
    let body = json!({"type": topic, "timestamp": Timestamp::now().to_string(), "data": data});
    Delivery { id: random("msg_"), topic, body: body.to_string(), about: payment.number }
}

/// A renewal repeats the metadata and has no checkout.
fn order_json(inner: &Inner, payment: &Payment) -> Value {
    let billing_reason = match (payment.subscription, payment.renews) {
        (None, _) => "purchase",
        (Some(_), false) => "subscription_create",
        (Some(_), true) => "subscription_cycle",
    };
    let (total, refunded) = (payment.amount.minor, payment.refunded().minor);
    let status = match refunded {
        0 => "paid",
        all if all == total => "refunded",
        _ => "partially_refunded",
    };
    json!({
        "id": order_id(payment), "created_at": payment.at.to_string(), "modified_at": payment.changed_at.to_string(),
        "status": status, "paid": true, "subtotal_amount": total, "discount_amount": 0, "net_amount": total,
        "tax_amount": 0, "total_amount": total, "applied_balance_amount": 0, "due_amount": 0,
        "refunded_amount": refunded, "refunded_tax_amount": 0, "refundable_amount": total - refunded,
        "refundable_tax_amount": 0, "currency": lower(payment.amount), "billing_reason": billing_reason,
        "invoice_number": format!("INV-{:04}", payment.number % 10_000), "customer_id": CUSTOMER,
        "customer": {"id": CUSTOMER, "email": "buyer@example.org", "external_id": null},
        "product_id": PRODUCT, "product": {"id": PRODUCT, "name": inner.product, "organization_id": ORGANIZATION},
        "subscription_id": payment.subscription.map(|first| uuid(first, 2)),
        "checkout_id": (!payment.renews).then(|| checkout_id(&payment.checkout)),
        "metadata": payment.checkout.metadata, "custom_field_data": {}, "description": inner.product,
    })
}

fn checkout_json(payment: &Payment, status: &str) -> Value {
    json!({
        "id": checkout_id(&payment.checkout), "created_at": payment.at.to_string(),
        "modified_at": payment.changed_at.to_string(), "status": status, "metadata": payment.checkout.metadata,
        "product_id": PRODUCT, "total_amount": payment.amount.minor, "currency": lower(payment.amount),
    })
}

/// The refund's metadata is its own.
fn refund_json(payment: &Payment, refund: &Refund, status: &str) -> Value {
    json!({
        "id": uuid(refund.number, 3), "created_at": refund.at.to_string(), "modified_at": refund.at.to_string(),
        "status": status, "reason": "customer_request", "amount": refund.amount.minor, "tax_amount": 0,
        "currency": lower(refund.amount), "order_id": order_id(payment), "organization_id": ORGANIZATION,
        "customer_id": CUSTOMER, "metadata": {}, "dispute": null, "revoke_benefits": false,
        "subscription_id": payment.subscription.map(|first| uuid(first, 2)),
    })
}

fn dispute_json(payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": uuid(dispute.number, 4), "created_at": dispute.at.to_string(), "modified_at": null,
        "status": dispute.status(), "amount": dispute.amount.minor, "tax_amount": 0,
        "currency": lower(dispute.amount), "order_id": order_id(payment), "payment_id": uuid(payment.number, 5),
        "resolved": dispute.ruling.is_some(), "closed": dispute.ruling.is_some(),
    })
}

#[derive(Deserialize)]
struct NewCheckout {
    products: Vec<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    success_url: Option<String>,
    return_url: Option<String>,
}

fn refused(status: StatusCode, error: &str, detail: &str) -> Response {
    (status, Json(json!({"error": error, "detail": detail}))).into_response()
}

fn unauthorized() -> Response {
    refused(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is not valid")
}

/// `POST /v1/checkouts/`: Polar knows no idempotency key.
async fn create(State(inner): Simulated, headers: HeaderMap, body: String) -> Response {
    if !is_authorized(&inner, &headers) {
        return unauthorized();
    }
    let wanted = match serde_json::from_str::<NewCheckout>(&body) {
        Ok(wanted) if wanted.products == [PRODUCT] && fits(&wanted.metadata, 40) => wanted,
        Ok(_) => {
            let detail = "Unknown product, or too much metadata";
            return refused(StatusCode::UNPROCESSABLE_ENTITY, "RequestValidationError", detail);
        }
        Err(error) => {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, "RequestValidationError", &error.to_string());
        }
    };
    let made = Checkout {
        id: random("polar_c_"),
        metadata: wanted.metadata,
        by_api: true,
        back: wanted.success_url,
        leave: wanted.return_url,
        ..Checkout::default()
    };
    let answer = json!({
        "id": checkout_id(&made), "client_secret": made.id, "status": "open", "metadata": made.metadata,
        "success_url": made.back, "url": inner.at(&format!("/checkout/{}", made.id)),
    });
    inner.books().open("checkout", made);
    (StatusCode::CREATED, Json(answer)).into_response()
}

/// `GET /polar_cl_simulated`: each visit makes a checkout, with what the link keeps of its query as metadata.
async fn link(State(inner): Simulated, Query(carried): Query<Asked>) -> Redirect {
    let kept = |(key, value): (String, String)| {
        (KEPT.contains(&key.as_str()) && !value.is_empty()).then(|| (key, value.into()))
    };
    let metadata = carried.into_iter().filter_map(kept).collect();
    let made = Checkout { id: random("polar_c_"), metadata, ..Checkout::default() };
    let page = format!("/checkout/{}", made.id);
    inner.books().open("checkout", made);
    Redirect::to(&page)
}

/// `GET /checkout/{secret}`
async fn checkout_page(State(inner): Simulated, Path(secret): Path<String>) -> Response {
    let known = inner.books().checkout(&secret).cloned();
    known.map_or_else(checkout::unknown, |known| checkout::show(&inner, &known))
}

/// `GET /v1/orders/`
async fn orders(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, |payment| vec![(payment.at, order_json(&inner, payment))])
}

/// `GET /v1/refunds/`
async fn refunds(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, |payment| {
        payment.refunds.iter().map(|refund| (refund.at, refund_json(payment, refund, "succeeded"))).collect()
    })
}

/// `GET /v1/disputes/`
async fn disputes(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, |payment| {
        payment.dispute.iter().map(|dispute| (dispute.at, dispute_json(payment, dispute))).collect()
    })
}

/// A page of a list, newest first as it is asked for.
fn list(
    inner: &Inner,
    headers: &HeaderMap,
    asked: &Asked,
    items: impl Fn(&Payment) -> Vec<(Timestamp, Value)>,
) -> Response {
    if !is_authorized(inner, headers) {
        return unauthorized();
    }
    let count = |name: &str| asked.get(name).and_then(|text| text.parse::<usize>().ok());
    let since =
        asked.get("created_after").and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or_default();
    let books = inner.books();
    let items = books.payments.iter().rev().flat_map(items).filter(|(at, _)| *at >= since);
    let items: Vec<Value> = items.map(|(_, item)| item).collect();
    let limit = count("limit").unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let pagination = json!({"total_count": items.len(), "max_page": items.len().div_ceil(limit)});
    let before = (count("page").unwrap_or(1).max(1) - 1) * limit;
    let (items, _) = page(items.into_iter().skip(before).collect(), limit, None);
    Json(json!({"items": items, "pagination": pagination})).into_response()
}
