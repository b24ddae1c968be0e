//! How often each address may do something, in memory that does not grow with the number of addresses.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Addresses remembered before those that are quiet again are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts by address.
pub struct Buckets {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    /// At so many addresses the quiet ones are looked for next.
    full_at: AtomicUsize,
}

impl Buckets {
    /// So many a second for ever, and so many at once.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self { limiter: RateLimiter::keyed(quota), full_at: AtomicUsize::new(REMEMBERED) }
    }

    /// Whether the address may do it once more.
    pub fn admit(&self, address: IpAddr) -> bool {
        if self.limiter.len() > self.full_at.load(Ordering::Relaxed) {
            self.forget_quiet_ones();
        }
        self.limiter.check_key(&address).is_ok()
    }

    /// Not again before there are twice as many as are left: however many addresses there are, each pays its share only.
    fn forget_quiet_ones(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.full_at.store(REMEMBERED.max(self.limiter.len() * 2), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn very_many_addresses_are_not_all_remembered() {
        // Each is quiet again after 10 µs, so that it is no question of how fast the machine is.
        let buckets = Buckets::new(NonZeroU32::new(100_000).unwrap(), NonZeroU32::new(120).unwrap());
        let mut most = 0;
        for number in 0..400_000 {
            assert!(buckets.admit(Ipv4Addr::from_bits(number).into()));
            most = most.max(buckets.limiter.len());
        }
        assert!(most < 100_000, "{most}");
    }
}
