//! Turns what a provider says into entries of the ledger: finds out whose money it is, and trusts no clock too far.
//! Deliveries and reconciliation both come through here.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId};

use crate::domain::commit::Commit;
use crate::domain::event::FunnelId;
use crate::domain::ledger::{
    Attribution, Dispute, Entry, Failure, Name, Payment, PaymentKey, Refund, failed_event,
};
use crate::domain::{DAY, Millis};
use crate::provider::{Disputed, Fact, Failed, Metadata, Paid, Refunded};
use crate::store::{Store, StoreError};

/// A provider's clock may be so far behind the one by which a checkout was dated.
const SKEW: Millis = 5 * 60 * 1000;

/// Writes down what providers say.
#[derive(Clone)]
pub struct Bookkeeper {
    /// Where it is written down.
    pub store: Arc<dyn Store>,
    /// The funnel that the money belongs to.
    pub funnel: FunnelId,
}

/// How a fact reached us.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// From which provider.
    pub provider: &'static str,
    /// In its own list, not by a delivery.
    pub reconciled: bool,
    /// When.
    pub at: Millis,
}

impl Bookkeeper {
    /// The commit that keeps these facts.
    pub async fn commit(&self, facts: Vec<Fact>, heard: Heard) -> Result<Commit, StoreError> {
        let mut commit = Commit::default();
        for fact in facts {
            match fact {
                Fact::Paid(paid) => commit.entries.push(Entry::Payment(self.payment(paid, heard).await?)),
                Fact::Refunded(refunded) => {
                    commit.entries.push(Entry::Refund(self.refund(refunded, heard).await?));
                }
                Fact::Disputed(disputed) => {
                    commit.entries.push(Entry::Dispute(self.dispute(disputed, heard)));
                }
                Fact::Named(named) => commit.entries.push(Entry::Name(Name {
                    of: self.key(heard.provider, named.payment_id),
                    also_known_as: named.also_known_as,
                })),
                Fact::Failed(failed) => {
                    commit.events.extend(failed_event(&self.failure(failed, heard).await?));
                }
            }
        }
        Ok(commit)
    }

    fn key(&self, provider: &str, payment_id: String) -> PaymentKey {
        PaymentKey { funnel: self.funnel.clone(), provider: provider.to_owned(), payment_id }
    }

    async fn payment(&self, paid: Paid, heard: Heard) -> Result<Payment, StoreError> {
        let paid_at = believed(paid.paid_at, heard.at);
        Ok(Payment {
            attribution: self.attribute(paid.metadata, paid_at, heard.at).await?,
            key: self.key(heard.provider, paid.payment_id),
            also_known_as: paid.also_known_as,
            subscription_id: paid.subscription_id,
            kind: paid.kind,
            amount: paid.amount,
            paid_at,
            test: paid.test,
            reconciled: heard.reconciled,
            received_at: heard.at,
        })
    }

    async fn refund(&self, refunded: Refunded, heard: Heard) -> Result<Refund, StoreError> {
        let at = believed(refunded.at, heard.at);
        Ok(Refund {
            attribution: self.attribute(refunded.metadata, at, heard.at).await?,
            refund_id: refunded.refund_id,
            of: self.key(heard.provider, refunded.of),
            amount: refunded.amount,
            counts: refunded.counts,
            state: refunded.state,
            at,
            received_at: heard.at,
        })
    }

    fn dispute(&self, disputed: Disputed, heard: Heard) -> Dispute {
        Dispute {
            dispute_id: disputed.dispute_id,
            of: self.key(heard.provider, disputed.of),
            amount: disputed.amount,
            state: disputed.state,
            at: believed(disputed.at, heard.at),
            received_at: heard.at,
        }
    }

    async fn failure(&self, failed: Failed, heard: Heard) -> Result<Failure, StoreError> {
        let at = believed(failed.at, heard.at);
        Ok(Failure {
            attribution: self.attribute(failed.metadata, at, heard.at).await?,
            key: self.key(heard.provider, failed.id),
            reason: failed.reason,
            at,
            test: failed.test,
            received_at: heard.at,
        })
    }

    /// Metadata passed through the buyer's browser: what is no id is as good as missing. With only a visitor, what happened
    /// at `at` belongs to their newest checkout of the 24 h before, else to a session named after them. It may be heard of
    /// much later, when there are newer checkouts; those that came to be known after it was heard of don't count either.
    async fn attribute(
        &self,
        metadata: Metadata,
        at: Millis,
        heard_at: Millis,
    ) -> Result<Attribution, StoreError> {
        let anonymous_id = metadata.anonymous_id.and_then(|id| AnonymousId::parse(id).ok());
        let mut session_id = metadata.session_id.and_then(|id| SessionId::parse(id).ok());
        if let (None, Some(visitor)) = (&session_id, &anonymous_id) {
            let began = at.saturating_sub(DAY)..=at.saturating_add(SKEW);
            let newest = self.store.newest_checkout(&self.funnel, visitor, began, heard_at).await?;
            session_id = newest.or_else(|| SessionId::parse(visitor.as_str()).ok());
        }
        let checkout_started_at = metadata.checkout_started_at.filter(|at| (0..=heard_at).contains(at));
        Ok(Attribution { session_id, anonymous_id, checkout_started_at })
    }
}

/// A provider's clock may be behind, but nobody pays in the future.
fn believed(at: Option<Millis>, now: Millis) -> Millis {
    at.filter(|at| (0..=now).contains(at)).unwrap_or(now)
}
