//! Chance, all of it from one seed.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Dice for one purpose of the simulation of `seed`: what one purpose draws changes nothing for the others.
#[must_use]
pub fn dice(seed: u64, purpose: &str) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    (seed, purpose).hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}

/// Whether something happens that happens in so many of a thousand cases.
pub fn chance(dice: &mut fastrand::Rng, thousandths: u32) -> bool {
    dice.u32(..1000) < thousandths
}
