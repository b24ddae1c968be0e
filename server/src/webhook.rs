//! Deliveries in: verified over the raw body, decided and recorded in one commit, then answered 200.
//!
//! Whatever is authentic is kept, even if it can't be read or changes nothing; what is not authentic is answered 401.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId, name};
use axum::http::HeaderMap;

use crate::bookkeeper::{Bookkeeper, Heard};
use crate::domain::Millis;
use crate::domain::commit::{Committed, Delivery, DeliveryState, Digest};
use crate::domain::event::Event;
use crate::domain::ledger::{Entry, PaymentKind};
use crate::domain::outbox::Listener;
use crate::failpoints;
use crate::provider::signature::Rejection;
use crate::provider::{Notice, Provider};
use crate::store::{Store, StoreError};

/// The largest delivery, bytes (Shopify's orders can be big).
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// Bytes of the reason that are kept of a delivery that counts for nothing.
const WHY_KEPT: usize = 200;

/// Takes deliveries in.
pub struct Webhooks {
    /// Where they are recorded.
    pub store: Arc<dyn Store>,
    /// Reads them for the ledger.
    pub bookkeeper: Bookkeeper,
    /// Prints the seed's log lines.
    pub development: bool,
    /// Who is told of conversions.
    pub forward_to: Vec<Listener>,
}

/// Why a delivery is not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Not authentic.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Authentic, but it could not be recorded: the provider must send it again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Webhooks {
    /// Verifies and records one delivery.
    pub async fn receive(
        &self,
        provider: &dyn Provider,
        headers: &HeaderMap,
        body: &[u8],
        now: Millis,
    ) -> Result<Committed, WebhookError> {
        let signed_id = provider.verify(headers, body, now)?;
        failpoints::reach("delivery.verified");
        Ok(self.record(provider, signed_id, headers, body, now, now).await?)
    }

    /// Records one delivery that was verified: at once, or out of the quarantine.
    pub async fn record(
        &self,
        provider: &dyn Provider,
        signed_id: Option<String>,
        headers: &HeaderMap,
        body: &[u8],
        received_at: Millis,
        now: Millis,
    ) -> Result<Committed, StoreError> {
        let funnel = self.bookkeeper.funnel.as_str();
        let mut notice = provider.parse(headers, body);
        let foreign = provider.foreign_account(headers, body);
        if foreign.is_some() {
            notice.facts = Ok(Vec::new());
        }
        let digest = provider.digest(headers, body);
        let stands = stands(&notice, foreign.as_deref());
        let delivery = delivery(provider.name(), signed_id, &notice, stands, body, digest, received_at);
        let (delivery_id, payment_id) = (delivery.delivery_id.clone(), delivery.payment_id.clone());
        let facts = notice.facts.unwrap_or_else(|why| {
            tracing::error!(
                provider = provider.name(),
                funnel,
                delivery_id,
                why = unquoted(&why),
                "an authentic delivery can't be read; it is kept"
            );
            Vec::new()
        });
        let heard = Heard { provider: provider.name(), reconciled: false, at: received_at };
        let mut commit = self.bookkeeper.commit(facts, heard).await?;
        commit.delivery = Some(delivery);
        commit.forward_to.clone_from(&self.forward_to);
        commit.at = now;
        let entries = commit.entries.clone();
        let committed = self.store.commit(commit).await.inspect_err(|error| {
            tracing::error!(
                provider = provider.name(),
                funnel,
                delivery_id,
                payment_id,
                %error,
                "a delivery could not be recorded; it is answered 503"
            );
        })?;
        failpoints::reach("delivery.after_commit");
        tracing::info!(
            provider = provider.name(),
            funnel,
            delivery_id,
            payment_id,
            new = committed.new_delivery,
            "delivery"
        );
        if committed.conflict {
            tracing::warn!(
                provider = provider.name(),
                funnel,
                delivery_id,
                "a delivery came again with another body: the first stands, this one is kept beside it"
            );
        }
        if committed.new_delivery {
            if let Some(account) = foreign {
                tracing::warn!(
                    provider = provider.name(),
                    delivery_id,
                    account,
                    "a delivery about another account: it is kept and changes nothing"
                );
            }
            self.log(&entries, &committed.settled);
        }
        Ok(committed)
    }

    /// The lines of the seed's test steps.
    fn log(&self, entries: &[Entry], settled: &[Event]) {
        for entry in entries {
            let Entry::Payment(payment) = entry else { continue };
            let anonymous_id = payment.attribution.anonymous_id.as_ref().map_or("none", AnonymousId::as_str);
            let session_id = payment.attribution.session_id.as_ref().map_or("none", SessionId::as_str);
            let (funnel, payment_id) = (self.bookkeeper.funnel.as_str(), &payment.key.payment_id);
            if payment.attribution.session_id.is_none() && payment.kind == PaymentKind::First {
                tracing::warn!(funnel, payment_id, "a payment without a session: it is kept unattributed");
            }
            if payment.amount.is_err() {
                tracing::error!(
                    funnel,
                    payment_id,
                    session_id,
                    "a payment whose amount can't be trusted is kept"
                );
            }
            if self.development {
                tracing::info!("Aurea tracking - anonymousId: {anonymous_id}, sessionId: {session_id}");
            }
        }
        for event in settled.iter().filter(|_| self.development) {
            if event.name == name::CHECKOUT_COMPLETED {
                let anonymous_id = event.anonymous_id.as_ref().map_or("none", AnonymousId::as_str);
                tracing::info!("Tracked checkout_completed in Aurea with anonymousId: {anonymous_id}");
            } else {
                tracing::info!("Tracked {} in Aurea", event.name);
            }
        }
    }
}

/// Why something can't be read, without what was found instead: that may be a buyer's name or address.
fn unquoted(why: &str) -> String {
    match (why.find('"'), why.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &why[..from], &why[to + 1..]),
        _ => why.to_owned(),
    }
}

/// What becomes of a delivery, and why, if it counts for nothing.
fn stands(notice: &Notice, foreign: Option<&str>) -> (DeliveryState, Option<String>) {
    let kept = |why: &str| Some(why[..why.floor_char_boundary(WHY_KEPT)].to_owned());
    match (&notice.facts, foreign) {
        (_, Some(account)) => (DeliveryState::Foreign, kept(account).filter(|account| !account.is_empty())),
        (Ok(facts), None) if facts.is_empty() => (DeliveryState::Ignored, None),
        (Ok(_), None) => (DeliveryState::Recorded, None),
        (Err(why), None) => (DeliveryState::Unparsable, kept(&unquoted(why))),
    }
}

/// A delivery without an id is named by its digest: the same again is the same delivery.
fn delivery(
    provider: &'static str,
    signed_id: Option<String>,
    notice: &Notice,
    (state, why): (DeliveryState, Option<String>),
    body: &[u8],
    digest: Digest,
    now: Millis,
) -> Delivery {
    Delivery {
        provider,
        delivery_id: signed_id
            .or_else(|| notice.message_id.clone())
            .unwrap_or_else(|| format!("sha256:{}", hex::encode(digest))),
        event_type: notice.event_type.clone(),
        state,
        why,
        body: body.to_vec(),
        digest,
        received_at: now,
        payment_id: notice.facts.iter().flatten().next().map(|fact| fact.about().to_owned()),
    }
}
