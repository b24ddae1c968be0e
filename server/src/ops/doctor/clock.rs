//! Whether our clock agrees with the others': signed deliveries are refused beyond five minutes.

use super::Check;
use crate::domain::Millis;

const NOTICEABLE: Millis = 30_000;
const REFUSED: Millis = 300_000;

/// `offset` is how far another's clock is ahead of ours, ms.
pub(super) fn check(offset: Option<Millis>) -> Check {
    let Some(offset) = offset else {
        return Check::skipped("clock", "nobody answered to compare it with");
    };
    let mend = "let the machine keep its time by NTP: timedatectl set-ntp true";
    let direction = if offset > 0 { "behind" } else { "ahead" };
    let by = offset.unsigned_abs() / 1000;
    if offset.abs() <= NOTICEABLE {
        Check::ok("clock", "it agrees with the others'")
    } else if offset.abs() <= REFUSED {
        Check::warn("clock", format!("it is {by} s {direction}"), mend)
    } else {
        let message = format!("it is {by} s {direction}: beyond 300 s every signed delivery is refused");
        Check::fail("clock", message, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_clock_is_judged_both_ways() {
        for (offset, status) in [
            (Some(0), Status::Ok),
            (Some(-30_000), Status::Ok),
            (Some(31_000), Status::Warn),
            (Some(-300_000), Status::Warn),
            (Some(301_000), Status::Fail),
            (Some(-3_600_000), Status::Fail),
            (None, Status::Skipped),
        ] {
            assert_eq!(check(offset).status, status, "{offset:?}");
        }
    }
}
