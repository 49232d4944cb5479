//! L6 NoLivelock: a host that never keeps a tunnel is not dialled over and over: an initiator leaves it alone for longer and
//! longer.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Oracle;
use super::recent::Recent;
use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

const WINDOW: Duration = Duration::from_secs(10);
/// Dials in that time whatever the number of tunnels: of a host that is up but does not listen an initiator asks twice in a
/// second on average, since that is what a restart looks like.
const PROBES: usize = 40;
/// And for each tunnel that it should have: one that lived for a second was a good one, and is replaced at once.
const DIALS: usize = 10;

/// See above.
pub(super) struct NoLivelock {
    bound: usize,
    /// Their pauses are their own.
    envoys: BTreeSet<Place>,
    /// Of hosts that mean no good, by initiator.
    dials: Recent,
}

impl NoLivelock {
    pub(super) fn of(plan: &Plan) -> Self {
        // An initiator that is started again may be told to have five.
        let tunnels = plan.counts.iter().map(|count| usize::from((*count).max(5))).max().unwrap_or_default();
        Self { bound: PROBES + tunnels * DIALS, envoys: plan.envoys.clone(), dials: Recent::within(WINDOW) }
    }
}

impl Oracle for NoLivelock {
    fn property(&self) -> &'static str {
        "NoLivelock"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Dialled { from, to: Place::Stranger } = fact else { return Ok(()) };
        if self.envoys.contains(from) {
            return Ok(());
        }
        let dials = self.dials.add(at, *from);
        if dials > self.bound {
            return Err(format!("{from} dialled a host that is no good {dials} times in {WINDOW:?}"));
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        Some(("dials of a host that is no good, share of the bound", self.dials.share_of(self.bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_no_good_is_left_alone() {
        let plan = Plan { counts: vec![5], envoys: BTreeSet::new(), ..Plan::swarm(0) };
        let mut oracle = NoLivelock::of(&plan);
        let dial = |from| Fact::Dialled { from: Place::Initiator(from), to: Place::Stranger };
        for turn in 0..900u32 {
            oracle.see(WINDOW * turn / 90, &dial(0)).expect("nine in a second");
        }
        oracle.see(WINDOW * 10, &dial(1)).expect("another one");
        oracle
            .see(WINDOW * 10, &Fact::Dialled { from: Place::Initiator(0), to: Place::Responder(0) })
            .expect("a good one");
        oracle.see(WINDOW * 10 - Duration::from_millis(1), &dial(0)).expect_err("one more");
    }
}
