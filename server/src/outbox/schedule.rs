//! When a row that was not sent is tried again. Data and arithmetic; time and chance come in as arguments.

use crate::domain::{DAY, Millis};

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;

/// The longest wait after each try that failed; the last one stands for all further ones.
const WAITS: &[Millis] = &[
    SECOND,
    2 * SECOND,
    4 * SECOND,
    8 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    40 * MINUTE,
    60 * MINUTE,
];

/// A row that could not be sent for so long is parked.
const PATIENCE: Millis = 30 * DAY;

/// The longest wait after the `tries`-th try that failed, counted from 1.
fn longest(tries: u32) -> Millis {
    let place = usize::try_from(tries).unwrap_or(usize::MAX).clamp(1, WAITS.len());
    WAITS[place - 1]
}

/// How long to wait after the `tries`-th try that failed: anything up to the longest wait, so that rows which failed
/// together don't come back together. `chance` is in `0.0..1.0`.
pub fn wait(tries: u32, chance: f64) -> Millis {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // an hour of ms is exact
    let part = (longest(tries) as f64 * chance.clamp(0.0, 1.0)) as Millis;
    part.max(1)
}

/// Whether a row has been tried long enough; `driven_at` is when it was written or last driven by hand.
pub fn is_over(driven_at: Millis, now: Millis) -> bool {
    now - driven_at >= PATIENCE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_are_bounded_and_grow(tries in any::<u32>(), chance in 0.0..1.0_f64) {
            let waited = wait(tries, chance);
            prop_assert!((1..=60 * MINUTE).contains(&waited));
            prop_assert!(waited <= longest(tries), "chance only shortens");
            prop_assert!(longest(tries) <= longest(tries.saturating_add(1)));
        }

        #[test]
        fn chance_spreads_over_the_whole_wait(tries in 1_u32..40, chance in 0.0..1.0_f64) {
            #[allow(clippy::cast_precision_loss)] // an hour of ms is exact
            let (waited, longest) = (wait(tries, chance) as f64, longest(tries) as f64);
            prop_assert!((waited / longest - chance).abs() <= 0.001 + 1.0 / longest);
        }
    }

    #[test]
    fn the_first_retries_come_within_seconds_and_the_last_each_hour() {
        assert_eq!((wait(1, 1.0), wait(2, 1.0), wait(3, 1.0)), (SECOND, 2 * SECOND, 4 * SECOND));
        assert_eq!(wait(1000, 1.0), 60 * MINUTE);
    }

    #[test]
    fn a_row_is_tried_for_thirty_days() {
        assert!(!is_over(1000, 1000 + 30 * DAY - 1));
        assert!(is_over(1000, 1000 + 30 * DAY));
    }
}
