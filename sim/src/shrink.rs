//! Makes a failure small: fewer faults, fewer hosts, better weather, and still the same property fails.

use crate::oracle::Failure;
use crate::plan::Cuts;
use crate::scenario::Scenario;

/// The most simulations that this may take.
const ATTEMPTS: usize = 120;

/// A failure, and what is enough to see it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What to leave out.
    pub cuts: Cuts,
    /// What does not hold then.
    pub failure: Failure,
    /// Simulations that it took.
    pub attempts: usize,
}

/// Cuts down the failure that `scenario` has with `seed` and `cuts`.
#[must_use]
pub fn shrink(scenario: &Scenario, seed: u64, cuts: &Cuts, failure: Failure) -> Shrunk {
    let mut shrinker = Shrinker { scenario, seed, best: Shrunk { cuts: cuts.clone(), failure, attempts: 0 } };
    shrinker.remove_faults();
    shrinker.remove_hosts();
    shrinker.calm();
    shrinker.remove_faults();
    shrinker.best
}

struct Shrinker<'a> {
    scenario: &'a Scenario,
    seed: u64,
    best: Shrunk,
}

impl Shrinker<'_> {
    /// Whether the same property fails with `cuts` too; if so, they are the best so far.
    fn still_fails(&mut self, cuts: Cuts) -> bool {
        if self.best.attempts == ATTEMPTS {
            return false;
        }
        self.best.attempts += 1;
        let failure = self.scenario.play(self.seed, &cuts, None).failure;
        match failure.filter(|failure| failure.property == self.best.failure.property) {
            Some(failure) => {
                self.best = Shrunk { cuts, failure, ..self.best };
                true
            }
            None => false,
        }
    }

    /// Leaves out large pieces of the list of faults first, then smaller ones.
    fn remove_faults(&mut self) {
        let all = self.scenario.plan(self.seed, &Cuts { keep: None, ..self.best.cuts.clone() }).faults.len();
        let mut keep = self.best.cuts.keep.clone().unwrap_or_else(|| (0..all).collect());
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
                if self.still_fails(Cuts { keep: Some(without.clone()), ..self.best.cuts.clone() }) {
                    keep = without;
                } else {
                    at += piece;
                }
            }
            piece /= 2;
        }
    }

    fn remove_hosts(&mut self) {
        let plan = self.scenario.plan(self.seed, &self.best.cuts);
        for responders in 1..plan.responders {
            if self.still_fails(Cuts { responders: Some(responders), ..self.best.cuts.clone() }) {
                break;
            }
        }
        for initiators in 1..plan.initiators {
            if self.still_fails(Cuts { initiators: Some(initiators), ..self.best.cuts.clone() }) {
                break;
            }
        }
    }

    fn calm(&mut self) {
        if !self.best.cuts.calm {
            self.still_fails(Cuts { calm: true, ..self.best.cuts.clone() });
        }
    }
}
