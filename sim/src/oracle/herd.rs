//! L9 HerdBounded: however many tunnels are lost at once, a responder is not dialled more often in a second than a few times
//! for each tunnel that it should have.

use std::time::Duration;

use super::Oracle;
use super::recent::Recent;
use crate::history::Fact;
use crate::plan::Plan;

/// Dials in a second for each tunnel: the pauses after a refused dial begin with some tens of milliseconds.
const DIALS: usize = 6;
const SECOND: Duration = Duration::from_secs(1);

/// See above.
pub(super) struct HerdBounded {
    bound: usize,
    /// By responder.
    dials: Recent,
}

impl HerdBounded {
    pub(super) fn of(plan: &Plan) -> Self {
        let tunnels = plan.counts.iter().map(|count| usize::from((*count).max(5))).sum::<usize>();
        Self { bound: tunnels * DIALS, dials: Recent::within(SECOND) }
    }
}

impl Oracle for HerdBounded {
    fn property(&self) -> &'static str {
        "HerdBounded"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Dialled { to, .. } = fact else { return Ok(()) };
        let dials = self.dials.add(at, *to);
        if dials > self.bound {
            return Err(format!("{to} was dialled {dials} times in a second"));
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        Some(("dials a second, share of the bound", self.dials.share_of(self.bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Place;

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
