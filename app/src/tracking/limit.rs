//! How much a page's own script may tell.
//!
//! Promises: at most 100 events at once, after that 10 in a second, and 1,000 in one page. A page that has gone mad (a
//! loop around `trackEvent`) then costs neither its visitor nor the server much.

/// Most events at once.
pub const BURST: u64 = 100;
/// After a burst there may be one event in this time, ms.
pub const PACE_MS: u64 = 100;
/// Most events of one page.
pub const PER_PAGE: u32 = 1000;

/// What one page has told so far.
#[derive(Debug, Default)]
pub struct Limit {
    told: u32,
    /// When all that was told would have been told at that pace, ms.
    paced_until: u64,
    /// Events that were turned away.
    pub refused: u32,
}

impl Limit {
    /// Whether one more event may be told at `now`.
    pub fn allows(&mut self, now: u64) -> bool {
        let longest = now + BURST * PACE_MS;
        self.paced_until = self.paced_until.clamp(now, longest); // a clock that was set back costs one burst, no more
        let allowed = self.told < PER_PAGE && self.paced_until + PACE_MS <= longest;
        if allowed {
            self.told += 1;
            self.paced_until += PACE_MS;
        } else {
            self.refused += 1;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(limit: &mut Limit, tries: u32, now: u64) -> usize {
        (0..tries).filter(|_| limit.allows(now)).count()
    }

    #[test]
    fn a_loop_tells_a_hundred_events_and_then_ten_in_a_second() {
        let mut limit = Limit::default();
        assert_eq!(allowed(&mut limit, 1000, 5000), 100);
        assert_eq!(limit.refused, 900);
        assert_eq!(allowed(&mut limit, 1000, 5099), 0);
        assert_eq!(allowed(&mut limit, 1000, 6000), 10);
    }

    #[test]
    fn a_page_tells_a_thousand_events_in_all() {
        let mut limit = Limit::default();
        let told: usize = (0..1000).map(|minute| allowed(&mut limit, 50, minute * 60_000)).sum();
        assert_eq!(told, 1000);
    }

    #[test]
    fn an_ordinary_page_is_never_stopped() {
        let mut limit = Limit::default();
        assert!((0..500).all(|n| limit.allows(n * 250)));
        assert_eq!(limit.refused, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody_for_long() {
        let mut limit = Limit::default();
        assert!(limit.allows(1_000_000));
        assert!(!limit.allows(0));
        assert!(limit.allows(100));
    }
}
