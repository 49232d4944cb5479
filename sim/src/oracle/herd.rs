//! L9 HerdBounded: however many tunnels are lost at once, a responder is not dialled more often in a second than a few times
//! for each tunnel that it should have.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Oracle;
use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

/// Dials in a second for each tunnel: the pauses after a refused dial begin with some tens of milliseconds.
const DIALS: usize = 6;
const SECOND: Duration = Duration::from_secs(1);

/// See above.
pub(super) struct HerdBounded {
    bound: usize,
    /// Dials of the last second, by responder.
    dials: BTreeMap<Place, VecDeque<Duration>>,
    most: usize,
}

impl HerdBounded {
    pub(super) fn of(plan: &Plan) -> Self {
        let tunnels = plan.counts.iter().map(|count| usize::from((*count).max(5))).sum::<usize>();
        Self { bound: tunnels * DIALS, dials: BTreeMap::new(), most: 0 }
    }
}

impl Oracle for HerdBounded {
    fn property(&self) -> &'static str {
        "HerdBounded"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Dialled { to, .. } = fact else { return Ok(()) };
        let dials = self.dials.entry(*to).or_default();
        dials.push_back(at);
        while dials.front().is_some_and(|first| *first + SECOND <= at) {
            dials.pop_front();
        }
        self.most = self.most.max(dials.len());
        if dials.len() > self.bound {
            return Err(format!("{to} was dialled {} times in a second", dials.len()));
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        let most = u32::try_from(self.most).map_or(f64::MAX, f64::from);
        let bound = u32::try_from(self.bound).map_or(f64::MAX, f64::from);
        Some(("dials a second, share of the bound", most / bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_of_a_second_are_counted() {
        let plan = Plan { counts: vec![5], ..Plan::swarm(0) };
        let mut oracle = HerdBounded::of(&plan);
        let dial = Fact::Dialled { from: Place::Initiator(0), to: Place::Responder(0) };
        for turn in 0..90u32 {
            oracle.see(SECOND * turn / 30, &dial).expect("thirty in a second");
        }
        oracle.see(SECOND * 3 - Duration::from_millis(1), &dial).expect_err("one more");
    }
}
