//! L6 NoLivelock: a host that never keeps a tunnel is not dialled in a tight loop: the initiator backs off.

use std::collections::BTreeSet;
use std::time::Duration;

use super::property::Oracle;
use super::rate_window::RateWindow;
use crate::history::Event;
use crate::net::HostId;
use crate::plan::Plan;

const WINDOW: Duration = Duration::from_secs(10);
/// Dials within the window whatever the number of tunnels: a host that refuses connections is dialled twice a second on
/// average, since a restart looks like that.
const PROBES: usize = 40;
/// Further dials for each tunnel: one that lived for a second counts as good, and is replaced at once.
const DIALS: usize = 10;

/// See above.
pub(super) struct NoLivelock {
    bound: usize,
    /// Exempt: Envoys have their own backoff.
    envoys: BTreeSet<HostId>,
    /// Dials of hostile responders, by initiator.
    dials: RateWindow,
}

impl NoLivelock {
    pub(super) fn of(plan: &Plan) -> Self {
        // A reconfigured initiator has up to five.
        let tunnels = plan.counts.iter().map(|count| usize::from((*count).max(5))).max().unwrap_or_default();
        Self { bound: PROBES + tunnels * DIALS, envoys: plan.envoys.clone(), dials: RateWindow::new(WINDOW) }
    }
}

impl Oracle for NoLivelock {
    fn property(&self) -> &'static str {
        "NoLivelock"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        let Event::Dialled { from, to: HostId::Hostile } = event else { return Ok(()) };
        if self.envoys.contains(from) {
            return Ok(());
        }
        let dials = self.dials.add(at, *from);
        if dials > self.bound {
            return Err(format!("{from} dialled a hostile responder {dials} times in {WINDOW:?}"));
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        Some(("dials of a hostile responder, share of the bound", self.dials.share_of(self.bound)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_of_a_hostile_responder_are_bounded() {
        let plan = Plan { counts: vec![5], envoys: BTreeSet::new(), ..Plan::swarm(0) };
        let mut oracle = NoLivelock::of(&plan);
        let dial = |from| Event::Dialled { from: HostId::Initiator(from), to: HostId::Hostile };
        for turn in 0..900u32 {
            oracle.observe(WINDOW * turn / 90, &dial(0)).expect("nine in a second");
        }
        oracle.observe(WINDOW * 10, &dial(1)).expect("another one");
        oracle
            .observe(WINDOW * 10, &Event::Dialled { from: HostId::Initiator(0), to: HostId::Responder(0) })
            .expect("a good one");
        oracle.observe(WINDOW * 10 - Duration::from_millis(1), &dial(0)).expect_err("one more");
    }
}
