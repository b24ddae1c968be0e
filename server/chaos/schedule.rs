//! What is done to the program, and when.

use std::time::Duration;

use rand::Rng;

use crate::dice::dice;

/// Something that is done to the program after a time in which it was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blow {
    pub(crate) after: Duration,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGTERM: it is asked to stop.
    Stop,
    /// SIGSTOP, and SIGCONT after this time.
    Freeze(Duration),
}

/// The blows, without end.
pub(crate) fn blows(seed: u64, between: (Duration, Duration)) -> impl Iterator<Item = Blow> {
    let mut dice = dice(seed, "blows");
    std::iter::from_fn(move || {
        let after = dice.random_range(between.0..between.1);
        let kind = match dice.random_range(0..100) {
            0..90 => Kind::Kill,
            90..95 => Kind::Stop,
            _ => Kind::Freeze(Duration::from_millis(dice.random_range(100..3000))),
        };
        Some(Blow { after, kind })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BETWEEN_BLOWS;

    #[test]
    fn twenty_minutes_hold_two_hundred_kills_whatever_the_seed() {
        let a_start = Duration::from_millis(2500); // on average: the file grows, and is looked through each time
        for seed in 0..100 {
            let mut time = Duration::ZERO;
            let until_then = blows(seed, BETWEEN_BLOWS).take_while(|blow| {
                time += blow.after + a_start;
                time < Duration::from_mins(20)
            });
            let kills = until_then.filter(|blow| blow.kind == Kind::Kill).count();
            assert!(kills >= 200, "seed {seed}: {kills}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_blows_again_and_every_kind_of_them() {
        let some = |seed| blows(seed, BETWEEN_BLOWS).take(200).collect::<Vec<_>>();
        assert_eq!(some(1), some(1));
        assert_ne!(some(1), some(2));
        let has = |is: fn(Kind) -> bool| some(1).iter().any(|blow| is(blow.kind));
        assert!(has(|kind| kind == Kind::Stop) && has(|kind| matches!(kind, Kind::Freeze(_))));
    }
}
