//! Bodies come as they are: a compressed one is refused before anything of it is read, so that none can unpack to more than
//! it weighs.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// 415 for a body that is compressed, in whatever way.
pub async fn identity_only(request: Request, next: Next) -> Response {
    if !is_encoded(request.headers()) {
        return next.run(request).await;
    }
    let message = "the body must not be compressed";
    let refused = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", message);
    let mut response = refused.field("Content-Encoding").into_response();
    response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    response
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| {
        let value = value.as_bytes().trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    };
    !headers.get_all(header::CONTENT_ENCODING).iter().all(plain)
}
