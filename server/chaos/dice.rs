//! Chance that a seed decides: the same question gets the same answer in every run and in every process.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A source of chance for one question.
pub(crate) fn dice(seed: u64, question: impl Hash) -> StdRng {
    StdRng::seed_from_u64(hash(&(seed, question)))
}

/// The same in every process of one build.
pub(crate) fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new(); // with fixed keys
    what.hash(&mut hasher);
    hasher.finish()
}
