//! How many connections may be open, in all and from one household.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the open connections.
pub(super) struct Places {
    in_all: usize,
    per_household: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_household: HashMap<IpAddr, usize>,
}

/// One open connection's place; free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    household: Option<IpAddr>,
}

impl Places {
    pub(super) fn new(in_all: usize, per_household: usize) -> Arc<Self> {
        Arc::new(Self { in_all, per_household, taken: Mutex::default() })
    }

    /// A place, if one is free. Without a `household` only the connections in all are counted.
    pub(super) fn take(self: &Arc<Self>, household: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.in_all >= self.in_all {
            return None;
        }
        if let Some(household) = household {
            let here = taken.by_household.entry(household).or_default();
            if *here >= self.per_household {
                return None;
            }
            *here += 1;
        }
        taken.in_all += 1;
        Some(Place { places: Arc::clone(self), household })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether more than half of the places are taken.
    pub(super) fn crowded(&self) -> bool {
        self.places.taken().in_all > self.places.in_all / 2
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.in_all -= 1;
        let Some(household) = self.household else { return };
        if let Some(here) = taken.by_household.get_mut(&household) {
            *here -= 1;
            if *here == 0 {
                taken.by_household.remove(&household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)));

    #[test]
    fn a_household_takes_its_places_and_no_more_and_others_are_not_held_up() {
        let places = Places::new(10, 2);
        let (first, _second) = (places.take(ONE).unwrap(), places.take(ONE).unwrap());
        assert!(places.take(ONE).is_none());
        assert!(places.take(OTHER).is_some());
        drop(first);
        assert!(places.take(ONE).is_some());
    }

    #[test]
    fn all_places_together_are_limited_and_whoever_left_is_forgotten() {
        let places = Places::new(3, 3);
        let held = [places.take(None).unwrap(), places.take(None).unwrap(), places.take(ONE).unwrap()];
        assert!(held[0].crowded());
        assert!(places.take(None).is_none() && places.take(OTHER).is_none());
        drop(held);
        let alone = places.take(None).unwrap();
        assert!(!alone.crowded());
        assert!(places.taken().by_household.is_empty());
    }
}
