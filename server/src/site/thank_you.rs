//! The return from the checkout: never cached, and for every buyer what is known of theirs.

use std::net::SocketAddr;
use std::sync::Arc;

use app::{Page, Return};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Pages;
use crate::clock::now;
use crate::error::ApiError;
use crate::ingest::limit::Limit;
use crate::returning::Returns;

/// What a return URL may hold, of all that a provider puts into it.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The token of the checkout.
    token: Option<String>,
}

/// By what the open page asks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedAgain {
    /// The token of the checkout.
    token: Option<String>,
    /// The session, where there is no token.
    session_id: Option<String>,
}

/// How the checkout stands.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// `unknown`, `waiting` or `confirmed`.
    returned: &'static str,
}

/// `GET /thank-you`. Whatever its query holds and whatever ails the store, the buyer sees a page.
pub async fn show(
    State(pages): State<Pages>,
    State(returns): State<Arc<Returns>>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let token = asked.map(|Query(asked)| asked.token).unwrap_or_default();
    let returned = match returns.standing(token.as_deref(), None, now()).await {
        Ok(returned) => returned,
        Err(error) => {
            tracing::debug!(%error, "a buyer came back whose checkout could not be looked up");
            Return::Unknown
        }
    };
    pages.page(Page::ThankYou(returned), &headers)
}

/// `GET /api/checkout/return?token=…` or `?sessionId=…`: how that checkout stands, for a page that is open.
pub async fn standing(
    State(returns): State<Arc<Returns>>,
    State(limit): State<Arc<Limit>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    asked: Result<Query<AskedAgain>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    limit.admit(peer.ip(), &headers)?;
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let returned = returns.standing(asked.token.as_deref(), asked.session_id.as_deref(), now()).await?;
    let answer = Json(Answer { returned: returned.as_str() });
    Ok(([(header::CACHE_CONTROL, "no-store")], answer).into_response())
}

/// `GET /thank-you.js`
pub async fn script(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    pages.returned.respond(&headers)
}
