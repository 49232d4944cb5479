//! L9 DialRateBounded: however many tunnels are lost at once (thundering herd), dials of a responder per second are bounded
//! by a few times its tunnels.

use std::time::Duration;

use super::property::Oracle;
use super::rate_window::RateWindow;
use crate::history::Event;
use crate::plan::Plan;

/// Dials per second and tunnel: the backoff after a refused dial begins with some tens of milliseconds.
const DIALS: usize = 6;
const SECOND: Duration = Duration::from_secs(1);

/// See above.
pub(super) struct DialRateBounded {
    bound: usize,
    /// By responder.
    dials: RateWindow,
}

impl DialRateBounded {
    pub(super) fn of(plan: &Plan) -> Self {
        let tunnels = plan.counts.iter().map(|count| usize::from((*count).max(5))).sum::<usize>();
        Self { bound: tunnels * DIALS, dials: RateWindow::new(SECOND) }
    }
}

impl Oracle for DialRateBounded {
    fn property(&self) -> &'static str {
        "DialRateBounded"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        let Event::Dialled { to, .. } = event else { return Ok(()) };
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
    use crate::net::HostId;

    #[test]
    fn dials_of_a_second_are_counted() {
        let plan = Plan { counts: vec![5], ..Plan::swarm(0) };
        let mut oracle = DialRateBounded::of(&plan);
        let dial = Event::Dialled { from: HostId::Initiator(0), to: HostId::Responder(0) };
        for turn in 0..90u32 {
            oracle.observe(SECOND * turn / 30, &dial).expect("thirty in a second");
        }
        oracle.observe(SECOND * 3 - Duration::from_millis(1), &dial).expect_err("one more");
    }
}
