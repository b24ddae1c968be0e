//! The rules: pure functions over plain values. No I/O, no async, no clock; time and ids come in as arguments.

pub mod attribution;
pub mod checkout;
pub mod commit;
pub mod event;
pub mod ledger;
pub mod money;
pub mod outbox;
pub mod session;
pub mod size;
pub mod summary;

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// One day in ms.
pub const DAY: Millis = 24 * 60 * 60 * 1000;
