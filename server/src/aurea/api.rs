//! The owner's JSON: sessions and payments.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::access::Owner;
use super::filter::{PaymentsQuery, SessionsQuery};
use crate::clock::now;
use crate::domain::event::FunnelId;
use crate::error::ApiError;
use crate::report::{Report, SessionJson, SessionsJson};
use app::event::SessionId;

/// Where a long timeline goes on.
#[derive(Deserialize)]
pub struct SessionQuery {
    cursor: Option<usize>,
}

fn funnel_of(text: String) -> Result<FunnelId, ApiError> {
    FunnelId::parse(text).map_err(|_| ApiError::not_found("there is no such funnel"))
}

fn bad(field: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message).field(field)
}

/// `GET /api/aurea/funnels/{funnel}/sessions`
pub async fn sessions(
    _: Owner,
    State(report): State<Report>,
    Path(funnel): Path<String>,
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<Json<SessionsJson>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad("query", rejection.body_text()))?;
    let (filter, after) = query.parse().map_err(|fault| bad(fault.field, fault.message))?;
    Ok(Json(report.sessions(&funnel_of(funnel)?, &filter, after, now()).await?))
}

/// `GET /api/aurea/funnels/{funnel}/sessions/{sessionId}`
pub async fn session(
    _: Owner,
    State(report): State<Report>,
    Path((funnel, session_id)): Path<(String, String)>,
    query: Result<Query<SessionQuery>, QueryRejection>,
) -> Result<Json<SessionJson>, ApiError> {
    let Query(query) = query.map_err(|_| bad("cursor", "is not one of ours"))?;
    let unknown = || ApiError::not_found("there is no such session");
    let session_id = SessionId::parse(session_id).map_err(|_| unknown())?;
    let session = report.session(&funnel_of(funnel)?, &session_id, query.cursor.unwrap_or(0), now()).await?;
    session.map(Json).ok_or_else(unknown)
}

/// `GET /api/aurea/funnels/{funnel}/payments`
pub async fn payments(
    _: Owner,
    State(report): State<Report>,
    Path(funnel): Path<String>,
    query: Result<Query<PaymentsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|rejection| bad("query", rejection.body_text()))?;
    let (wanted, after) = query.parse().map_err(|fault| bad(fault.field, fault.message))?;
    Ok(Json(report.payments(&funnel_of(funnel)?, &wanted, after).await?))
}
