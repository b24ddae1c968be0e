//! Stripe: Checkout Sessions with metadata, or a Payment Link with its one field; events in minor units, signed with the
//! whole secret, all of which its API lists. Sources: docs.stripe.com/api, /webhooks, /payment-links/url-parameters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{Played, fits, hmac, is_authorized, lower, page, text};
use crate::config::providers::Providers;
use crate::provider::signature::Key;
use crate::provider::stripe;
use crate::simulator::books::{Checkout, Dispute, Happened, Payment, Ruling};
use crate::simulator::deliveries::{Delivery, Habits};
use crate::simulator::{Inner, checkout, random};

/// What is sold.
const PRICE: &str = "price_simulated";

/// Exponential, for three days; Stripe does not say the times.
const RETRIES: &[Duration] = &[
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(12),
    Duration::from_hours(20),
    Duration::from_hours(22),
];

/// A reference may be so long and of these characters; another is silently dropped.
const LONGEST_REFERENCE: usize = 200;

/// Events on a page of the list that asks for no number, and the most that there can be.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;

type Simulated = State<Arc<Inner>>;

pub(super) struct Stripe;

impl Played for Stripe {
    fn name(&self) -> &'static str {
        stripe::NAME
    }

    fn title(&self) -> &'static str {
        "Stripe"
    }

    fn new_secret(&self) -> String {
        random("whsec_")
    }

    fn router(&self) -> Router<Arc<Inner>> {
        Router::new()
            .route("/v1/checkout/sessions", post(create))
            .route("/v1/events", get(events))
            .route("/c/pay/{session}", get(session_page))
            .route("/buy/simulated", get(payment_link))
    }

    /// By the link, too, there is a key: the API lists what happened.
    fn stand_in(&self, inner: &Inner, providers: &mut Providers) {
        let known = providers.stripe.take().map(|known| known.webhook_keys);
        let mode = if inner.subscription { stripe::Mode::Subscription } else { stripe::Mode::Payment };
        providers.stripe = Some(stripe::Settings {
            checkout_url: Some(inner.at("/buy/simulated")),
            api: Some(stripe::Api {
                url: inner.at("/v1"),
                key: inner.secret.clone(),
                price_id: inner.api_mode.then(|| PRICE.into()),
                mode,
            }),
            account: None,
            webhook_keys: known.unwrap_or_else(|| vec![Key::raw(inner.secret.expose_secret())]),
        });
    }

    fn habits(&self) -> Habits {
        Habits { retries: RETRIES, patience: Duration::from_secs(20) }
    }

    /// A payment's is its payment intent, a subscription's its invoice.
    fn payment_id(&self, payment: &Payment) -> String {
        id(if payment.subscription.is_some() { "in" } else { "pi" }, payment.number)
    }

    fn told(&self, inner: &Inner, payment: &Payment, happened: Happened) -> Vec<Delivery> {
        let session = || ("checkout.session.completed", session_json(inner, payment));
        let refund = payment.refunds.last().map(|refund| {
            json!({
                "id": id("re", refund.number), "object": "refund", "amount": refund.amount.minor,
                "currency": lower(refund.amount), "charge": id("ch", payment.number),
                "payment_intent": id("pi", payment.number), "created": refund.at.as_second(), "metadata": {},
                "reason": "requested_by_customer", "status": "succeeded",
            })
        });
        let dispute = payment.dispute.as_ref().map(|dispute| dispute_json(payment, dispute));
        let dispute = dispute.unwrap_or_default();
        let told = match happened {
            Happened::Paid if payment.subscription.is_none() => vec![session()],
            Happened::Paid => {
                let first = (!payment.renews).then(session);
                let invoice = [
                    ("invoice.paid", invoice_json(payment)),
                    ("invoice_payment.paid", invoice_payment_json(payment)),
                ];
                first.into_iter().chain(invoice).collect()
            }
            Happened::Declined => vec![("payment_intent.payment_failed", intent_json(payment))],
            Happened::Refunded => vec![
                ("refund.created", refund.unwrap_or_default()),
                ("charge.refunded", charge_json(payment)),
            ],
            Happened::Disputed => {
                vec![("charge.dispute.created", dispute.clone()), ("charge.dispute.funds_withdrawn", dispute)]
            }
            Happened::Ruled => {
                let won = payment.dispute.as_ref().is_some_and(|it| it.ruling == Some(Ruling::Won));
                let back = won.then(|| ("charge.dispute.funds_reinstated", dispute.clone()));
                back.into_iter().chain([("charge.dispute.closed", dispute)]).collect()
            }
        };
        told.into_iter().map(|(topic, object)| event(payment, topic, &object)).collect()
    }

    /// A retry has a new time and a new signature.
    fn headers(&self, secret: &str, delivery: &Delivery, at: Timestamp) -> Vec<(&'static str, String)> {
        let time = at.as_second().to_string();
        let signature =
            hex::encode(hmac(secret.as_bytes(), &[time.as_bytes(), b".", delivery.body.as_bytes()]));
        vec![("stripe-signature", format!("t={time},v1={signature}"))]
    }

    /// Exactly the address that was given, with the session's id where it asks for it.
    fn back(&self, inner: &Inner, payment: &Payment) -> String {
        let back = payment.checkout.back.as_deref().unwrap_or(inner.return_url.as_str());
        back.replace("{CHECKOUT_SESSION_ID}", &payment.checkout.id)
    }
}

fn id(kind: &str, number: u64) -> String {
    format!("{kind}_{number:016x}")
}

/// In live mode: what is simulated shall look like money.
fn event(payment: &Payment, topic: &'static str, object: &Value) -> Delivery {
    let id = random("evt_");
    let body = json!({
        "id": id, "object": "event", "api_version": "2026-07-29.dahlia", "created": Timestamp::now().as_second(),
        "livemode": true, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": topic,
        "data": {"object": object},
    });
    Delivery { id, topic, body: body.to_string(), about: payment.number }
}

/// In `subscription` mode the session names the invoice and no payment intent.
fn session_json(inner: &Inner, payment: &Payment) -> Value {
    let (checkout, subscription) = (&payment.checkout, payment.subscription);
    json!({
        "id": checkout.id, "object": "checkout.session", "mode": mode(inner), "status": "complete",
        "payment_status": "paid", "amount_subtotal": payment.amount.minor, "amount_total": payment.amount.minor,
        "currency": lower(payment.amount), "client_reference_id": checkout.reference, "metadata": checkout.metadata,
        "payment_intent": subscription.is_none().then(|| id("pi", payment.number)),
        "invoice": subscription.map(|_| id("in", payment.number)),
        "subscription": subscription.map(|first| id("sub", first)),
        "payment_link": (!checkout.by_api).then_some("plink_simulated"), "created": payment.at.as_second(),
        "customer": null, "customer_details": {"email": "buyer@example.org", "name": "A buyer"},
        "success_url": checkout.back, "cancel_url": checkout.leave, "livemode": true, "url": null,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    })
}

fn mode(inner: &Inner) -> &'static str {
    if inner.subscription { "subscription" } else { "payment" }
}

/// The metadata is what the API was told to copy to the subscription; a Payment Link's field is not copied.
fn invoice_json(payment: &Payment) -> Value {
    let subscription = payment.subscription.map(|first| id("sub", first));
    let details = json!({"subscription": subscription, "metadata": payment.checkout.metadata});
    json!({
        "id": id("in", payment.number), "object": "invoice", "status": "paid",
        "billing_reason": if payment.renews { "subscription_cycle" } else { "subscription_create" },
        "amount_due": payment.amount.minor, "amount_paid": payment.amount.minor, "amount_remaining": 0,
        "currency": lower(payment.amount), "created": payment.at.as_second(), "metadata": {}, "livemode": true,
        "parent": {"type": "subscription_details", "quote_details": null, "subscription_details": details},
        "status_transitions": {"paid_at": payment.at.as_second()},
    })
}

fn invoice_payment_json(payment: &Payment) -> Value {
    json!({
        "id": id("inpay", payment.number), "object": "invoice_payment", "invoice": id("in", payment.number),
        "amount_paid": payment.amount.minor, "currency": lower(payment.amount), "status": "paid", "livemode": true,
        "payment": {"type": "payment_intent", "payment_intent": id("pi", payment.number)},
    })
}

fn intent_json(payment: &Payment) -> Value {
    json!({
        "id": id("pi", payment.number), "object": "payment_intent", "amount": payment.amount.minor,
        "currency": lower(payment.amount), "metadata": payment.checkout.metadata, "status": "requires_payment_method",
        "last_payment_error": {"code": "card_declined", "decline_code": "generic_decline", "type": "card_error"},
    })
}

/// A subscription's metadata is on no charge.
fn charge_json(payment: &Payment) -> Value {
    let metadata =
        if payment.subscription.is_some() { Map::new() } else { payment.checkout.metadata.clone() };
    json!({
        "id": id("ch", payment.number), "object": "charge", "amount": payment.amount.minor,
        "amount_captured": payment.amount.minor, "amount_refunded": payment.refunded().minor,
        "refunded": payment.left().minor == 0, "currency": lower(payment.amount), "paid": true,
        "payment_intent": id("pi", payment.number), "metadata": metadata, "livemode": true, "status": "succeeded",
        "created": payment.at.as_second(),
    })
}

fn dispute_json(payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": id("dp", dispute.number), "object": "dispute", "amount": dispute.amount.minor,
        "currency": lower(dispute.amount), "charge": id("ch", payment.number),
        "payment_intent": id("pi", payment.number), "status": dispute.status(), "reason": "fraudulent",
        "created": dispute.at.as_second(), "is_charge_refundable": false, "livemode": true, "metadata": {},
    })
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"type": kind, "message": message}}))).into_response()
}

fn invalid(message: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, "invalid_request_error", message)
}

/// `POST /v1/checkout/sessions`: a form. What the session makes may only be told of that is made in its mode.
async fn create(State(inner): Simulated, headers: HeaderMap, body: String) -> Response {
    if !is_authorized(&inner, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_request_error", "Invalid API Key provided");
    }
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    let metadata = bracketed(&form, "metadata");
    let (makes, other) = match mode(&inner) {
        "payment" => ("payment_intent_data", "subscription_data"),
        _ => ("subscription_data", "payment_intent_data"),
    };
    if field("mode") != Some(mode(&inner)) || form.keys().any(|key| key.starts_with(other)) {
        return invalid("The mode is not the price's, or something is passed that it does not make");
    }
    if field("line_items[0][price]") != Some(PRICE) || field("line_items[0][quantity]").is_none() {
        return invalid("No such price, or no quantity");
    }
    let Some(back) = field("success_url").map(str::to_owned) else { return invalid("Missing success_url") };
    let reference = field("client_reference_id").map(str::to_owned);
    if !fits(&metadata, 40) || reference.as_ref().is_some_and(|text| text.len() > LONGEST_REFERENCE) {
        return invalid("Too much metadata, or too long a client_reference_id");
    }
    if bracketed(&form, &format!("{makes}[metadata]")) != metadata {
        return invalid(
            "The simulator keeps one metadata: the session's and what it makes must have the same",
        );
    }
    let leave = field("cancel_url").map(str::to_owned);
    let made = inner.books().once(text(&headers, "idempotency-key"), &body, |books| {
        let id = random("cs_live_");
        let answer = json!({
            "id": id, "object": "checkout.session", "mode": mode(&inner), "status": "open", "payment_status": "unpaid",
            "metadata": metadata, "client_reference_id": reference, "url": inner.at(&format!("/c/pay/{id}")),
        });
        let back = Some(back);
        books.open("session", Checkout { id, metadata, reference, by_api: true, back, leave, paid_by: None });
        answer
    });
    match made {
        Ok(answer) => Json(answer).into_response(),
        Err(_) => refused(
            StatusCode::BAD_REQUEST,
            "idempotency_error",
            "Keys for idempotent requests can only be used with the same parameters they were first used with",
        ),
    }
}

/// `prefix[key]=value` as a map.
fn bracketed(form: &BTreeMap<String, String>, prefix: &str) -> Map<String, Value> {
    let inside = |name: &str| {
        let key = name.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?;
        (!key.contains('[')).then(|| key.to_owned())
    };
    form.iter().filter_map(|(name, value)| Some((inside(name)?, json!(value)))).collect()
}

/// `GET /c/pay/{session}`
async fn session_page(State(inner): Simulated, Path(id): Path<String>) -> Response {
    let known = inner.books().checkout(&id).cloned();
    known.map_or_else(checkout::unknown, |known| checkout::show(&inner, &known))
}

/// `GET /buy/simulated`: each visit of a Payment Link is a session of its own.
async fn payment_link(State(inner): Simulated, Query(carried): Query<BTreeMap<String, String>>) -> Response {
    let sound = |text: &&String| {
        (1..=LONGEST_REFERENCE).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let reference = carried.get("client_reference_id").filter(sound).cloned();
    let opened = Checkout { id: random("cs_live_"), reference, ..Checkout::default() };
    inner.books().open("checkout", opened.clone());
    checkout::show(&inner, &opened)
}

/// `GET /v1/events`, newest first.
async fn events(State(inner): Simulated, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if !is_authorized(&inner, &headers) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_request_error", "Invalid API Key provided");
    }
    let asked: Vec<(String, String)> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let one = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let types: Vec<&str> =
        asked.iter().filter(|(key, _)| key == "types[]").map(|(_, value)| value.as_str()).collect();
    let since: i64 = one("created[gte]").and_then(|text| text.parse().ok()).unwrap_or_default();
    let limit = one("limit").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let books = inner.books();
    let wanted = books.told.iter().rev().filter(|told| types.is_empty() || types.contains(&told.topic));
    let events = wanted.filter_map(|told| serde_json::from_str::<Value>(&told.body).ok());
    let events = events.filter(|event| event["created"].as_i64() >= Some(since)).collect();
    let (data, has_more) = page(events, limit, one("starting_after"));
    Json(json!({"object": "list", "url": "/v1/events", "data": data, "has_more": has_more})).into_response()
}
