//! The one place where the wall clock is read; everything below takes the time as an argument, or a [`Clock`] if it waits.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::Millis;

/// Milliseconds since 1970.
pub fn now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// Tells the time to what must wait for a time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now(&self) -> Millis;

    /// Ends when it is `at`, or somewhat earlier: who waits looks again.
    async fn until(&self, at: Millis);
}

/// The machine's clock.
pub struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Millis {
        now()
    }

    /// In short pieces, so that a clock that is set makes nobody wait for hours.
    async fn until(&self, at: Millis) {
        let left = u64::try_from(at.saturating_sub(now())).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
    }
}
