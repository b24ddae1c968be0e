//! What the owner does to a payment by hand: says whose it was, and has everybody told of it once more.

use std::sync::Arc;

use app::event::{SessionId, name};
use serde_json::Value;

use crate::domain::Millis;
use crate::domain::commit::Commit;
use crate::domain::event::{Event, Source};
use crate::domain::ledger::{Attribution, Entry, Joined, Payment, PaymentKey, PaymentKind};
use crate::domain::session::{Session, fold};
use crate::outbox::Outbox;
use crate::store::outbox::Again;
use crate::store::{Store, StoreError};

/// Does it.
pub struct ByHand {
    /// Where it is written down.
    pub store: Arc<dyn Store>,
    /// Who is told.
    pub outbox: Arc<Outbox>,
}

/// Why a payment was not joined, in words for the owner, which stand beside the field.
#[derive(Debug, thiserror::Error)]
pub enum NotJoined {
    /// Nothing is known of it.
    #[error("There is no such payment.")]
    NoPayment,
    /// Whose it was is known.
    #[error("It has a session already: {0}.")]
    HasSession(SessionId),
    /// No visit earns a renewal.
    #[error("It is a renewal: join the first payment of its subscription.")]
    Renewal,
    /// No id was said, or what was said is none.
    #[error("Choose a session, or write its id as it stands in the address of its page.")]
    NoId,
    /// Nothing is known of it.
    #[error("There is no session {0} in this funnel.")]
    NoSession(SessionId),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ByHand {
    /// Joins a payment that no session is known for to this one: it converts as if the payment had come with its ids.
    pub async fn join(&self, key: &PaymentKey, session_id: &str, now: Millis) -> Result<(), NotJoined> {
        let payment = self.payment(key).await?.ok_or(NotJoined::NoPayment)?;
        if let Some(session_id) = payment.attribution.session_id {
            return Err(NotJoined::HasSession(session_id));
        }
        if payment.kind == PaymentKind::Renewal {
            return Err(NotJoined::Renewal);
        }
        let session_id = SessionId::parse(session_id.trim()).map_err(|_| NotJoined::NoId)?;
        let record = self.store.session(&key.funnel, &session_id).await?;
        let session = fold(record.events, record.conversions);
        let session = session.ok_or_else(|| NotJoined::NoSession(session_id.clone()))?;
        let joined = Joined { of: key.clone(), attribution: attribution(&session, payment.paid_at), at: now };
        let forward_to = self.outbox.listeners();
        let entries = vec![Entry::Joined(joined)];
        self.store.commit(Commit { entries, forward_to, at: now, ..Commit::default() }).await?;
        // Somebody else may have been first: a delivery, or the owner in another tab.
        match self.payment(key).await?.and_then(|payment| payment.attribution.session_id) {
            Some(known) if known != session_id => Err(NotJoined::HasSession(known)),
            _ => {
                let payment_id = &key.payment_id;
                tracing::info!(funnel = %key.funnel, payment_id, %session_id, "a payment was joined by hand");
                Ok(())
            }
        }
    }

    /// Has everybody told once more of what happened to this payment.
    pub async fn send_again(&self, key: &PaymentKey, now: Millis) -> Result<Again, StoreError> {
        let session = self.payment(key).await?.and_then(|payment| payment.attribution.session_id);
        let Some(session_id) = session else { return Ok(Again::default()) };
        let mut events = self.store.session(&key.funnel, &session_id).await?.events;
        events.retain(|event| tells_of(event, key));
        // In the order in which the ledger told them, so that the rows are the same again.
        events.sort_by_key(|event| {
            (event.timestamp, event.name == name::SESSION_END, event.event_id.to_string())
        });
        self.store.send_again(self.outbox.listeners(), events, now).await
    }

    async fn payment(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        Ok(self.store.payment(key).await?.map(|file| file.record.payment))
    }
}

/// What the ids of the checkout would have said: the last one that began before it was paid.
fn attribution(session: &Session, paid_at: Millis) -> Attribution {
    let began = session.timeline.iter().map(|moment| &moment.event);
    let began = began.filter(|event| event.name == name::CHECKOUT_STARTED && event.timestamp <= paid_at);
    Attribution {
        session_id: Some(session.session_id.clone()),
        anonymous_id: session.anonymous_id.clone(),
        checkout_started_at: began.map(|event| event.timestamp).max(),
    }
}

fn tells_of(event: &Event, key: &PaymentKey) -> bool {
    let order_id = event.properties.get("orderId").and_then(Value::as_str);
    event.source == Source::Server && order_id == Some(key.payment_id.as_str()) && !event.is_test()
}
