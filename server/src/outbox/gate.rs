//! How much may be sent to a destination at this moment. Pure: time comes in as an argument.
//!
//! A destination that works takes [`PLACES`] requests at once. One that fails several times in a row, refuses everything or
//! asks for silence is shut: nothing goes out but, when its time has come, one try to see whether it works again.

use super::verdict::{Ease, Verdict};
use crate::domain::Millis;

/// Requests at once.
pub const PLACES: usize = 32;

/// Of them, those kept for the newest events: a sale does not wait behind a backlog.
pub const FRESH: usize = 8;

/// Failures in a row after which the gate is shut.
const FAILURES: u32 = 5;

/// How long the gate stays shut between tries; the last stands for all further ones. Short, so that what happens after a
/// recovery goes out within seconds.
const BETWEEN_TRIES: &[Millis] = &[1000, 2000, 5000];

/// How long it stays shut when somebody has to mend something.
pub const PAUSE: Millis = 5 * 60 * 1000;

/// The gate of one destination.
#[derive(Clone, Debug)]
pub struct Gate {
    places: usize,
    failures: u32,
    shut_until: Option<Millis>,
}

/// What changed, for the log and for the rows that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It begins to fail.
    Fails,
    /// It works again.
    Works,
}

impl Default for Gate {
    fn default() -> Self {
        Self { places: PLACES, failures: 0, shut_until: None }
    }
}

impl Gate {
    /// How many more may be sent while `under_way` are.
    pub fn free(&self, under_way: usize, now: Millis) -> usize {
        match self.shut_until {
            None => self.places.saturating_sub(under_way),
            Some(until) => usize::from(until <= now && under_way == 0),
        }
    }

    /// Requests at once, as things are.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Whether nothing goes out but a try now and then.
    pub fn is_shut(&self) -> bool {
        self.shut_until.is_some()
    }

    /// When it opens for a try, if it is shut.
    pub fn opens_at(&self) -> Option<Millis> {
        self.shut_until
    }

    /// Somebody asks for a try now.
    pub fn ask(&mut self, now: Millis) {
        self.shut_until = self.shut_until.map(|until| until.min(now));
    }

    /// Hears what became of a try.
    pub fn hear(&mut self, verdict: &Verdict, now: Millis) -> Option<Turn> {
        let was_shut = self.shut_until.is_some();
        match verdict {
            Verdict::Sent | Verdict::Partly(_) | Verdict::Split(_) | Verdict::Alone(_) => {
                self.failures = 0;
                self.shut_until = None;
                self.places = (self.places + 1).min(PLACES);
            }
            Verdict::Pause(_) => self.shut(now + PAUSE),
            Verdict::Retry(_, ease) => {
                self.failures += 1;
                match ease {
                    Ease::Silence(wait) => self.shut(now + wait),
                    Ease::Fewer => self.places = (self.places / 2).max(1),
                    Ease::Nothing | Ease::Later(_) => {}
                }
                if self.failures >= FAILURES {
                    let beyond = usize::try_from(self.failures - FAILURES).unwrap_or(usize::MAX);
                    self.shut(now + BETWEEN_TRIES[beyond.min(BETWEEN_TRIES.len() - 1)]);
                }
            }
        }
        match (was_shut, self.shut_until.is_some()) {
            (false, true) => Some(Turn::Fails),
            (true, false) => Some(Turn::Works),
            _ => None,
        }
    }

    /// When it opens again, it opens slowly: what was in trouble is not met with everything at once.
    fn shut(&mut self, until: Millis) {
        self.shut_until = Some(self.shut_until.map_or(until, |already| already.max(until)));
        self.places = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(ease: Ease) -> Verdict {
        Verdict::Retry("500".into(), ease)
    }

    fn shut(verdict: &Verdict) -> Gate {
        let mut gate = Gate::default();
        while gate.hear(verdict, 0).is_none() {}
        gate
    }

    #[test]
    fn a_few_failures_in_a_row_shut_it_and_a_success_opens_it_slowly() {
        let mut gate = Gate::default();
        for _ in 1..FAILURES {
            assert_eq!(gate.hear(&failure(Ease::Nothing), 0), None);
        }
        assert_eq!(gate.free(0, 0), PLACES);
        assert_eq!(gate.hear(&failure(Ease::Nothing), 0), Some(Turn::Fails));
        assert_eq!((gate.free(0, 999), gate.free(0, 1000), gate.free(1, 1000)), (0, 1, 0));
        assert_eq!(gate.hear(&Verdict::Sent, 1000), Some(Turn::Works));
        assert_eq!(gate.free(0, 1000), 2);
    }

    #[test]
    fn a_success_between_failures_keeps_it_open() {
        let mut gate = Gate::default();
        for _ in 0..100 {
            assert_eq!(gate.hear(&failure(Ease::Nothing), 0), None);
            assert_eq!(gate.hear(&Verdict::Sent, 0), None);
        }
    }

    #[test]
    fn a_destination_that_stays_away_is_tried_every_five_seconds() {
        let mut gate = shut(&failure(Ease::Nothing));
        let mut now = 0;
        for _ in 0..1000 {
            let opens = gate.opens_at().unwrap();
            assert!(opens - now <= 5000);
            now = opens;
            gate.hear(&failure(Ease::Nothing), now);
        }
    }

    #[test]
    fn silence_is_kept_as_long_as_it_was_asked_for() {
        let mut gate = shut(&failure(Ease::Silence(60_000)));
        gate.hear(&failure(Ease::Nothing), 10); // one that was under way
        assert_eq!((gate.free(0, 59_999), gate.free(0, 60_000)), (0, 1));
    }

    #[test]
    fn too_many_at_once_halves_the_places() {
        let mut gate = Gate::default();
        gate.hear(&failure(Ease::Fewer), 0);
        assert_eq!(gate.free(0, 0), PLACES / 2);
    }

    #[test]
    fn what_is_refused_for_itself_alone_shuts_nothing() {
        let alone = Verdict::Alone("403".into());
        let mut gate = Gate::default();
        for _ in 0..100 {
            assert_eq!(gate.hear(&alone, 0), None);
        }
        assert_eq!(shut(&Verdict::Pause("401".into())).hear(&alone, PAUSE), Some(Turn::Works));
    }

    #[test]
    fn what_must_be_mended_is_looked_at_every_five_minutes_or_when_asked() {
        let mut gate = shut(&Verdict::Pause("401".into()));
        assert_eq!((gate.free(0, PAUSE - 1), gate.free(0, PAUSE)), (0, 1));
        gate.ask(7);
        assert_eq!(gate.free(0, 7), 1);
    }
}
