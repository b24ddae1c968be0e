//! The one place where errors become HTTP.
//!
//! JSON routes answer `{"error":"machine_tag","message":"…","field":"…"}`. Messages are for the caller: they say what is
//! wrong with the request, never what went wrong inside.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::store::StoreError;

/// Seconds after which a refused caller may try again.
pub const RETRY_AFTER: &str = "2";

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// For programs.
    pub tag: &'static str,
    /// For people.
    pub message: String,
    /// The field that is at fault, if one is.
    pub field: Option<&'static str>,
}

impl ApiError {
    /// An error without a field.
    pub fn new(status: StatusCode, tag: &'static str, message: impl Into<String>) -> Self {
        Self { status, tag, message: message.into(), field: None }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::debug!(%error, "the store did not do it"); // it has said so itself
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "nothing was recorded; try again")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.tag, "message": self.message });
        if let Some(field) = self.field {
            body["field"] = json!(field);
        }
        let mut response = (self.status, Json(body)).into_response();
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
