//! Deliveries in: verified over the raw body, decided and recorded in one commit, then answered 200.
//!
//! Whatever is authentic is kept, even if it can't be read or changes nothing; what is not authentic is answered 401.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId};
use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::domain::commit::{Commit, Committed, Delivery, DeliveryState, Digest};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{Attribution, Payment, PaymentKey, record};
use crate::domain::outbox::Listener;
use crate::domain::{DAY, Millis};
use crate::failpoints;
use crate::provider::signature::Rejection;
use crate::provider::{Fact, Metadata, Notice, Paid, Provider};
use crate::store::{Store, StoreError};

/// The largest delivery, bytes (Shopify's orders can be big).
pub const MAX_BODY: usize = 2 * 1024 * 1024;

/// Takes deliveries in.
pub struct Webhooks {
    /// Where they are recorded.
    pub store: Arc<dyn Store>,
    /// The funnel that the payments belong to.
    pub funnel: FunnelId,
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
        Ok(self.record(provider, signed_id, body, now).await?)
    }

    /// Records one delivery that was verified and arrived at `now`: at once, or out of the quarantine.
    pub async fn record(
        &self,
        provider: &dyn Provider,
        signed_id: Option<String>,
        body: &[u8],
        now: Millis,
    ) -> Result<Committed, StoreError> {
        let mut notice = provider.parse(body);
        let foreign = provider.foreign_account(body);
        if foreign.is_some() {
            notice.fact = Fact::Other;
        }
        let delivery = delivery(provider.name(), signed_id, &notice, body, now);
        let (delivery_id, payment_id) = (delivery.delivery_id.clone(), delivery.payment_id.clone());
        let mut commit = match notice.fact {
            Fact::Paid(paid) => record(self.payment(provider.name(), paid, now).await?),
            Fact::Other => Commit::default(),
            Fact::Unparsable(why) => {
                tracing::error!(
                    provider = provider.name(),
                    funnel = self.funnel.as_str(),
                    delivery_id,
                    why = unquoted(&why),
                    "an authentic delivery can't be read; it is kept"
                );
                Commit::default()
            }
        };
        commit.delivery = Some(delivery);
        commit.forward_to.clone_from(&self.forward_to);
        let recorded = commit.clone();
        let committed = self.store.commit(commit).await.inspect_err(|error| {
            tracing::error!(
                provider = provider.name(),
                funnel = self.funnel.as_str(),
                delivery_id,
                payment_id,
                %error,
                "a delivery could not be recorded; it is answered 503"
            );
        })?;
        failpoints::reach("delivery.after_commit");
        tracing::info!(
            provider = provider.name(),
            funnel = self.funnel.as_str(),
            delivery_id,
            payment_id,
            new = committed.new_delivery,
            "delivery"
        );
        if committed.conflict {
            tracing::error!(
                provider = provider.name(),
                funnel = self.funnel.as_str(),
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
            self.log(&recorded);
        }
        Ok(committed)
    }

    async fn payment(&self, provider: &'static str, paid: Paid, now: Millis) -> Result<Payment, StoreError> {
        let attribution = self.attribute(paid.metadata, now).await?;
        Ok(Payment {
            key: PaymentKey {
                funnel: self.funnel.clone(),
                provider: provider.to_owned(),
                payment_id: paid.payment_id,
            },
            kind: paid.kind,
            amount: paid.amount,
            // A provider's clock may be behind, but nobody pays in the future.
            paid_at: paid.paid_at.filter(|at| (0..=now).contains(at)).unwrap_or(now),
            attribution,
            received_at: now,
        })
    }

    /// Metadata passed through the buyer's browser: what is no id is as good as missing. With only a visitor, the money
    /// belongs to their newest checkout of the last 24 h, else to a session named after them.
    async fn attribute(&self, metadata: Metadata, now: Millis) -> Result<Attribution, StoreError> {
        let anonymous_id = metadata.anonymous_id.and_then(|id| AnonymousId::parse(id).ok());
        let mut session_id = metadata.session_id.and_then(|id| SessionId::parse(id).ok());
        if let (None, Some(visitor)) = (&session_id, &anonymous_id) {
            let newest = self.store.newest_checkout(&self.funnel, visitor, now - DAY, now).await?;
            session_id = newest.or_else(|| SessionId::parse(visitor.as_str()).ok());
        }
        let checkout_started_at = metadata.checkout_started_at.filter(|at| (0..=now).contains(at));
        Ok(Attribution { session_id, anonymous_id, checkout_started_at })
    }

    /// The lines of the seed's test steps.
    fn log(&self, commit: &Commit) {
        for payment in &commit.payments {
            let anonymous_id = payment.attribution.anonymous_id.as_ref().map_or("none", AnonymousId::as_str);
            let session_id = payment.attribution.session_id.as_ref().map_or("none", SessionId::as_str);
            if payment.attribution.session_id.is_none() {
                tracing::warn!(
                    funnel = self.funnel.as_str(),
                    payment_id = payment.key.payment_id,
                    "a payment without a session: it is kept unattributed"
                );
            }
            if payment.amount.is_err() {
                tracing::error!(
                    funnel = self.funnel.as_str(),
                    payment_id = payment.key.payment_id,
                    session_id,
                    "a payment whose amount can't be trusted is kept"
                );
            }
            if self.development {
                tracing::info!("Aurea tracking - anonymousId: {anonymous_id}, sessionId: {session_id}");
                if !commit.events.is_empty() {
                    tracing::info!("Tracked checkout_completed in Aurea with anonymousId: {anonymous_id}");
                    tracing::info!("Tracked session_end in Aurea");
                }
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

/// A delivery without an id is named by its body: the same body is the same delivery.
fn delivery(
    provider: &'static str,
    signed_id: Option<String>,
    notice: &Notice,
    body: &[u8],
    now: Millis,
) -> Delivery {
    let state = match notice.fact {
        Fact::Paid(_) => DeliveryState::Recorded,
        Fact::Other => DeliveryState::Ignored,
        Fact::Unparsable(_) => DeliveryState::Unparsable,
    };
    let payment_id = match &notice.fact {
        Fact::Paid(paid) => Some(paid.payment_id.clone()),
        _ => None,
    };
    let digest: Digest = Sha256::digest(body).into();
    Delivery {
        provider,
        delivery_id: signed_id
            .or_else(|| notice.message_id.clone())
            .unwrap_or_else(|| format!("sha256:{}", hex::encode(digest))),
        event_type: notice.event_type.clone(),
        state,
        body: body.to_vec(),
        digest,
        received_at: now,
        payment_id,
    }
}
