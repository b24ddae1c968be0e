//! The ledger: payments, the conversions they make, and what happens to their money later.
//!
//! What is told about money ([`Entry`]) is kept as rows whose keys are what they say: a repeat is nothing, and no row
//! overtakes another. Everything else follows from the SET of them: [`settle`] says which conversions there are, what is
//! left of each and which events tell of it, so that any order and repetition of what is told ends in the same ledger.
//! A refund or dispute that comes before its payment waits, and joins it by any of the payment's names.

use app::event::{AnonymousId, SessionId};

use super::Millis;
use super::event::FunnelId;
use super::money::Money;

mod keyed;
mod settle;
mod standing;

pub use keyed::{amount_in, entry_of_keyed_event};
pub use settle::{Purchase, Settled, failed_event, id_of_end, settle};
pub use standing::{PaymentState, Standing, standing};

/// Which payment: the key of everything in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentKey {
    /// The funnel.
    pub funnel: FunnelId,
    /// The provider (`whop`), or the `source` of a keyed event.
    pub provider: String,
    /// The provider's id of the payment or order.
    pub payment_id: String,
}

/// One thing that was told about money.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Money came in.
    Payment(Payment),
    /// Money went back, or is about to.
    Refund(Refund),
    /// The buyer's bank asks for the money back.
    Dispute(Dispute),
    /// A conversion that somebody with a key tells of: their ledger keeps its payment.
    Conversion(Conversion),
    /// One more name of a payment, which may come later.
    Name(Name),
    /// The owner says by hand whose a payment was.
    Joined(Joined),
}

impl Entry {
    /// The payment that it is about, by any of its names.
    pub fn about(&self) -> &PaymentKey {
        match self {
            Self::Payment(payment) => &payment.key,
            Self::Refund(refund) => &refund.of,
            Self::Dispute(dispute) => &dispute.of,
            Self::Conversion(conversion) => &conversion.key,
            Self::Name(name) => &name.of,
            Self::Joined(joined) => &joined.of,
        }
    }
}

/// What a payment is in the life of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentKind {
    /// The first money of a purchase: it converts, also if it is 0 (a trial).
    First,
    /// A later period of a subscription: it never converts.
    Renewal,
}

impl PaymentKind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Renewal => "renewal",
        }
    }
}

/// What a refund's amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// This refund alone.
    One,
    /// Everything that was given back of the payment so far.
    AllSoFar,
}

impl Counts {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::AllSoFar => "all_so_far",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::One, Self::AllSoFar].into_iter().find(|counts| counts.as_str() == text)
    }
}

/// Where a refund stands. A later state is never overtaken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundState {
    /// Not settled: it counts for nothing yet.
    Pending,
    /// The money went back.
    Succeeded,
    /// It did not, after all.
    Failed,
}

impl RefundState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Succeeded, Self::Failed].into_iter().find(|state| state.as_str() == text)
    }
}

/// Where a dispute stands. A later state is never overtaken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    /// A question of the bank's; no money is withheld.
    Warning,
    /// The money is withheld.
    Open,
    /// The money is ours again.
    Won,
    /// The money is gone.
    Lost,
}

impl DisputeState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Warning, Self::Open, Self::Won, Self::Lost].into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the money is not ours while it stands so.
    pub fn withholds(self) -> bool {
        matches!(self, Self::Open | Self::Lost)
    }
}

/// Whose purchase it was, as far as the checkout's metadata tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The session; without it the payment is unattributed.
    pub session_id: Option<SessionId>,
    /// The visitor.
    pub anonymous_id: Option<AnonymousId>,
    /// When the buy button was pressed.
    pub checkout_started_at: Option<Millis>,
}

/// What deliveries tell about one piece of money.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// Which one.
    pub key: PaymentKey,
    /// Other ids by which refunds and disputes name it.
    pub also_known_as: Vec<String>,
    /// What the payments of one subscription share.
    pub subscription_id: Option<String>,
    /// First or renewal.
    pub kind: PaymentKind,
    /// How much; the reason in words when the amount can't be trusted. Such a payment is kept and never converts.
    pub amount: Result<Money, String>,
    /// When it was paid by the provider's clock, else when it was received.
    pub paid_at: Millis,
    /// The provider's test mode: it converts, and is neither revenue nor told to anybody.
    pub test: bool,
    /// No delivery brought it: it was found in the provider's own list.
    pub reconciled: bool,
    /// Whose it was.
    pub attribution: Attribution,
    /// When it was received.
    pub received_at: Millis,
}

impl Payment {
    /// Whether a refund or dispute of that id is one of this payment.
    pub fn is_known_as(&self, id: &str) -> bool {
        self.key.payment_id == id || self.also_known_as.iter().any(|known| known == id)
    }

    /// Whether another telling of this payment fills no gap.
    fn says_all_of(&self, other: &Self) -> bool {
        fills_no_gap(&other.amount, &self.amount)
            && (self.attribution.session_id.is_some() || other.attribution.session_id.is_none())
            && (self.subscription_id.is_some() || other.subscription_id.is_none())
            && other.also_known_as.iter().all(|id| self.is_known_as(id))
    }
}

/// Whether what is told of an amount says no more than what is known of it.
fn fills_no_gap(told: &Result<Money, String>, known: &Result<Money, String>) -> bool {
    known.is_ok() || told.is_err()
}

/// A refund in one of its states.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// The provider's id of it; of a sum, of what it is the sum.
    pub refund_id: String,
    /// The payment, by any of its names.
    pub of: PaymentKey,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// What the amount counts.
    pub counts: Counts,
    /// Where it stands.
    pub state: RefundState,
    /// When, by the provider's clock, else when it was received.
    pub at: Millis,
    /// Whose purchase it was, where a refund says so.
    pub attribution: Attribution,
    /// When it was received.
    pub received_at: Millis,
}

/// One more name of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The payment.
    pub of: PaymentKey,
    /// How it is also known.
    pub also_known_as: String,
}

/// Whose a payment was, as the owner says who looked at it. It changes nothing where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The payment.
    pub of: PaymentKey,
    /// Whose it was.
    pub attribution: Attribution,
    /// When the owner said so.
    pub at: Millis,
}

/// A dispute in one of its states.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispute {
    /// The provider's id of it.
    pub dispute_id: String,
    /// The payment, by any of its names.
    pub of: PaymentKey,
    /// How much, or why that is not known.
    pub amount: Result<Money, String>,
    /// Where it stands.
    pub state: DisputeState,
    /// When, by the provider's clock, else when it was received.
    pub at: Millis,
    /// When it was received.
    pub received_at: Millis,
}

/// A payment that did not come about.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The provider's id of the payment or checkout.
    pub key: PaymentKey,
    /// Why, in a word of the provider's.
    pub reason: String,
    /// When, by the provider's clock, else when it was received.
    pub at: Millis,
    /// The provider's test mode: it is told to nobody.
    pub test: bool,
    /// Whose checkout it was.
    pub attribution: Attribution,
    /// When it was received.
    pub received_at: Millis,
}

/// The one first payment that a checkout led to, and what happened to its money later.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// Which payment.
    pub key: PaymentKey,
    /// `purchase`, or what a keyed event says.
    pub conversion_type: String,
    /// How much; absent when a keyed event does not say.
    pub amount: Option<Money>,
    /// When.
    pub converted_at: Millis,
    /// The session that converted; without it the conversion is unattributed.
    pub session_id: Option<SessionId>,
    /// The visitor.
    pub anonymous_id: Option<AnonymousId>,
    /// The provider's test mode: no money moved.
    pub test: bool,
    /// What happened to its money later.
    pub later: Later,
}

/// What happened to a conversion's money later, in minor units of the conversion's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Later {
    /// How often the subscription was renewed.
    pub renewals: u32,
    /// What the renewals brought.
    pub renewed: i64,
    /// What went back to the buyer; of each payment never more than it was.
    pub refunded: i64,
    /// What disputes that are open or lost hold back of the rest.
    pub disputed: i64,
}

impl Conversion {
    /// All that came in by it.
    pub fn earned(&self) -> Option<Money> {
        self.with(self.later.renewed)
    }

    /// What is left of it.
    pub fn net(&self) -> Option<Money> {
        self.with(self.later.renewed - self.later.refunded - self.later.disputed)
    }

    fn with(&self, more: i64) -> Option<Money> {
        self.amount.map(|money| Money { minor: money.minor.saturating_add(more), ..money })
    }
}

/// The type of a conversion that says none.
pub const PURCHASE: &str = "purchase";

/// What conversions brought, `of` each, one sum for each currency in the order in which the currencies came first. The
/// first is what a session is said to be worth; currencies are never added together, and tests are worth nothing.
pub fn totals(conversions: &[Conversion], of: impl Fn(&Conversion) -> Option<Money>) -> Vec<Money> {
    let mut sums: Vec<Money> = Vec::new();
    for conversion in conversions {
        if let Some(money) = of(conversion) {
            Money { minor: if conversion.test { 0 } else { money.minor }, ..money }.add_to(&mut sums);
        }
    }
    sums
}

/// Puts conversions into the order in which they count, each once.
pub fn sort(conversions: &mut Vec<Conversion>) {
    conversions.sort_by(|a, b| (a.converted_at, &a.key).cmp(&(b.converted_at, &b.key)));
    conversions.dedup_by(|a, b| a.key == b.key);
}
