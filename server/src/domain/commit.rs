//! What one decision writes: whole or not at all.
//!
//! Every row has a key made from what it says. A row that is already there stays as it is; only what a payment did not
//! say before is filled in when a later delivery says it, and a delivery that counted for nothing counts when it comes
//! again and can be read. What follows from the ledger's entries (conversions and the
//! events that tell of them) is settled and written in the same transaction. Writing a commit twice, or two commits in
//! either order, therefore leaves the same store: repeats need no special case anywhere.

use app::event::SessionId;

use super::Millis;
use super::checkout::BegunCheckout;
use super::event::{Event, FunnelId};
use super::ledger::Entry;
use super::outbox::Listener;

/// SHA-256 of a delivery's body.
pub type Digest = [u8; 32];

/// A signed webhook request that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which provider sent it.
    pub provider: &'static str,
    /// The provider's id of the delivery; with the provider it is the key.
    pub delivery_id: String,
    /// What it says it is about (`payment.succeeded`); empty when it could not be read.
    pub event_type: String,
    /// What became of it.
    pub state: DeliveryState,
    /// Why it counts for nothing: what can't be read of it, or whose account it speaks of.
    pub why: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Of what it says; see `Provider::digest`.
    pub digest: Digest,
    /// When it arrived.
    pub received_at: Millis,
    /// The provider's id of the payment that it told of.
    pub payment_id: Option<String>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It told of a payment, which is in the ledger.
    Recorded,
    /// Authentic, of a type that changes nothing here.
    Ignored,
    /// Authentic, but not what the provider documents; kept for a person to look at.
    Unparsable,
    /// Authentic, about another account than the configured one; kept for a person to look at.
    Foreign,
}

impl DeliveryState {
    /// The states of what may have told of money and counts for nothing.
    pub const UNCOUNTED: [Self; 2] = [Self::Unparsable, Self::Foreign];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Ignored => "ignored",
            Self::Unparsable => "unparsable",
            Self::Foreign => "foreign",
        }
    }
}

/// Rows that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    /// The delivery that caused it.
    pub delivery: Option<Delivery>,
    /// Events, in the order in which their results are wanted.
    pub events: Vec<Event>,
    /// A checkout that has begun.
    pub begun: Option<BegunCheckout>,
    /// What was told about money.
    pub entries: Vec<Entry>,
    /// What an event of this commit tells about money, by its place in `events`: written only if the event is new, so that
    /// no conversion stands without the event that closes its session.
    pub told: Vec<(usize, Entry)>,
    /// Who is told of its events and of those that its entries lead to: what is new goes into the outbox in the same
    /// transaction.
    pub forward_to: Vec<Listener>,
    /// When it is made: what it has others told of waits from then on, however long ago it was received. 0 if that was just now.
    pub at: Millis,
}

/// What a commit changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// For each event of the commit, whether it was new.
    pub new_events: Vec<bool>,
    /// Events that its entries led to, those that are new.
    pub settled: Vec<Event>,
    /// Whether the delivery was new; `false` when there was none.
    pub new_delivery: bool,
    /// Whether there is a delivery with the same id and another body: that one stands, this one is kept beside it, and nothing
    /// else of the commit was written.
    pub conflict: bool,
    /// Whether deliveries of the same provider were refused since its last good one.
    pub after_refusals: bool,
    /// The sessions that are not as they were.
    pub changed: Vec<(FunnelId, SessionId)>,
}
