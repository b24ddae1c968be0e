//! Signed deliveries, sent again after the provider's own times until one is answered 2xx. Switches let them come twice, in
//! the wrong order, or not at all.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Inner;

/// One message about a payment, as it goes out and as it stands in a list of events.
#[derive(Clone)]
pub(super) struct Delivery {
    /// The message's id, the same in every try.
    pub(super) id: String,
    /// The provider's word for what happened.
    pub(super) topic: &'static str,
    pub(super) body: String,
    /// The payment's number.
    pub(super) about: u64,
}

/// How a provider delivers.
pub(super) struct Habits {
    /// It tries again after each of these and then gives up.
    pub(super) retries: &'static [Duration],
    /// It waits so long for an answer.
    pub(super) patience: Duration,
}

/// Sends what happened, in the background and in its order.
pub(super) fn send(inner: &Arc<Inner>, deliveries: Vec<Delivery>) {
    let mut books = inner.books();
    books.told.extend(deliveries.iter().cloned());
    let switches = books.switches;
    if switches.drop {
        return;
    }
    if switches.reorder {
        books.held.extend(deliveries);
        return;
    }
    drop(books);
    let times = if switches.duplicate { 2 } else { 1 };
    tell(inner, deliveries.into_iter().flat_map(|it| std::iter::repeat_n(it, times)).collect());
}

/// Sends what was held back, newest first.
pub(super) fn release(inner: &Arc<Inner>) {
    let held = std::mem::take(&mut inner.books().held);
    tell(inner, held.into_iter().rev().collect());
}

/// Sends the last delivery about a payment again, as the provider's dashboard does, whatever the switches say.
pub(super) fn resend(inner: &Arc<Inner>, about: u64) -> Result<(), &'static str> {
    let last = inner.books().told.iter().rfind(|delivery| delivery.about == about).cloned();
    tell(inner, vec![last.ok_or("nothing was told of it")?]);
    Ok(())
}

fn tell(inner: &Arc<Inner>, deliveries: Vec<Delivery>) {
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        for delivery in deliveries {
            if !attempt(&inner, &delivery).await {
                tokio::spawn(retry(Arc::clone(&inner), delivery));
            }
        }
    });
}

async fn retry(inner: Arc<Inner>, delivery: Delivery) {
    let (id, provider) = (&delivery.id, inner.played.title());
    for delay in inner.played.habits().retries {
        tracing::warn!(id, "simulator: the delivery was not taken; again in {} s", delay.as_secs());
        tokio::time::sleep(*delay).await;
        if attempt(&inner, &delivery).await {
            return;
        }
    }
    tracing::error!(id, "simulator: the delivery was given up, as {provider} does");
}

/// Signed anew each time.
async fn attempt(inner: &Inner, delivery: &Delivery) -> bool {
    let signed = inner.played.headers(inner.secret.expose_secret(), delivery, Timestamp::now());
    let request = inner.client.post(inner.webhook_url.clone()).header("content-type", "application/json");
    let request = signed.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(delivery.body.clone()).timeout(inner.played.habits().patience);
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}
