//! Money that goes back: refunds, the sums that charges keep of them, disputes. They know their payment by its payment
//! intent; an older API version also names the invoice.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::money;
use super::{Event, id_of};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Metadata, RefundState, Refunded, own_id, text_of,
};

/// A charge of which something was given back.
#[derive(Deserialize)]
pub(super) struct Charge<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(borrow)]
    amount_refunded: Option<&'a RawValue>,
    currency: Option<String>,
    #[serde(default)]
    payment_intent: Value,
    #[serde(default)]
    invoice: Value,
    #[serde(borrow)]
    refunds: Option<Refunds<'a>>,
    #[serde(default)]
    metadata: Value,
}

/// Not there in newer API versions.
#[derive(Deserialize)]
struct Refunds<'a> {
    #[serde(borrow, default)]
    data: Vec<Refund<'a>>,
    #[serde(default)]
    has_more: bool,
}

impl Charge<'_> {
    /// The refunds themselves where they are listed, else the sum.
    pub(super) fn refunded(&self, event: &Event<'_>) -> Result<Vec<Fact>, String> {
        let of =
            id_of(&self.invoice).or_else(|| id_of(&self.payment_intent)).unwrap_or_else(|| self.id.clone());
        let metadata = Metadata::found(|key| text_of(&self.metadata[key]));
        if let Some(refunds) =
            self.refunds.as_ref().filter(|refunds| !refunds.has_more && !refunds.data.is_empty())
        {
            let of_one = |refund: &Refund<'_>| refund.read(of.clone(), metadata.clone(), event);
            return refunds.data.iter().map(of_one).collect();
        }
        Ok(vec![Fact::Refunded(Refunded {
            refund_id: self.id.clone(),
            of,
            amount: money::amount(self.amount_refunded, self.currency.as_deref()),
            counts: Counts::AllSoFar,
            state: RefundState::Succeeded,
            at: event.at(),
            metadata,
        })])
    }
}

/// A refund.
#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    #[serde(default)]
    payment_intent: Value,
    #[serde(default)]
    charge: Value,
}

impl Refund<'_> {
    pub(super) fn refunded(&self, event: &Event<'_>) -> Result<Vec<Fact>, String> {
        let of = id_of(&self.payment_intent).or_else(|| id_of(&self.charge));
        let of = of.ok_or("data.object: a refund of no payment")?;
        Ok(vec![self.read(of, Metadata::default(), event)?])
    }

    fn read(&self, of: String, metadata: Metadata, event: &Event<'_>) -> Result<Fact, String> {
        let state = match self.status.as_deref() {
            Some("pending" | "requires_action") => RefundState::Pending,
            Some("succeeded") => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            other => return Err(format!("data.object: unknown refund status {other:?}")),
        };
        Ok(Fact::Refunded(Refunded {
            refund_id: self.id.clone(),
            of,
            amount: money::amount(self.amount, self.currency.as_deref()),
            counts: Counts::One,
            state,
            at: event.at(),
            metadata,
        }))
    }
}

/// A dispute.
#[derive(Deserialize)]
pub(super) struct Dispute<'a> {
    #[serde(deserialize_with = "own_id")]
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    #[serde(default)]
    payment_intent: Value,
    #[serde(default)]
    charge: Value,
}

impl Dispute<'_> {
    pub(super) fn disputed(&self, event: &Event<'_>) -> Result<Vec<Fact>, String> {
        let of = id_of(&self.payment_intent).or_else(|| id_of(&self.charge));
        Ok(vec![Fact::Disputed(Disputed {
            dispute_id: self.id.clone(),
            of: of.ok_or("data.object: a dispute of no payment")?,
            amount: money::amount(self.amount, self.currency.as_deref()),
            state: self.state(event)?,
            at: event.at(),
        })])
    }

    /// `warning_…` is an inquiry; what is `prevented` never became a dispute (a refund may tell of it). While an appeal
    /// runs the money is gone.
    fn state(&self, event: &Event<'_>) -> Result<DisputeState, String> {
        let withdrawn = event.r#type == "charge.dispute.funds_withdrawn";
        match self.status.as_deref() {
            Some("warning_needs_response" | "warning_under_review") if withdrawn => Ok(DisputeState::Open),
            Some("warning_needs_response" | "warning_under_review" | "prevented") => {
                Ok(DisputeState::Warning)
            }
            Some("needs_response" | "under_review") => Ok(DisputeState::Open),
            Some("won" | "warning_closed") => Ok(DisputeState::Won),
            Some("lost" | "appeal_needs_response" | "appeal_under_review") => Ok(DisputeState::Lost),
            other => Err(format!("data.object: unknown dispute status {other:?}")),
        }
    }
}
