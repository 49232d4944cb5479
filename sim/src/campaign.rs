//! Plays many seeds on all cores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::faults::Fault;
use crate::net::network::NetworkStats;
use crate::oracle::Failure;
use crate::plan::Overrides;
use crate::scenario::Scenario;

/// The totals of many simulations.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Simulations that were played.
    pub played: u64,
    /// Simulated time in all.
    pub simulated: Duration,
    /// How often each kind of fault had an effect.
    pub injected: BTreeMap<&'static str, u64>,
    /// The counters of the network, summed.
    pub network_stats: NetworkStats,
    /// The largest of each measurement of the oracles, in thousandths.
    pub measures: BTreeMap<&'static str, u64>,
    /// Seeds with which a property did not hold, the lowest first.
    pub failures: BTreeMap<u64, Failure>,
}

impl Tally {
    /// Kinds of faults that never had an effect.
    #[must_use]
    pub fn inert(&self) -> Vec<&'static str> {
        Fault::KINDS.into_iter().filter(|kind| !self.injected.contains_key(kind)).collect()
    }

    /// Adds the totals of other simulations.
    pub fn add(&mut self, other: Self) {
        self.played += other.played;
        self.simulated += other.simulated;
        for (kind, count) in other.injected {
            *self.injected.entry(kind).or_default() += count;
        }
        self.network_stats.add(&other.network_stats);
        for (what, much) in other.measures {
            let most = self.measures.entry(what).or_default();
            *most = (*most).max(much);
        }
        self.failures.extend(other.failures);
    }
}

/// Plays `scenario` with seed after seed, from `first` on, while `more` accepts the next one. `report` is called after
/// each of them.
pub fn play(
    scenario: &Scenario,
    overrides: &Overrides,
    first: u64,
    more: impl Fn(u64) -> bool + Sync,
    report: impl Fn(&Tally) + Sync,
) -> Tally {
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if !more(seed) {
            return;
        }
        let outcome = scenario.play(seed, overrides, None);
        let mut one =
            Tally { played: 1, simulated: outcome.elapsed, network_stats: outcome.network_stats, ..Tally::default() };
        one.injected = outcome.injected;
        one.measures = outcome.measures.into_iter().collect();
        one.failures = outcome.failure.into_iter().map(|failure| (seed, failure)).collect();
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(one);
        report(&tally);
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..cores).for_each(|_| _ = scope.spawn(work)));
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}
