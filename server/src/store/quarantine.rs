//! Deliveries that were refused, kept aside until a key is there that signed them. The conformance suite
//! (`tests/it/store_quarantine.rs`) holds every store to it:
//!
//! - at most [`PLACES`] are kept, each body once and none longer than [`LONGEST`]. When there is no place, the sender who has
//!   most loses the oldest: whoever floods the quarantine pushes out themselves;
//! - one goes in the commit of a delivery with the same body, whoever brought it, and after [`KEPT_FOR`];
//! - how many were refused in a row is known until a commit brings a delivery of the same provider.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::commit::Digest;
use crate::domain::{DAY, Millis};

/// Deliveries that are kept at most.
pub const PLACES: usize = 1000;

/// The longest body that is kept, bytes: no provider's delivery about one payment comes near it.
pub const LONGEST: usize = 64 * 1024;

/// How long one is kept.
pub const KEPT_FOR: Millis = 30 * DAY;

/// A delivery that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Whose it says to be.
    pub provider: &'static str,
    /// Why it was refused.
    pub why: String,
    /// When it arrived.
    pub received_at: Millis,
    /// What a key that comes later can be tried on; `None` if none could ever have signed it.
    pub evidence: Option<Evidence>,
}

/// What a signature is verified by.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Tells senders apart, and says of none who it is.
    pub sender: i64,
    /// The headers that the provider's scheme needs, by name.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Of what it says; the same is kept once.
    pub digest: Digest,
}

/// A delivery that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its place: later ones have greater ones.
    pub place: i64,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// When it arrived.
    pub received_at: Millis,
}

/// Where a provider's refusals stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Deliveries that were refused since the last good one.
    pub in_a_row: u64,
    /// When the first of them was.
    pub since: Option<Millis>,
    /// Why the last of them was.
    pub why: Option<String>,
    /// Deliveries that are kept, whenever they were refused.
    pub kept: u64,
}

/// What was refused.
#[async_trait]
pub trait QuarantineStore: Send + Sync {
    /// Counts these, keeps those that can be kept, and forgets what was kept long enough.
    async fn refuse(&self, refused: Vec<Refused>) -> Result<(), StoreError>;

    /// What is kept of a provider's in places after `after`, at most `limit`.
    async fn kept(&self, provider: &'static str, after: i64, limit: usize) -> Result<Vec<Kept>, StoreError>;

    /// Where a provider's refusals stand.
    async fn refusals(&self, provider: &'static str) -> Result<Refusals, StoreError>;
}
