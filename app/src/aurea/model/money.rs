//! What the screens of money show: payments, what went back of them, and who told of it.

use super::{Amount, SessionItem, Touch};

/// How the money of a payment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentState {
    /// All of it is ours.
    #[default]
    Paid,
    /// Some of it went back.
    PartlyRefunded,
    /// All of it went back.
    Refunded,
    /// The buyer's bank asks for it.
    Disputed,
    /// The bank has it.
    DisputeLost,
    /// Nobody knows how much it was.
    Unclear,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a mark of its own, and any may stand beside any
pub struct PaymentItem {
    /// Who took it.
    pub provider: String,
    /// The provider's id.
    pub payment_id: String,
    /// Whether it is a later period of a subscription.
    pub renewal: bool,
    /// How much; `Err` says why the amount can't be trusted. `Ok(None)`: not said.
    pub amount: Result<Option<Amount>, String>,
    /// What is left of it after refunds and disputes.
    pub net: Option<Amount>,
    /// How its money stands.
    pub state: PaymentState,
    /// Whether it is the provider's test mode's: no money moved.
    pub test: bool,
    /// Whether it was found in the provider's own list, and no delivery brought it.
    pub reconciled: bool,
    /// When the owner said by hand whose it is.
    pub joined_at: Option<i64>,
    /// When it was paid.
    pub paid_at: i64,
    /// Its session, if one is known.
    pub session_id: Option<String>,
    /// The deliveries that told of it, oldest first.
    pub deliveries: Vec<DeliveryItem>,
    /// Whether somebody with a key told of it: their ledger keeps its payment, and there is no page for it here.
    pub elsewhere: bool,
}

/// One delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryItem {
    /// The provider's id of it.
    pub delivery_id: String,
    /// What it says it is about. Untrusted text.
    pub event_type: String,
    /// `recorded`, `ignored`, `unparsable` or `foreign`.
    pub state: String,
    /// When it arrived.
    pub received_at: i64,
    /// What it said, where that is shown.
    pub body: Option<Body>,
}

/// What a delivery said, without what is nobody's business. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it is shown.
    pub text: String,
    /// Whether it could be read as JSON, so that what is private could be left out.
    pub readable: bool,
    /// Whether there is more of it.
    pub cut: bool,
}

/// What the owner asks the list of payments for, as it stands in the URL's query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentsFilter {
    /// `state`: a state, `renewal`, `test`, or empty.
    pub state: String,
    /// `provider`: its name; empty for all.
    pub provider: String,
    /// `session`: `with`, `without` or empty.
    pub session: String,
    /// `from`: `YYYY-MM-DD`, UTC; payments that are not older.
    pub from: String,
    /// `to`: `YYYY-MM-DD`, UTC, that day included.
    pub to: String,
}

/// `/aurea/funnels/{funnel}/payments`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentsPage {
    /// The funnel.
    pub funnel: String,
    /// What was asked for.
    pub filter: PaymentsFilter,
    /// What is wrong with it, in words; then nothing is listed.
    pub fault: Option<String>,
    /// The payments, newest first.
    pub payments: Vec<PaymentItem>,
    /// The cursor of the next page, for the URL's `cursor`.
    pub next_cursor: Option<String>,
    /// Whether this is not the first page.
    pub continued: bool,
    /// Providers to choose from.
    pub providers: Vec<String>,
    /// Whether the funnel has any payment at all.
    pub any: bool,
    /// Refunds and disputes whose payment is not known.
    pub unjoined: Vec<UnjoinedItem>,
    /// The newest deliveries that count for nothing, those that can't be read first.
    pub uncounted: Vec<UncountedItem>,
    /// What came of the last comparison with each provider's own list.
    pub compared: Vec<Compared>,
}

/// What came of comparing the ledger with a provider's own list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Whose list.
    pub provider: String,
    /// When.
    pub at: i64,
    /// How many payments, refunds and disputes it had.
    pub listed: u64,
    /// How much was found that no delivery had brought.
    pub found: u64,
    /// What that was, a line each, the first of them. Untrusted text.
    pub found_lines: Vec<String>,
    /// How much differs.
    pub differs: u64,
    /// What that is, a line each, the first of them. Untrusted text.
    pub differences: Vec<String>,
    /// Why there was nothing to compare.
    pub fault: Option<String>,
}

/// What happened to money later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Later {
    /// A refund.
    #[default]
    Refund,
    /// All that was refunded so far.
    Refunds,
    /// A dispute.
    Dispute,
}

/// A refund or dispute as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterItem {
    /// Which of them.
    pub what: Later,
    /// The provider's id of it.
    pub id: String,
    /// How much, or why that is not known.
    pub amount: Result<Amount, String>,
    /// `pending`, `succeeded`, `failed`; `warning`, `open`, `won`, `lost`.
    pub state: String,
    /// When that was told.
    pub at: i64,
}

/// A refund or dispute whose payment is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnjoinedItem {
    /// Who told of it.
    pub provider: String,
    /// The payment that it names.
    pub payment_id: String,
    /// What it is.
    pub later: LaterItem,
}

/// An authentic delivery that counts for nothing: it can't be read, or speaks of another account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UncountedItem {
    /// Who sent it.
    pub provider: String,
    /// What can't be read of it, or whose account it speaks of. Untrusted text.
    pub why: Option<String>,
    /// The delivery, with its body.
    pub delivery: DeliveryItem,
}

/// A session that may have led to a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The session in short.
    pub item: SessionItem,
    /// When it went to the checkout.
    pub checkout_at: i64,
}

/// What a click on a payment's page did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was joined to its session.
    Joined,
    /// Its events are told once more.
    Sent {
        /// Requests that were written.
        new: u32,
        /// Requests that had been given up and are tried again.
        woken: u32,
        /// Requests that wait anyhow.
        waiting: u32,
    },
}

/// `/aurea/funnels/{funnel}/payments/{provider}/{paymentId}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPage {
    /// The funnel.
    pub funnel: String,
    /// The payment in short.
    pub item: PaymentItem,
    /// What went back, of what it was.
    pub refunded: Option<Amount>,
    /// What disputes hold back.
    pub disputed: Option<Amount>,
    /// Refunds and disputes, each as it stands last, oldest first.
    pub later: Vec<LaterItem>,
    /// Other ids by which it is known.
    pub names: Vec<String>,
    /// Its subscription.
    pub subscription_id: Option<String>,
    /// The other payments of its subscription, oldest first.
    pub siblings: Vec<PaymentItem>,
    /// Its session, and how that came.
    pub session: Option<(SessionItem, Touch)>,
    /// Sessions that may have led to it, the newest checkout first.
    pub candidates: Vec<Candidate>,
    /// Hosts that are told of what happens.
    pub told: Vec<String>,
    /// What the click did that led here.
    pub done: Option<Done>,
    /// What was asked for by hand and refused: what was typed, and why.
    pub refused: Option<(String, String)>,
}
