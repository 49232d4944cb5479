//! Many seeds, on all cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::faults::Fault;
use crate::net::wire::Toll;
use crate::oracle::Failure;
use crate::plan::Cuts;
use crate::scenario::Scenario;

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Simulations that were played.
    pub played: u64,
    /// Simulated time in all.
    pub simulated: Duration,
    /// How often each kind of fault had an effect.
    pub struck: BTreeMap<&'static str, u64>,
    /// What the network did, in all.
    pub toll: Toll,
    /// The most of what the oracles measured, in thousandths.
    pub measures: BTreeMap<&'static str, u64>,
    /// Seeds with which a property did not hold, the lowest first.
    pub failures: BTreeMap<u64, Failure>,
}

impl Tally {
    /// Kinds of faults that never had an effect.
    #[must_use]
    pub fn inert(&self) -> Vec<&'static str> {
        Fault::KINDS.into_iter().filter(|kind| !self.struck.contains_key(kind)).collect()
    }

    /// Adds what came of others.
    pub fn add(&mut self, other: Self) {
        self.played += other.played;
        self.simulated += other.simulated;
        for (kind, count) in other.struck {
            *self.struck.entry(kind).or_default() += count;
        }
        self.toll.add(&other.toll);
        for (what, much) in other.measures {
            let most = self.measures.entry(what).or_default();
            *most = (*most).max(much);
        }
        self.failures.extend(other.failures);
    }
}

/// Plays `scenario` with seed after seed, from `first` on, as long as `more` says so of the next one. `told` hears of
/// each that is over.
pub fn play(
    scenario: &Scenario,
    cuts: &Cuts,
    first: u64,
    more: impl Fn(u64) -> bool + Sync,
    told: impl Fn(&Tally) + Sync,
) -> Tally {
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if !more(seed) {
            return;
        }
        let outcome = scenario.play(seed, cuts, None);
        let mut one = Tally { played: 1, simulated: outcome.elapsed, toll: outcome.toll, ..Tally::default() };
        one.struck = outcome.struck;
        one.measures = outcome.measures.into_iter().collect();
        one.failures = outcome.failure.into_iter().map(|failure| (seed, failure)).collect();
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(one);
        told(&tally);
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| _ = scope.spawn(work)));
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}
