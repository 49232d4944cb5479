//! Random numbers, all from one seed.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The random numbers of one purpose in the simulation of `seed`, independent of those of other purposes. A purpose keeps
/// its first name when other things are renamed, since every draw depends on it.
#[must_use]
pub fn dice(seed: u64, purpose: &str) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    (seed, purpose).hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}

/// Draws whether something happens that has this probability in thousandths.
pub fn chance(dice: &mut fastrand::Rng, thousandths: u32) -> bool {
    dice.u32(..1000) < thousandths
}
