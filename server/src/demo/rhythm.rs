//! When people come: by day and by week, and a little more from week to week.

use rand::Rng;

use super::Window;
use crate::domain::{DAY, Millis};

const HOUR: Millis = 60 * 60 * 1000;

/// Visits by the hour, UTC: Europe in the day, America in its evening.
const HOURS: [f64; 24] = [
    0.35, 0.25, 0.20, 0.15, 0.15, 0.20, 0.35, 0.50, 0.65, 0.75, 0.80, 0.80, 0.75, 0.80, 0.85, 0.90, 0.90,
    0.90, 0.95, 1.00, 1.00, 0.90, 0.70, 0.50,
];

/// Visits by the weekday, from Monday.
const WEEKDAYS: [f64; 7] = [0.95, 1.00, 1.00, 0.95, 0.80, 0.60, 0.75];

/// How busy the first day is beside the last.
const BEGINNING: f64 = 0.65;

/// A time in the window, busy ones more often.
pub(super) fn pick(window: Window, rng: &mut impl Rng) -> Millis {
    loop {
        let at = rng.random_range(window.from..window.until);
        if rng.random_bool(weight(at, window)) {
            return at;
        }
    }
}

#[allow(clippy::cast_precision_loss)] // ms of a few years are exact in f64
fn weight(at: Millis, window: Window) -> f64 {
    let way = (at - window.from) as f64 / (window.until - window.from) as f64;
    let growth = BEGINNING + (1.0 - BEGINNING) * way;
    let weekday = (at.div_euclid(DAY) + 3).rem_euclid(7); // 1970 began on a Thursday
    let hour = at.rem_euclid(DAY) / HOUR;
    let of = |table: &[f64], place: Millis| usize::try_from(place).map_or(1.0, |place| table[place]);
    growth * of(&WEEKDAYS, weekday) * of(&HOURS, hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn evenings_are_busier_than_nights_and_the_end_than_the_beginning() {
        let window = Window { from: 0, until: 28 * DAY };
        let mut rng = StdRng::seed_from_u64(1);
        let times: Vec<Millis> = (0..20_000).map(|_| pick(window, &mut rng)).collect();
        let count = |wanted: &dyn Fn(Millis) -> bool| times.iter().filter(|at| wanted(**at)).count();
        assert!(times.iter().all(|at| (0..28 * DAY).contains(at)));
        assert!(count(&|at| at % DAY / HOUR == 19) > 3 * count(&|at| at % DAY / HOUR == 3));
        assert!(count(&|at| at >= 21 * DAY) * 100 > count(&|at| at < 7 * DAY) * 115);
        assert!(count(&|at| (at / DAY + 3) % 7 == 1) * 100 > count(&|at| (at / DAY + 3) % 7 == 5) * 130);
    }
}
