//! Where everything is kept, behind one trait. SQLite today; the conformance suite (`tests/it/store.rs`) holds every
//! implementation to the same promises:
//!
//! - [`Store::commit`] writes a [`Commit`] whole or not at all, and answers only when it is on disk;
//! - what a commit wrote, the next read sees;
//! - a row that is already there stays as it is; only a payment's gaps are filled, and a delivery that counted for nothing
//!   counts when it comes again and can be read;
//! - a delivery whose id came before with another body is kept beside that one, and its commit writes nothing else, unless
//!   the first counted for nothing and this one is understood.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use app::event::{AnonymousId, SessionId};
use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::domain::Millis;
use crate::domain::checkout::BegunCheckout;
use crate::domain::commit::{Commit, Committed, Digest};
use crate::domain::event::{Event, FunnelId};
use crate::domain::ledger::{
    self, Conversion, Dispute, Entry, Payment, PaymentKey, PaymentKind, PaymentState, Purchase, Refund,
};
use crate::domain::money::Currency;
use crate::domain::session::State;
use crate::domain::summary::{Figures, Summary};

pub mod outbox;
pub mod quarantine;
pub mod sqlite;

/// Why the store could not do it. The store itself logs what ails it, once when it begins and once when it ends: whoever is
/// told of it need not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// More is waiting than the writer can take; try again in a moment.
    #[error("the store is busy")]
    Busy,
    /// Somebody else writes to the store and does not end; it goes on when they do.
    #[error("another program holds the store and lets nobody write")]
    Held,
    /// There is no space; it goes on when there is.
    #[error("the disk is full")]
    Full,
    /// So little space is left that what can wait is not taken.
    #[error("the disk is nearly full")]
    Scarce,
    /// The store does not do it.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store can't be used before somebody has mended it; says how.
    #[error("{0}")]
    Unusable(String),
}

/// Everything that belongs to one session.
#[derive(Clone, Debug, Default)]
pub struct SessionRecord {
    /// Its events, in no particular order: of very many only the first, and what tells of money.
    pub events: Vec<Event>,
    /// How many its timeline would show, if that are not all.
    pub events_in_all: Option<u64>,
    /// Its conversions, in no particular order.
    pub conversions: Vec<Conversion>,
    /// The checkouts that it began, oldest first.
    pub checkouts: Vec<BegunCheckout>,
}

/// Whose sessions: bots are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visitors {
    /// Those that nothing speaks against.
    #[default]
    People,
    /// Crawlers and automated browsers.
    Bots,
}

/// Which sessions are asked for; all conditions at once.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Of people or of bots.
    pub visitors: Visitors,
    /// Only this visitor's.
    pub anonymous_id: Option<AnonymousId>,
    /// Only converted ones, or only others.
    pub converted: Option<bool>,
    /// Only those that stand so.
    pub state: Option<State>,
    /// Only those from this source; `Some(None)` is direct.
    pub source: Option<Option<String>>,
    /// Only those with such an event.
    pub event: Option<String>,
    /// Only those whose last event happened then or later; that a checkout failed is not looked at.
    pub from: Option<Millis>,
    /// Only those whose last event happened earlier.
    pub before: Option<Millis>,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// The session in short.
    pub summary: Summary,
    /// Its conversions, oldest first.
    pub conversions: Vec<Conversion>,
}

impl SessionRow {
    /// Where the list goes on after it.
    pub fn cursor(&self) -> SessionCursor {
        (self.summary.marks.last_at, self.summary.session_id.clone())
    }
}

/// Which payments are asked for.
#[derive(Clone, Debug)]
pub enum PaymentFilter {
    /// Those of one session.
    OfSession(SessionId),
    /// Those of one provider that were paid then or later.
    PaidSince {
        /// Whose.
        provider: &'static str,
        /// When, ms.
        since: Millis,
    },
}

/// A payment, what happened to its money later, and the deliveries that told of it, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct PaymentRecord {
    /// The payment.
    pub payment: Payment,
    /// How its money stands.
    pub standing: ledger::Standing,
    /// When the owner said by hand whose it is, if that is how it is known.
    pub joined_at: Option<Millis>,
    /// Its refunds, in each of their states.
    pub refunds: Vec<Refund>,
    /// Its disputes, in each of their states.
    pub disputes: Vec<Dispute>,
    /// Who told of it.
    pub deliveries: Vec<ToldBy>,
}

/// A payment with all that belongs to it.
#[derive(Clone, Debug)]
pub struct PaymentFile {
    /// The payment.
    pub record: PaymentRecord,
    /// The bodies of its deliveries, in their order; of very many only the first.
    pub bodies: Vec<Vec<u8>>,
    /// The payments of its subscription, itself among them, oldest first; of very many only the first. Without what
    /// is told of them.
    pub subscription: Vec<PaymentRecord>,
}

/// Which payments a list asks for; all conditions at once.
#[derive(Clone, Debug, Default)]
pub struct PaymentQuery {
    /// Only this provider's.
    pub provider: Option<String>,
    /// Only those whose money stands so.
    pub state: Option<PaymentState>,
    /// Only first payments, or only renewals.
    pub kind: Option<PaymentKind>,
    /// Only those of a provider's test mode.
    pub tests: bool,
    /// Only those that a session is known for, or only others.
    pub attributed: Option<bool>,
    /// Only those that were paid then or later.
    pub from: Option<Millis>,
    /// Only those that were paid earlier.
    pub before: Option<Millis>,
    /// Each with its other ids, refunds, disputes and deliveries, which a list on a screen does without.
    pub in_full: bool,
}

/// Where a page of payments goes on: after this time of payment, provider and id, newest first.
pub type PaymentCursor = (Millis, String, String);

/// What came of comparing the ledger with a provider's own list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Whose list.
    pub provider: String,
    /// When.
    pub at: Millis,
    /// How many payments, refunds and disputes it had.
    pub listed: u64,
    /// What no delivery had brought and is kept now, a line each.
    pub found: Vec<String>,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// Why there was nothing to compare.
    pub fault: Option<String>,
}

/// A delivery without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldBy {
    /// The provider's id of it.
    pub delivery_id: String,
    /// What it says it is about.
    pub event_type: String,
    /// What became of it.
    pub state: String,
    /// When it arrived.
    pub received_at: Millis,
}

/// An authentic delivery that counts for nothing: it can't be read, or speaks of another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncounted {
    /// Which provider sent it.
    pub provider: String,
    /// The delivery.
    pub told: ToldBy,
    /// What can't be read of it, or whose account it speaks of; `None` if that is not known.
    pub why: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// By what a buyer who comes back is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnKey {
    /// By the hash of the token that the return URL carries.
    Token(Digest),
    /// By the session, which only the buyer's browser and the provider know.
    Session(SessionId),
}

/// How a checkout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckoutStanding {
    /// When the buy button was pressed.
    pub started_at: Millis,
    /// Whether the payment that it led to has arrived.
    pub paid: bool,
}

/// What a funnel's sessions led to; a day or source without sessions is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunnelFigures {
    /// By the day on which they began, in days since 1970, UTC.
    pub days: BTreeMap<i64, Figures>,
    /// By source, the dozen that brought most; `None` is direct.
    pub sources: BTreeMap<Option<String>, Figures>,
}

/// What the ledger adds up to, over all time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What conversions brought.
    pub revenue: Vec<Sum>,
    /// Payments that no session is known for.
    pub unattributed: Vec<Sum>,
}

/// Payments of one funnel in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The funnel.
    pub funnel: FunnelId,
    /// The currency; `None` for amounts that can't be trusted.
    pub currency: Option<Currency>,
    /// How many.
    pub payments: u64,
    /// How much, in minor units.
    pub minor: i64,
}

/// SHA-256 of a secret that is random enough not to be guessed.
pub type SecretHash = [u8; 32];

/// A session that is not as it was.
pub type Changed = (FunnelId, SessionId);

/// Where a page of sessions goes on: after this last event's time and id, newest first.
pub type SessionCursor = (Millis, SessionId);

/// The store.
#[async_trait]
pub trait Store: outbox::OutboxStore + quarantine::QuarantineStore {
    /// Writes all of it, then answers; on an error nothing of it was written.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// One session; empty if there is none. However much was posted under its id, it takes bounded time and memory.
    async fn session(&self, funnel: &FunnelId, session_id: &SessionId) -> Result<SessionRecord, StoreError>;

    /// Sessions in short as they stand at `now`, newest first, at most `limit`.
    async fn sessions(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        limit: usize,
        now: Millis,
    ) -> Result<Vec<SessionRow>, StoreError>;

    /// What the sessions that began on the days `first` to `last` led to.
    async fn figures(&self, funnel: &FunnelId, first: i64, last: i64) -> Result<FunnelFigures, StoreError>;

    /// Every funnel that has sessions.
    async fn funnels(&self) -> Result<Vec<FunnelId>, StoreError>;

    /// The session of the visitor's newest checkout that `began` then, as it was known at `known_at`.
    async fn newest_checkout(
        &self,
        funnel: &FunnelId,
        visitor: &AnonymousId,
        began: RangeInclusive<Millis>,
        known_at: Millis,
    ) -> Result<Option<SessionId>, StoreError>;

    /// How the newest checkout stands that goes by this key; `None` if there is none.
    async fn checkout_standing(
        &self,
        funnel: &FunnelId,
        key: &ReturnKey,
    ) -> Result<Option<CheckoutStanding>, StoreError>;

    /// Payments, newest first, at most `limit`.
    async fn payments(
        &self,
        funnel: &FunnelId,
        filter: PaymentFilter,
        limit: usize,
    ) -> Result<Vec<PaymentRecord>, StoreError>;

    /// A page of payments, newest first, at most `limit`.
    async fn payments_page(
        &self,
        funnel: &FunnelId,
        query: &PaymentQuery,
        after: Option<PaymentCursor>,
        limit: usize,
    ) -> Result<Vec<PaymentRecord>, StoreError>;

    /// One payment with all that belongs to it.
    async fn payment(&self, key: &PaymentKey) -> Result<Option<PaymentFile>, StoreError>;

    /// Providers that have payments in the funnel.
    async fn payment_providers(&self, funnel: &FunnelId) -> Result<Vec<String>, StoreError>;

    /// Sessions that began a checkout from `since` to `by` and have not converted, newest first, at most `limit`.
    async fn unpaid(
        &self,
        funnel: &FunnelId,
        since: Millis,
        by: Millis,
        limit: usize,
    ) -> Result<Vec<SessionRow>, StoreError>;

    /// Remembers what came of a comparison, in the place of that provider's last one.
    async fn set_compared(&self, compared: Compared) -> Result<(), StoreError>;

    /// What came of the last comparison with each provider that was asked.
    async fn compared(&self) -> Result<Vec<Compared>, StoreError>;

    /// Everything that was told about a payment, by any of its names, and about those that belong together with it.
    async fn purchase(&self, about: &PaymentKey) -> Result<Purchase, StoreError>;

    /// Refunds and disputes whose payment is not known, newest first, at most `limit` of each.
    async fn unjoined(&self, funnel: &FunnelId, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Authentic deliveries that count for nothing: those that can't be read, then those of another account, newest first,
    /// at most `limit` of each.
    async fn uncounted(&self, limit: usize) -> Result<Vec<Uncounted>, StoreError>;

    /// What the ledger adds up to.
    async fn totals(&self) -> Result<Totals, StoreError>;

    /// How many writes wait for the writer.
    fn waiting(&self) -> usize;

    /// Tells of every session that a commit changes, from now on. Who listens too slowly misses some.
    fn changes(&self) -> broadcast::Receiver<Changed>;

    /// Random, made with the store and never another: tells it from every other.
    async fn identity(&self) -> Result<String, StoreError>;

    /// Hash of the owner's token, if one was ever set.
    async fn admin_token(&self) -> Result<Option<SecretHash>, StoreError>;

    /// Sets the owner's token; a new one ends every login.
    async fn set_admin_token(&self, hash: SecretHash) -> Result<(), StoreError>;

    /// Remembers a login until `expires_at`, and forgets those that have expired.
    async fn add_login(&self, hash: SecretHash, expires_at: Millis, now: Millis) -> Result<(), StoreError>;

    /// Whether there is such a login.
    async fn has_login(&self, hash: SecretHash, now: Millis) -> Result<bool, StoreError>;

    /// Ends a login.
    async fn remove_login(&self, hash: SecretHash) -> Result<(), StoreError>;

    /// Whether it can be read and written; what ails it, if not.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Whether space is so scarce that what can wait should: the rest is for what tells of money.
    fn scarce(&self) -> bool;
}
