//! `/simulator`: what happens to money later, done by hand on a page or by a test over HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::books::{Act, Ruling};
use super::{Inner, deliveries, pages};

type Simulated = State<Arc<Inner>>;

pub(super) fn router() -> Router<Arc<Inner>> {
    Router::new()
        .route("/simulator", get(desk))
        .route("/simulator/payments", get(payments))
        .route("/simulator/payments/{number}/{act}", post(act))
        .route("/simulator/switches/{switch}", post(switch))
        .route("/simulator/requests", get(requests))
}

/// `GET /simulator`
async fn desk(State(inner): Simulated) -> Html<String> {
    Html(pages::desk(&inner))
}

/// `GET /simulator/payments`: newest first.
async fn payments(State(inner): Simulated) -> Json<Value> {
    let books = inner.books();
    let shown = |payment: &super::books::Payment| {
        json!({
            "number": payment.number.to_string(), "paymentId": inner.played.payment_id(payment),
            "amount": payment.amount.minor, "refunded": payment.refunded().minor, "renewal": payment.renews,
            "dispute": payment.dispute.as_ref().map(super::books::Dispute::status),
        })
    };
    Json(books.payments.iter().rev().map(shown).collect())
}

/// `GET /simulator/requests`: what reached the provider.
async fn requests(State(inner): Simulated) -> Json<Value> {
    Json(Value::Array(inner.books().requests.clone()))
}

#[derive(Deserialize)]
struct Asked {
    /// Of a refund in part, minor units; without it half of what is left.
    amount: Option<i64>,
}

/// `POST /simulator/payments/{number}/{act}`
async fn act(
    State(inner): Simulated,
    Path((number, act)): Path<(u64, String)>,
    Form(asked): Form<Asked>,
) -> Response {
    let done = match act.as_str() {
        "refund-part" => {
            let half = inner.books().payment(number).map(|payment| payment.left().minor / 2);
            happen(&inner, number, Act::Refund(asked.amount.or(half)))
        }
        "refund-rest" => happen(&inner, number, Act::Refund(None)),
        "dispute" => happen(&inner, number, Act::Dispute),
        "win" => happen(&inner, number, Act::Rule(Ruling::Won)),
        "lose" => happen(&inner, number, Act::Rule(Ruling::Lost)),
        "renew" => happen(&inner, number, Act::Renew),
        "send-again" => deliveries::resend(&inner, number),
        _ => Err("that can't be done to a payment"),
    };
    answered(done)
}

fn happen(inner: &Arc<Inner>, number: u64, act: Act) -> Result<(), &'static str> {
    let (payment, happened) = inner.books().act(number, act)?;
    deliveries::send(inner, inner.played.told(inner, &payment, happened));
    Ok(())
}

#[derive(Deserialize)]
struct Turned {
    on: bool,
}

/// `POST /simulator/switches/{switch}`
async fn switch(State(inner): Simulated, Path(switch): Path<String>, Form(turned): Form<Turned>) -> Response {
    let mut books = inner.books();
    let switches = &mut books.switches;
    match switch.as_str() {
        "drop" => switches.drop = turned.on,
        "duplicate" => switches.duplicate = turned.on,
        "reorder" => switches.reorder = turned.on,
        _ => return answered(Err("there is no such switch")),
    }
    let released = !books.switches.reorder;
    drop(books);
    if released {
        deliveries::release(&inner);
    }
    answered(Ok(()))
}

fn answered(done: Result<(), &'static str>) -> Response {
    match done {
        Ok(()) => Redirect::to("/simulator").into_response(),
        Err(why) => (StatusCode::CONFLICT, Html(pages::notice("Not possible", why))).into_response(),
    }
}
