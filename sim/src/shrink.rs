//! Shrinks a failure: fewer faults, fewer hosts, a better network, and still the same property fails.

use crate::oracle::Failure;
use crate::plan::Overrides;
use crate::scenario::Scenario;

/// The most simulations of one shrinking.
const ATTEMPTS: usize = 120;

/// A shrunk failure.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The overrides that shrink the plan.
    pub overrides: Overrides,
    /// The failure with these.
    pub failure: Failure,
    /// Simulations that were played.
    pub attempts: usize,
}

/// Shrinks the failure that `scenario` has with `seed` and `overrides`.
#[must_use]
pub fn shrink(scenario: &Scenario, seed: u64, overrides: &Overrides, failure: Failure) -> Shrunk {
    let mut shrinker = Shrinker { scenario, seed, best: Shrunk { overrides: overrides.clone(), failure, attempts: 0 } };
    shrinker.remove_faults();
    shrinker.remove_hosts();
    shrinker.improve_network();
    shrinker.remove_faults();
    shrinker.best
}

struct Shrinker<'a> {
    scenario: &'a Scenario,
    seed: u64,
    best: Shrunk,
}

impl Shrinker<'_> {
    /// Whether the same property fails with `overrides` too; if so, they are the best so far.
    fn still_fails(&mut self, overrides: Overrides) -> bool {
        if self.best.attempts == ATTEMPTS {
            return false;
        }
        self.best.attempts += 1;
        let failure = self.scenario.play(self.seed, &overrides, None).failure;
        match failure.filter(|failure| failure.property == self.best.failure.property) {
            Some(failure) => {
                self.best = Shrunk { overrides, failure, ..self.best };
                true
            }
            None => false,
        }
    }

    /// Removes large ranges of faults first, then smaller ones.
    fn remove_faults(&mut self) {
        let all = self.scenario.plan(self.seed, &Overrides { keep: None, ..self.best.overrides.clone() }).faults.len();
        let mut keep = self.best.overrides.keep.clone().unwrap_or_else(|| (0..all).collect());
        let mut piece = keep.len().div_ceil(2);
        while piece > 0 && !keep.is_empty() {
            let mut at = 0;
            while at < keep.len() {
                let without: Vec<usize> = keep
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| !(at..at + piece).contains(place))
                    .map(|(_, fault)| *fault)
                    .collect();
                if self.still_fails(Overrides { keep: Some(without.clone()), ..self.best.overrides.clone() }) {
                    keep = without;
                } else {
                    at += piece;
                }
            }
            piece /= 2;
        }
    }

    fn remove_hosts(&mut self) {
        let plan = self.scenario.plan(self.seed, &self.best.overrides);
        for responders in 1..plan.responders {
            if self.still_fails(Overrides { responders: Some(responders), ..self.best.overrides.clone() }) {
                break;
            }
        }
        for initiators in 1..plan.initiators {
            if self.still_fails(Overrides { initiators: Some(initiators), ..self.best.overrides.clone() }) {
                break;
            }
        }
    }

    fn improve_network(&mut self) {
        if !self.best.overrides.good_network {
            self.still_fails(Overrides { good_network: true, ..self.best.overrides.clone() });
        }
    }
}
