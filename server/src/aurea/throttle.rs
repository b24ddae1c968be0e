//! Makes guessing slow: after a few wrong tokens an address waits, whatever it says.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::domain::Millis;

/// Wrong tokens that an address may try …
const WRONG: u32 = 10;

/// … within this time, and how long it then waits.
const WINDOW: Millis = 60_000;

/// Addresses remembered before the older ones are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts wrong tokens by address.
#[derive(Default)]
pub(super) struct Throttle {
    wrong: HashMap<IpAddr, Wrong>,
}

struct Wrong {
    count: u32,
    since: Millis,
}

impl Throttle {
    /// Whether the address may try.
    pub(super) fn allows(&self, client: IpAddr, now: Millis) -> bool {
        self.wrong.get(&client).is_none_or(|wrong| wrong.count < WRONG || now - wrong.since >= WINDOW)
    }

    /// Counts a wrong token. The window begins anew with the one that fills it, so that the wait is always whole.
    pub(super) fn failed(&mut self, client: IpAddr, now: Millis) {
        if self.wrong.len() >= REMEMBERED {
            self.wrong.retain(|_, wrong| now - wrong.since < WINDOW);
        }
        let wrong = self.wrong.entry(client).or_insert(Wrong { count: 0, since: now });
        if now - wrong.since >= WINDOW {
            *wrong = Wrong { count: 0, since: now };
        }
        wrong.count += 1;
        if wrong.count == WRONG {
            wrong.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_ten_wrong_tokens_an_address_waits_a_minute_and_others_do_not() {
        let mut throttle = Throttle::default();
        let (guesser, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for at in 0..10 {
            assert!(throttle.allows(guesser, at));
            throttle.failed(guesser, at);
        }
        assert!(!throttle.allows(guesser, 10) && !throttle.allows(guesser, 9 + WINDOW - 1));
        assert!(throttle.allows(other, 10) && throttle.allows(guesser, 9 + WINDOW));
    }

    #[test]
    fn a_slip_now_and_then_never_adds_up() {
        let mut throttle = Throttle::default();
        let owner = IpAddr::from([192, 0, 2, 1]);
        for minute in 0..100 {
            throttle.failed(owner, minute * WINDOW);
            assert!(throttle.allows(owner, minute * WINDOW + 1));
        }
    }
}
