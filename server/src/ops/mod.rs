//! What operators and their machines ask: is it alive, is it ready, what is wrong.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::site::Pages;
use crate::stopping::Stopping;
use crate::store::Store;

pub mod backup;
pub mod doctor;
pub mod forward;
pub mod login;
pub mod metrics;
mod process;
pub mod reconcile;
pub mod restore;

/// `GET /health/live`: the process answers.
pub async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /health/ready`: the store and the page are there, and the program is to go on.
pub async fn ready(
    State(store): State<Arc<dyn Store>>,
    State(pages): State<Pages>,
    State(stopping): State<Stopping>,
) -> Result<Json<Value>, ApiError> {
    let not_ready = |why: &str| Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why));
    if stopping.begun() {
        return not_ready("the program is stopping");
    }
    if let Err(error) = store.ready().await {
        return not_ready(&error.to_string());
    }
    if !pages.ready() {
        return not_ready("the page is not rendered");
    }
    Ok(Json(json!({ "ready": true })))
}
