//! The owner's JSON: sessions and payments, with the admin token.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::clock::now;
use crate::domain::event::FunnelId;
use crate::error::ApiError;
use crate::report::{Report, SessionJson, SessionsJson, parse_cursor};
use crate::store::SessionFilter;
use app::event::{AnonymousId, SessionId};

/// Proof that the request brought the admin token: `Authorization: Bearer <AUREA_ADMIN_TOKEN>`.
pub struct Owner;

/// The token that opens everything of the owner's.
#[derive(Clone)]
pub struct AdminToken(SecretString);

impl AdminToken {
    /// Wraps the secret.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    fn is(&self, token: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl<S> FromRequestParts<S> for Owner
where
    AdminToken: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if AdminToken::from_ref(state).is(token) {
            return Ok(Self);
        }
        let message = "the admin token is missing or wrong";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message).field("Authorization"))
    }
}

/// Filters of the list of sessions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionsQuery {
    anonymous_id: Option<String>,
    converted: Option<bool>,
    event: Option<String>,
    cursor: Option<String>,
}

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
    let anonymous_id = query.anonymous_id.map(AnonymousId::parse).transpose();
    let cursor =
        query.cursor.map(|text| parse_cursor(&text).ok_or_else(|| bad("cursor", "is not one of ours")));
    let filter = SessionFilter {
        anonymous_id: anonymous_id.map_err(|error| bad("anonymousId", error.to_string()))?,
        converted: query.converted,
        event: query.event,
        ..SessionFilter::default()
    };
    Ok(Json(report.sessions(&funnel_of(funnel)?, &filter, cursor.transpose()?, now()).await?))
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
) -> Result<Json<Value>, ApiError> {
    Ok(Json(report.payments(&funnel_of(funnel)?).await?))
}
