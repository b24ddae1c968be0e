//! The checkout that buyers see, whichever provider is played: pay, be declined, leave.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::post;

use super::books::{Checkout, Happened, Payment};
use super::{Inner, deliveries, pages};

type Simulated = State<Arc<Inner>>;

pub(super) fn router() -> Router<Arc<Inner>> {
    Router::new().route("/pay/{checkout}", post(pay)).route("/decline/{checkout}", post(decline))
}

/// The page of a checkout that is open.
pub(super) fn show(inner: &Inner, checkout: &Checkout) -> Response {
    Html(pages::checkout(inner, checkout)).into_response()
}

/// Nothing is at that address.
pub(super) fn unknown() -> Response {
    (StatusCode::NOT_FOUND, Html(pages::notice("No such checkout", "It may be one of an earlier start.")))
        .into_response()
}

/// `POST /pay/{checkout}`: the delivery is on its way before the buyer is sent back. Paying twice is paying once, where
/// the provider's checkout leads to one payment.
async fn pay(State(inner): Simulated, Path(id): Path<String>) -> Response {
    let Some(checkout) = inner.books().checkout(&id).cloned() else { return unknown() };
    let known = checkout.paid_by.filter(|_| !inner.played.is_reusable());
    let known = known.and_then(|number| inner.books().payment(number).cloned());
    let payment = known.unwrap_or_else(|| {
        let payment = Payment::new(checkout, inner.price, inner.subscription);
        inner.books().pay(&payment);
        deliveries::send(&inner, inner.played.told(&inner, &payment, Happened::Paid));
        payment
    });
    Redirect::to(&inner.played.back(&inner, &payment)).into_response()
}

/// `POST /decline/{checkout}`: the card is refused; the buyer may try again.
async fn decline(State(inner): Simulated, Path(id): Path<String>) -> Response {
    let Some(checkout) = inner.books().checkout(&id).cloned() else { return unknown() };
    let page = pages::declined(&inner, &checkout);
    let payment = Payment::new(checkout, inner.price, inner.subscription);
    deliveries::send(&inner, inner.played.told(&inner, &payment, Happened::Declined));
    Html(page).into_response()
}
