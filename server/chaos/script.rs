//! What the remote Aurea does with a request, and what the way there does with a connection.

use std::time::Duration;

use rand::Rng;

use crate::dice::dice;

/// What the remote does with one try of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Takes it and answers.
    Take,
    /// The same, after a while.
    TakeSlowly(Duration),
    /// Takes all events but one, for which it says this.
    TakeBut(&'static str),
    /// Takes it and breaks the answer off after so many bytes.
    TakeAndBreakOff(usize),
    /// Takes it and closes the connection instead of answering.
    TakeAndHangUp,
    /// Takes it and never answers.
    TakeAndHold,
    /// Closes the connection.
    HangUp,
    /// Answers this, with this `Retry-After`.
    Refuse(u16, Option<&'static str>),
}

impl Act {
    /// Whether its events are now known there.
    pub(crate) fn takes(self) -> bool {
        !matches!(self, Self::HangUp | Self::Refuse(..))
    }
}

/// A row is refused in this many tries at most.
const PATIENCE: u64 = 4;

/// What becomes of the `nth` try of a row, counted from 0. What would take the row apart comes before anything of it can be
/// taken: a remote that knows a key does not complain of its body.
pub(crate) fn act(seed: u64, key: &str, nth: u64) -> Act {
    if nth >= PATIENCE {
        return Act::Take;
    }
    let mut dice = dice(seed, (key, nth));
    match dice.random_range(0..10_000) {
        0..10 => Act::TakeAndHold,
        10..110 => Act::TakeAndHangUp,
        110..210 => Act::TakeAndBreakOff(dice.random_range(0..100)),
        210..510 => Act::TakeSlowly(Duration::from_millis(dice.random_range(10..1500))),
        510..610 => Act::HangUp,
        610..810 => Act::Refuse([500, 502, 504][dice.random_range(0..3)], None),
        810..815 => Act::Refuse(503, Some("1")),
        815..820 => Act::Refuse(429, Some("1")),
        820..835 => Act::Refuse(429, None),
        900..950 if nth == 0 => Act::Refuse([400, 413, 422][dice.random_range(0..3)], None),
        950..1050 if nth == 0 => Act::TakeBut("retry"),
        1050..1060 if nth == 0 => Act::TakeBut("dropped"),
        _ => Act::Take,
    }
}

/// What becomes of a connection on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    Through,
    /// Each piece comes so much later.
    Delay(Duration),
    /// A few bytes at a time.
    Drip,
    /// After so many bytes of that direction: a reset of both ends.
    Reset(Direction, usize),
    /// After so many bytes: nothing more of that direction, while the other goes on.
    HalfClose(Direction, usize),
    /// After so many bytes: nothing more of either, and no end.
    Swallow(Direction, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    There,
    Back,
}

/// The lot of the `nth` connection.
pub(crate) fn lot(seed: u64, nth: u64) -> Lot {
    let mut dice = dice(seed, ("connection", nth));
    let direction = if dice.random_bool(0.6) { Direction::There } else { Direction::Back };
    let bytes = match direction {
        Direction::There => dice.random_range(0..5000),
        Direction::Back => dice.random_range(0..1000),
    };
    match dice.random_range(0..100) {
        0..8 => Lot::Delay(Duration::from_millis(dice.random_range(1..80))),
        8..14 => Lot::Drip,
        14..24 => Lot::Reset(direction, bytes),
        24..27 => Lot::HalfClose(direction, bytes),
        27..30 => Lot::Swallow(direction, bytes),
        _ => Lot::Through,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_refused_for_ever_and_none_is_taken_apart_once_it_was_tried() {
        for row in 0..5000 {
            let key = row.to_string();
            assert_eq!(act(1, &key, PATIENCE), Act::Take);
            assert_eq!(act(1, &key, 0), act(1, &key, 0));
            for nth in 1..PATIENCE {
                let act = act(1, &key, nth);
                assert!(!matches!(act, Act::TakeBut(_) | Act::Refuse(400 | 413 | 422, _)), "{act:?}");
            }
        }
    }

    #[test]
    fn every_fault_happens_and_most_goes_well() {
        let acts: Vec<Act> = (0..50_000).map(|row| act(1, &row.to_string(), 0)).collect();
        let often = |is: fn(&Act) -> bool| acts.iter().filter(|act| is(act)).count();
        for (what, times) in [
            ("hold", often(|act| *act == Act::TakeAndHold)),
            ("break off", often(|act| matches!(act, Act::TakeAndBreakOff(_)))),
            ("hang up", often(|act| matches!(act, Act::HangUp))),
            ("429", often(|act| matches!(act, Act::Refuse(429, Some(_))))),
            ("503", often(|act| matches!(act, Act::Refuse(503, Some(_))))),
            ("400", often(|act| matches!(act, Act::Refuse(400, _)))),
            ("retry", often(|act| *act == Act::TakeBut("retry"))),
            ("dropped", often(|act| *act == Act::TakeBut("dropped"))),
        ] {
            assert!(times > 0, "{what} never happens");
        }
        assert!(often(|act| *act == Act::Take) > 40_000);
        let lots: Vec<Lot> = (0..1000).map(|nth| lot(1, nth)).collect();
        let some = |is: fn(&Lot) -> bool| lots.iter().any(is);
        assert!(
            some(|lot| *lot == Lot::Drip) && some(|lot| matches!(lot, Lot::Swallow(Direction::There, _)))
        );
        assert!(some(|lot| matches!(lot, Lot::HalfClose(..))) && some(|lot| matches!(lot, Lot::Reset(..))));
    }
}
