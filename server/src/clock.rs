//! The one place where the wall clock is read; everything below takes the time as an argument.

use crate::domain::Millis;

/// Milliseconds since 1970.
pub fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}
