//! The simulator's routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::deliveries::{self, Payment};
use super::{Configuration, Inner, PLAN, pages, random};

type Simulated = State<Arc<Inner>>;

pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .route("/api/v1/checkout_configurations", post(configure))
        .route("/api/v1/payments", get(payments))
        .route("/api/v1/refunds", get(nothing))
        .route("/api/v1/disputes", get(nothing))
        .route("/checkout/{plan}", get(checkout))
        .route("/checkout/{plan}/pay", post(pay))
        .route("/checkout/{plan}/decline", post(decline))
        .route("/simulator/requests", get(requests))
        .with_state(inner)
}

#[derive(Deserialize)]
struct NewConfiguration {
    plan_id: String,
    #[serde(default)]
    metadata: Map<String, Value>,
    redirect_url: Option<Url>,
}

/// `POST /api/v1/checkout_configurations`: the same `Idempotency-Key` gets the same configuration.
async fn configure(
    State(inner): Simulated,
    headers: HeaderMap,
    Json(wanted): Json<NewConfiguration>,
) -> Response {
    let bearer = format!("Bearer {}", inner.api_key.expose_secret());
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != bearer.as_str()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": {"message": "Invalid API key"}})))
            .into_response();
    }
    if wanted.plan_id != PLAN {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": "Unknown plan"}})))
            .into_response();
    }
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut seen = inner.seen();
    let known = key.as_ref().and_then(|key| seen.keys.get(key).cloned());
    let id = known.unwrap_or_else(|| {
        let id = random("ch_");
        let metadata = Value::Object(wanted.metadata);
        seen.requests.push(json!({"kind": "configuration", "id": id, "metadata": metadata}));
        seen.configurations.insert(id.clone(), Configuration { metadata, redirect_url: wanted.redirect_url });
        id
    });
    if let Some(key) = key {
        seen.keys.insert(key, id.clone());
    }
    let purchase_url = format!("{}/checkout/{PLAN}?session={id}", inner.origin());
    Json(json!({"id": id, "plan": {"id": PLAN}, "purchase_url": purchase_url})).into_response()
}

/// `GET /api/v1/payments`, newest first on one page.
async fn payments(State(inner): Simulated) -> Json<Value> {
    let payments: Vec<Value> = inner.seen().payments.iter().rev().cloned().collect();
    Json(json!({"data": payments, "page_info": {"has_next_page": false}}))
}

/// A list with nothing in it.
async fn nothing() -> Json<Value> {
    Json(json!({"data": [], "page_info": {"has_next_page": false}}))
}

/// What a checkout's address carries: a configuration's id, or the link's metadata.
type Carried = BTreeMap<String, String>;

/// `GET /checkout/{plan}`
async fn checkout(
    State(inner): Simulated,
    Path(plan): Path<String>,
    Query(carried): Query<Carried>,
) -> Html<String> {
    inner.seen().requests.push(json!({"kind": "checkout", "plan": plan, "query": carried}));
    Html(pages::checkout(&inner, &carried))
}

/// `POST /checkout/{plan}/pay`: the delivery is on its way before the buyer is sent back.
async fn pay(State(inner): Simulated, Form(carried): Form<Carried>) -> Redirect {
    let payment = payment(&inner, &carried);
    let mut back = configuration(&inner, &carried)
        .and_then(|known| known.redirect_url)
        .unwrap_or(inner.return_url.clone());
    back.query_pairs_mut().append_pair("payment_id", &payment.id).append_pair("checkout_status", "success");
    let paid = deliveries::data(&inner, &payment, true);
    inner.seen().payments.push(paid);
    deliveries::send(inner, "payment.succeeded", &payment);
    Redirect::to(back.as_str())
}

/// `POST /checkout/{plan}/decline`: the card is refused; the buyer may try again.
async fn decline(State(inner): Simulated, Form(carried): Form<Carried>) -> Html<String> {
    let payment = payment(&inner, &carried);
    let page = pages::declined(&inner, &carried);
    deliveries::send(inner, "payment.failed", &payment);
    Html(page)
}

/// `GET /simulator/requests`: what reached the provider.
async fn requests(State(inner): Simulated) -> Json<Value> {
    Json(Value::Array(inner.seen().requests.clone()))
}

fn configuration(inner: &Inner, carried: &Carried) -> Option<Configuration> {
    inner.seen().configurations.get(carried.get("session")?).cloned()
}

fn payment(inner: &Inner, carried: &Carried) -> Payment {
    let from_link = || {
        let inside =
            |key: &str| Some(key.strip_prefix("checkout_session_metadata[")?.strip_suffix(']')?.to_owned());
        carried
            .iter()
            .filter_map(|(key, value)| Some((inside(key)?, json!(value))))
            .collect::<Map<_, _>>()
            .into()
    };
    let metadata = configuration(inner, carried).map_or_else(from_link, |known| known.metadata);
    Payment { id: random("pay_"), metadata, configuration: carried.get("session").cloned() }
}
