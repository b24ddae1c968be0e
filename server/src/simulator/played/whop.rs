//! Whop: checkout configurations that carry metadata, or the plan's link; v1 bodies in major units; a membership behind
//! each payment. Sources: docs.whop.com/developer/guides/webhooks, the types of the official SDK.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use standardwebhooks::Webhook;
use url::Url;

use super::{Played, fits, is_authorized, lower, page, standard_webhooks, text};
use crate::config::providers::Providers;
use crate::provider::signature::Key;
use crate::provider::whop;
use crate::simulator::books::{Checkout, Dispute, Happened, Payment, Refund};
use crate::simulator::deliveries::{Delivery, Habits};
use crate::simulator::{Inner, checkout, random};

/// What is sold, and by whom.
const PLAN: &str = "plan_simulated";
const COMPANY: &str = "biz_simulated";

const RETRIES: &[Duration] = &[Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];

/// Items on a page of a list that asks for no number.
const PAGE: usize = 20;

type Simulated = State<Arc<Inner>>;
type Asked = BTreeMap<String, String>;

pub(super) struct Whop;

impl Played for Whop {
    fn name(&self) -> &'static str {
        whop::NAME
    }

    fn title(&self) -> &'static str {
        "Whop"
    }

    fn new_secret(&self) -> String {
        random("ws_")
    }

    fn router(&self) -> Router<Arc<Inner>> {
        Router::new()
            .route("/api/v1/checkout_configurations", post(configure))
            .route("/api/v1/payments", get(payments))
            .route("/api/v1/refunds", get(refunds))
            .route("/api/v1/disputes", get(disputes))
            .route("/checkout/{plan}", get(arrive))
            .route("/checkout/{plan}/", get(arrive))
    }

    fn stand_in(&self, inner: &Inner, providers: &mut Providers) {
        let secret = inner.secret.expose_secret();
        let known = providers.whop.take().map(|known| known.webhook_keys);
        let api = whop::Api { url: inner.at("/api/v1"), key: inner.secret.clone(), plan_id: PLAN.into() };
        providers.whop = Some(whop::Settings {
            checkout_url: inner.at(&format!("/checkout/{PLAN}")),
            api: inner.api_mode.then_some(api),
            webhook_keys: known.unwrap_or_else(|| vec![Key::raw(secret)]),
            company_id: Some(COMPANY.into()),
        });
    }

    fn habits(&self) -> Habits {
        Habits { retries: RETRIES, patience: Duration::from_secs(10) }
    }

    /// A configuration is a link that may be used again.
    fn is_reusable(&self) -> bool {
        true
    }

    fn payment_id(&self, payment: &Payment) -> String {
        id("pay", payment.number)
    }

    /// A refund settles later than it is made.
    fn told(&self, inner: &Inner, payment: &Payment, happened: Happened) -> Vec<Delivery> {
        let refund = |status| payment.refunds.last().map(|refund| refund_json(payment, refund, status));
        let dispute = || payment.dispute.as_ref().map(|dispute| dispute_json(payment, dispute));
        let told = match happened {
            Happened::Paid => vec![("payment.succeeded", Some(payment_json(inner, payment, true)))],
            Happened::Declined => vec![("payment.failed", Some(payment_json(inner, payment, false)))],
            Happened::Refunded => {
                vec![("refund.created", refund("pending")), ("refund.updated", refund("succeeded"))]
            }
            Happened::Disputed => vec![("dispute.created", dispute())],
            Happened::Ruled => vec![("dispute.updated", dispute())],
        };
        let deliveries = told.into_iter().filter_map(|(topic, data)| Some((topic, data?)));
        deliveries.map(|(topic, data)| delivery(payment, topic, &data)).collect()
    }

    /// Keyed as Whop documents: the bytes of the whole secret.
    fn headers(&self, secret: &str, delivery: &Delivery, at: Timestamp) -> Vec<(&'static str, String)> {
        standard_webhooks(Webhook::from_bytes(secret.as_bytes().to_vec()), delivery, at)
    }

    /// Whop adds parameters of its own to the address.
    fn back(&self, inner: &Inner, payment: &Payment) -> String {
        let back = payment.checkout.back.as_deref().and_then(|back| Url::parse(back).ok());
        let mut back = back.unwrap_or_else(|| inner.return_url.clone());
        let paid = [("payment_id", self.payment_id(payment)), ("checkout_status", "success".into())];
        back.query_pairs_mut().extend_pairs(paid);
        back.into()
    }
}

fn id(kind: &str, number: u64) -> String {
    format!("{kind}_{number:016x}")
}

fn delivery(payment: &Payment, topic: &'static str, data: &Value) -> Delivery {
    let id = random("msg_");
    let body = json!({
        "id": id, "api_version": "v1", "api_version_date": "2026-07-20", "timestamp": Timestamp::now().to_string(),
        "type": topic, "company_id": COMPANY, "data": data,
    });
    Delivery { id, topic, body: body.to_string(), about: payment.number }
}

/// A payment as deliveries and lists show it. After a refund the state stays `paid`; renewals repeat no metadata, as Whop
/// does not promise it.
fn payment_json(inner: &Inner, payment: &Payment, paid: bool) -> Value {
    let billing_reason = match (payment.subscription, payment.renews) {
        (None, _) => "one_time",
        (Some(_), false) => "subscription_create",
        (Some(_), true) => "subscription_cycle",
    };
    let substatus = match (payment.refunded().minor, payment.left().minor, &payment.dispute) {
        _ if !paid => "failed",
        (.., Some(dispute)) => match dispute.status() {
            "won" => "dispute_won",
            "lost" => "dispute_lost",
            _ => "dispute_needs_response",
        },
        (0, ..) => "succeeded",
        (_, 0, _) => "refunded",
        _ => "partially_refunded",
    };
    let (at, total) = (payment.at.to_string(), payment.amount.major_json());
    let metadata = if payment.renews { Map::new() } else { payment.checkout.metadata.clone() };
    let membership = payment.subscription.unwrap_or(payment.number);
    json!({
        "id": id("pay", payment.number), "status": if paid { "paid" } else { "open" }, "substatus": substatus,
        "billing_reason": billing_reason, "currency": lower(payment.amount), "total": total, "subtotal": total,
        "usd_total": total, "settlement_amount": total, "settlement_currency": lower(payment.amount),
        "refunded_amount": payment.refunded().major_json(), "created_at": at, "paid_at": paid.then_some(&at),
        "last_payment_attempt": at, "failure_message": (!paid).then_some("Your card was declined."),
        "updated_at": payment.changed_at.to_string(),
        "checkout_configuration_id": payment.checkout.by_api.then_some(&payment.checkout.id),
        "company": {"id": COMPANY, "route": "simulated", "title": "Simulated"},
        "plan": {"id": PLAN, "internal_notes": null, "metadata": null},
        "product": {"id": "prod_simulated", "route": "simulated", "title": inner.product, "metadata": null},
        "user": {"id": "user_simulated", "email": null, "name": "A buyer", "username": "buyer"},
        "membership": {"id": id("mem", membership), "status": "active"}, "metadata": metadata,
    })
}

fn refund_json(payment: &Payment, refund: &Refund, status: &str) -> Value {
    json!({
        "id": id("rfnd", refund.number), "amount": refund.amount.major_json(), "currency": lower(refund.amount),
        "status": status, "created_at": refund.at.to_string(), "provider": "stripe",
        "payment": {"id": id("pay", payment.number), "metadata": payment.checkout.metadata},
    })
}

/// A dispute repeats no metadata.
fn dispute_json(payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": id("dspt", dispute.number), "amount": dispute.amount.major_json(), "currency": lower(dispute.amount),
        "status": dispute.status(), "reason": "fraudulent", "inquiry": false, "created_at": dispute.at.to_string(),
        "payment": {"id": id("pay", payment.number)},
    })
}

#[derive(Deserialize)]
struct NewConfiguration {
    plan_id: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    redirect_url: Option<Url>,
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": {"type": "invalid_request", "message": message}}))).into_response()
}

/// `POST /api/v1/checkout_configurations`
async fn configure(State(inner): Simulated, headers: HeaderMap, body: String) -> Response {
    if !is_authorized(&inner, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "Invalid API key");
    }
    let wanted = match serde_json::from_str::<NewConfiguration>(&body) {
        Ok(wanted) if wanted.plan_id == PLAN && fits(&wanted.metadata, 100) => wanted,
        Ok(_) => return refused(StatusCode::BAD_REQUEST, "Unknown plan, or too much metadata"),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let made = inner.books().once(text(&headers, "idempotency-key"), &body, |books| {
        let id = random("ch_");
        let purchase_url = inner.at(&format!("/checkout/{PLAN}/?session={id}"));
        let answer = json!({
            "id": id, "mode": "payment", "metadata": wanted.metadata, "redirect_url": wanted.redirect_url,
            "plan": {"id": PLAN}, "purchase_url": purchase_url,
        });
        let back = wanted.redirect_url.map(Into::into);
        let checkout = Checkout { id, metadata: wanted.metadata, by_api: true, back, ..Checkout::default() };
        books.open("configuration", checkout);
        answer
    });
    match made {
        Ok(answer) => Json(answer).into_response(),
        Err(_) => refused(StatusCode::BAD_REQUEST, "The Idempotency-Key was used with another body"),
    }
}

/// `GET /checkout/{plan}`: a configuration's page, or the link's, whose query may carry metadata.
async fn arrive(State(inner): Simulated, Path(plan): Path<String>, Query(carried): Query<Asked>) -> Response {
    if plan != PLAN {
        return checkout::unknown();
    }
    let known = carried.get("session").and_then(|id| inner.books().checkout(id).cloned());
    let opened = known.unwrap_or_else(|| {
        let inside =
            |key: &str| Some(key.strip_prefix("checkout_session_metadata[")?.strip_suffix(']')?.to_owned());
        let metadata = carried.iter().filter_map(|(key, value)| Some((inside(key)?, json!(value)))).collect();
        let opened = Checkout { id: random("ch_"), metadata, ..Checkout::default() };
        inner.books().open("checkout", opened.clone());
        opened
    });
    checkout::show(&inner, &opened)
}

/// `GET /api/v1/payments`
async fn payments(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    let items = |payment: &Payment| vec![(payment.at, payment_json(&inner, payment, true))];
    list(&inner, &headers, &asked, "company_id", items)
}

/// `GET /api/v1/refunds`
async fn refunds(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, "company_id", |payment| {
        payment.refunds.iter().map(|refund| (refund.at, refund_json(payment, refund, "succeeded"))).collect()
    })
}

/// `GET /api/v1/disputes`
async fn disputes(State(inner): Simulated, headers: HeaderMap, Query(asked): Query<Asked>) -> Response {
    list(&inner, &headers, &asked, "account_id", |payment| {
        payment.dispute.iter().map(|dispute| (dispute.at, dispute_json(payment, dispute))).collect()
    })
}

/// A page of a list, newest first.
fn list(
    inner: &Inner,
    headers: &HeaderMap,
    asked: &Asked,
    whose: &str,
    items: impl Fn(&Payment) -> Vec<(Timestamp, Value)>,
) -> Response {
    if !is_authorized(inner, headers) {
        return refused(StatusCode::UNAUTHORIZED, "Invalid API key");
    }
    if asked.get(whose).is_none_or(|company| company != COMPANY) {
        return refused(StatusCode::BAD_REQUEST, "Unknown company");
    }
    let since =
        asked.get("created_after").and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or_default();
    let books = inner.books();
    let items = books.payments.iter().rev().flat_map(items).filter(|(at, _)| *at > since);
    let limit = asked.get("first").and_then(|text| text.parse().ok()).unwrap_or(PAGE);
    let after = asked.get("after").map(String::as_str);
    let (data, has_next_page) = page(items.map(|(_, item)| item).collect(), limit, after);
    let end_cursor = data.last().map(|item| item["id"].clone());
    let page_info = json!({"has_next_page": has_next_page, "end_cursor": end_cursor});
    Json(json!({"data": data, "page_info": page_info})).into_response()
}
