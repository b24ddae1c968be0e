//! How much memory requests' bodies may take while they are under way: whoever sends one has not been let in yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// So much of each body is free: ordinary batches and deliveries are smaller, and always get through.
const FREE: usize = 16 * 1024;

/// What a piece of a body takes beside its bytes.
const PIECE: usize = 64;

/// What all bodies share beyond that.
pub(super) struct Budget {
    size: usize,
    left: AtomicUsize,
    /// It was said that it is spent.
    told: AtomicBool,
}

/// What one body has of it; given back when this is dropped.
pub(super) struct Share {
    budget: Arc<Budget>,
    /// What the body takes, the free part included.
    taken: AtomicUsize,
}

impl Budget {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { size, left: AtomicUsize::new(size), told: AtomicBool::new(false) })
    }

    /// For one more body.
    pub(super) fn share(self: &Arc<Self>) -> Arc<Share> {
        Arc::new(Share { budget: Arc::clone(self), taken: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if !taken && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("too many large bodies are under way: those that come now are answered 503");
        }
        taken
    }

    fn give_back(&self, bytes: usize) {
        let left = self.left.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if left == self.size {
            self.told.store(false, Ordering::Relaxed);
        }
    }
}

impl Share {
    /// Takes what one more piece of the body needs; false if that is not there.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let before = self.taken.load(Ordering::Relaxed); // a body is read by one
        let after = before + bytes + PIECE;
        let enough = self.budget.take(beyond(after) - beyond(before));
        if enough {
            self.taken.store(after, Ordering::Relaxed);
        }
        enough
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(beyond(*self.taken.get_mut()));
    }
}

/// What is not free.
fn beyond(taken: usize) -> usize {
    taken.saturating_sub(FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_bodies_are_free_and_large_ones_share() {
        let budget = Budget::new(100_000);
        let (one, other) = (budget.share(), budget.share());
        assert!(one.take(FREE + 99_000 - PIECE));
        assert!(other.take(FREE - PIECE) && !other.take(1000 - PIECE + 1) && other.take(1000 - PIECE));
        assert!(budget.share().take(FREE - PIECE), "however little is left");
        drop(one);
        assert!(other.take(90_000));
        drop(other);
        assert_eq!(budget.left.load(Ordering::Relaxed), 100_000);
    }

    #[test]
    fn very_many_pieces_are_not_free() {
        let budget = Budget::new(0);
        let share = budget.share();
        let pieces = (0..FREE).take_while(|_| share.take(1)).count();
        assert_eq!(pieces, FREE / (1 + PIECE));
    }
}
