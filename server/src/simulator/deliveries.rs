//! Signed deliveries, sent again after Whop's own times until one is answered 2xx.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::{Inner, random};

/// Whop tries again after these and then gives up.
const RETRIES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];

/// A payment that a buyer made.
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) metadata: Value,
    pub(super) configuration: Option<String>,
}

/// Sends a delivery in the background.
pub(super) fn send(inner: Arc<Inner>, event_type: &'static str, payment: &Payment) {
    let id = random("msg_");
    let body = body(&inner, &id, event_type, payment).to_string();
    tokio::spawn(async move {
        for delay in RETRIES.map(Some).into_iter().chain([None]) {
            if attempt(&inner, &id, &body).await {
                return;
            }
            let Some(delay) = delay else { break };
            tracing::warn!(id, "simulator: the delivery was not taken; again in {} s", delay.as_secs());
            tokio::time::sleep(delay).await;
        }
        tracing::error!(id, "simulator: the delivery was given up, as Whop does");
    });
}

/// The v1 body.
fn body(inner: &Inner, id: &str, event_type: &str, payment: &Payment) -> Value {
    json!({
        "id": id, "api_version": "v1", "timestamp": Timestamp::now().to_string(), "type": event_type,
        "company_id": super::COMPANY, "data": data(inner, payment, event_type == "payment.succeeded"),
    })
}

/// A payment as deliveries and lists show it: amounts are JSON numbers of major units.
pub(super) fn data(inner: &Inner, payment: &Payment, paid: bool) -> Value {
    let now = Timestamp::now().to_string();
    json!({
        "id": payment.id, "status": if paid { "paid" } else { "open" },
        "substatus": if paid { "succeeded" } else { "failed" },
        "total": inner.total, "subtotal": inner.total, "currency": inner.currency, "billing_reason": "one_time",
        "created_at": now, "paid_at": paid.then_some(&now),
        "plan": {"id": super::PLAN}, "user": {"id": "user_simulated", "email": null},
        "checkout_configuration_id": payment.configuration, "metadata": payment.metadata,
    })
}

/// Keyed as Whop documents: the bytes of the whole secret.
async fn attempt(inner: &Inner, id: &str, body: &str) -> bool {
    let now = Timestamp::now().as_second();
    let signature = Webhook::from_bytes(inner.secret.expose_secret().as_bytes().to_vec())
        .and_then(|library| library.sign(id, now, body.as_bytes()));
    let Ok(signature) = signature else { return false };
    let sent = inner
        .client
        .post(inner.webhook_url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now.to_string())
        .header("webhook-signature", signature)
        .body(body.to_owned())
        .timeout(Duration::from_secs(10))
        .send()
        .await;
    sent.is_ok_and(|answer| answer.status().is_success())
}
