//! How the money of one payment stands: a pure function of what was told about it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Counts, Dispute, DisputeState, Refund, RefundState};
use crate::domain::Millis;
use crate::domain::money::Money;

/// How a payment stands. A dispute is said before a refund: it is what somebody must answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentState {
    /// All of the money is ours.
    #[default]
    Paid,
    /// Some of it went back.
    PartlyRefunded,
    /// All of it went back.
    Refunded,
    /// The buyer's bank asks for it, or asks about it.
    Disputed,
    /// The bank has it.
    DisputeLost,
    /// Nobody knows how much it was.
    Unclear,
}

impl PaymentState {
    /// Every state, in the order in which they are offered.
    pub const ALL: [Self; 6] =
        [Self::Paid, Self::PartlyRefunded, Self::Refunded, Self::Disputed, Self::DisputeLost, Self::Unclear];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
            Self::DisputeLost => "dispute_lost",
            Self::Unclear => "unclear",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How the money of one payment stands, in minor units of its currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// In a word.
    pub state: PaymentState,
    /// What went back to the buyer; never more than was paid.
    pub refunded: i64,
    /// What disputes that are open or lost hold back of the rest.
    pub disputed: i64,
}

impl Standing {
    /// What is left of what was paid.
    pub fn left_of(self, paid: Money) -> Money {
        Money { minor: paid.minor - self.refunded - self.disputed, ..paid }
    }
}

/// How `paid` stands after what was told about it; disputes come in the order of their states.
pub fn standing(paid: Option<Money>, refunds: &[&Refund], disputes: &[&Dispute]) -> Standing {
    let latest = latest(disputes);
    let is = |wanted: &[DisputeState]| latest.iter().any(|dispute| wanted.contains(&dispute.state));
    let Some(paid) = paid else { return Standing { state: PaymentState::Unclear, ..Standing::default() } };
    let refunded = refunded(refunds, paid);
    let withheld = withheld(&latest, paid).min(paid.minor - refunded);
    let state = match refunded {
        _ if is(&[DisputeState::Lost]) => PaymentState::DisputeLost,
        _ if is(&[DisputeState::Warning, DisputeState::Open]) => PaymentState::Disputed,
        0 => PaymentState::Paid,
        all if all == paid.minor => PaymentState::Refunded,
        _ => PaymentState::PartlyRefunded,
    };
    Standing { state, refunded, disputed: withheld }
}

/// How much of a payment went back. A provider may tell of single refunds, of their sum, or of both: whichever says more.
/// A refund that failed after it had counted stands in neither.
fn refunded(refunds: &[&Refund], paid: Money) -> i64 {
    let in_currency = |refund: &Refund| {
        let amount = refund.amount.as_ref().ok().filter(|amount| amount.currency == paid.currency);
        amount.map_or(0, |amount| amount.minor)
    };
    let failed = ids_in(RefundState::Failed, refunds);
    let undone = never_succeeded(refunds);
    let (mut single, mut sum, mut back) = (0_i64, 0_i64, 0_i64);
    for refund in refunds.iter().filter(|refund| refund.state == RefundState::Succeeded) {
        let minor = in_currency(refund);
        match refund.counts {
            Counts::AllSoFar => {
                let undone = undone.iter().filter(|undone| undone.stood_in(refund));
                let undone = undone.map(|undone| in_currency(undone.failed)).fold(0, i64::saturating_add);
                sum = sum.max(minor.saturating_sub(undone));
            }
            Counts::One if failed.contains(refund.refund_id.as_str()) => back = back.saturating_add(minor),
            Counts::One => single = single.saturating_add(minor),
        }
    }
    single.max(sum.saturating_sub(back)).clamp(0, paid.minor)
}

/// A single refund that failed and was never told to have succeeded.
struct Undone<'a> {
    failed: &'a Refund,
    /// When it was told to be pending, if it was.
    pending_at: Option<Millis>,
}

impl Undone<'_> {
    /// Whether a sum counted it while it was pending. That is how a charge counts; a sum that goes by the payment's own
    /// name is an order's, and counts only what has settled.
    fn stood_in(&self, sum: &Refund) -> bool {
        let meanwhile = self.pending_at.is_none_or(|at| at <= sum.at) && sum.at < self.failed.at;
        meanwhile && sum.refund_id != sum.of.payment_id
    }
}

fn never_succeeded<'a>(refunds: &[&'a Refund]) -> Vec<Undone<'a>> {
    let succeeded = ids_in(RefundState::Succeeded, refunds);
    let pending: BTreeMap<&str, Millis> =
        singles(RefundState::Pending, refunds).map(|refund| (refund.refund_id.as_str(), refund.at)).collect();
    singles(RefundState::Failed, refunds)
        .filter(|failed| !succeeded.contains(failed.refund_id.as_str()))
        .map(|failed| Undone { failed, pending_at: pending.get(failed.refund_id.as_str()).copied() })
        .collect()
}

/// The refunds that counted once, by themselves or within a sum.
pub(super) fn counted<'a>(refunds: &[&'a Refund]) -> BTreeSet<&'a str> {
    let sums = || refunds.iter().filter(|refund| refund.counts == Counts::AllSoFar);
    let undone = never_succeeded(refunds).into_iter().filter(|undone| sums().any(|sum| undone.stood_in(sum)));
    let mut counted = ids_in(RefundState::Succeeded, refunds);
    counted.extend(undone.map(|undone| undone.failed.refund_id.as_str()));
    counted
}

fn ids_in<'a>(state: RefundState, refunds: &[&'a Refund]) -> BTreeSet<&'a str> {
    singles(state, refunds).map(|refund| refund.refund_id.as_str()).collect()
}

/// The refunds that are told to be in `state`; sums are none.
fn singles<'a>(state: RefundState, refunds: &[&'a Refund]) -> impl Iterator<Item = &'a Refund> {
    refunds.iter().copied().filter(move |refund| refund.state == state && refund.counts == Counts::One)
}

/// Each dispute by its latest state.
fn latest<'a>(disputes: &[&'a Dispute]) -> Vec<&'a Dispute> {
    let mut latest: BTreeMap<&str, &Dispute> = BTreeMap::new();
    for dispute in disputes {
        latest
            .entry(&dispute.dispute_id)
            .and_modify(|known| *known = if dispute.state >= known.state { dispute } else { known })
            .or_insert(dispute);
    }
    latest.into_values().collect()
}

/// How much of a payment disputes hold back.
fn withheld(latest: &[&Dispute], paid: Money) -> i64 {
    let withheld = latest
        .iter()
        .filter(|dispute| dispute.state.withholds())
        .filter_map(|dispute| dispute.amount.as_ref().ok().filter(|amount| amount.currency == paid.currency));
    withheld.fold(0_i64, |sum, amount| sum.saturating_add(amount.minor)).clamp(0, paid.minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::FunnelId;
    use crate::domain::ledger::{Attribution, PaymentKey};
    use crate::domain::money::Currency;

    fn usd(minor: i64) -> Money {
        Money { minor, currency: Currency::parse("usd").unwrap() }
    }

    fn key() -> PaymentKey {
        let funnel = FunnelId::parse("ttr").unwrap();
        PaymentKey { funnel, provider: "whop".into(), payment_id: "pay_1".into() }
    }

    fn refund(minor: i64) -> Refund {
        Refund {
            refund_id: format!("r{minor}"),
            of: key(),
            amount: Ok(usd(minor)),
            counts: Counts::One,
            state: RefundState::Succeeded,
            at: 0,
            attribution: Attribution::default(),
            received_at: 0,
        }
    }

    fn dispute(id: &str, state: DisputeState) -> Dispute {
        Dispute { dispute_id: id.into(), of: key(), amount: Ok(usd(9900)), state, at: 0, received_at: 0 }
    }

    #[test]
    fn a_payment_is_what_a_person_would_call_it() {
        use DisputeState::{Lost, Open, Warning, Won};
        for (refunds, disputes, state, left) in [
            (vec![], vec![], "paid", 9900),
            (vec![1000], vec![], "partly_refunded", 8900),
            (vec![1000, 8900], vec![], "refunded", 0),
            (vec![], vec![Warning], "disputed", 9900),
            (vec![], vec![Warning, Open], "disputed", 0),
            (vec![1000], vec![Open, Won], "partly_refunded", 8900),
            (vec![], vec![Lost, Open], "dispute_lost", 0),
        ] {
            let told: Vec<Refund> = refunds.iter().copied().map(refund).collect();
            let told: Vec<&Refund> = told.iter().collect();
            let asked: Vec<Dispute> = disputes.iter().map(|state| dispute("d1", *state)).collect();
            let asked: Vec<&Dispute> = asked.iter().collect();
            let stands = standing(Some(usd(9900)), &told, &asked);
            assert_eq!((stands.state.as_str(), stands.left_of(usd(9900))), (state, usd(left)), "{refunds:?}");
        }
        assert_eq!(standing(None, &[], &[]).state, PaymentState::Unclear);
        assert_eq!(standing(Some(usd(0)), &[], &[]).state, PaymentState::Paid, "a trial costs nothing");
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in PaymentState::ALL {
            assert_eq!(PaymentState::parse(state.as_str()), Some(state));
        }
        assert_eq!(PaymentState::parse("lent"), None);
    }
}
