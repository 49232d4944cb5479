//! L5 DrainEnds: a drain ends soon after its grace, whatever peers do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::Event;
use crate::net::HostId;

/// Time to answer callers whose tunnels are closed at the end of the grace.
const SLACK: Duration = Duration::from_secs(3);

/// See above.
#[derive(Default)]
pub(super) struct DrainEnds {
    until: BTreeMap<HostId, Duration>,
    /// Frozen processes cannot drain; that time does not count.
    frozen: BTreeSet<HostId>,
}

impl Oracle for DrainEnds {
    fn property(&self) -> &'static str {
        "DrainEnds"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::DrainRequested { host, grace } if !self.frozen.contains(host) => {
                self.until.insert(*host, at + *grace + SLACK);
            }
            Event::Drained(host) | Event::Stopped(host) => _ = self.until.remove(host),
            Event::FaultInjected(Fault::Freeze { host, .. }) => {
                self.until.remove(host);
                self.frozen.insert(*host);
            }
            Event::FaultEnded(Fault::Freeze { host, .. }) | Event::Started(host) => _ = self.frozen.remove(host),
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, now: Duration) -> Result<(), String> {
        match self.until.iter().find(|(_, until)| **until < now) {
            Some((host, until)) => Err(format!("{host} should have been drained at {until:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_has_its_grace_and_no_more() {
        let host = HostId::Responder(0);
        let second = Duration::from_secs(1);
        let mut oracle = DrainEnds::default();
        oracle.observe(second, &Event::DrainRequested { host, grace: second * 5 }).expect("an order");
        oracle.advance(second * 9).expect("there is time");
        oracle.advance(second * 10).expect_err("there was time");
        oracle.observe(second, &Event::Drained(host)).expect("late, but done");
        oracle.advance(second * 10).expect("it is done");
    }

    #[test]
    fn a_frozen_process_need_not_drain() {
        let host = HostId::Responder(0);
        let second = Duration::from_secs(1);
        let freeze = Fault::Freeze { host, duration: second };
        for order_first in [true, false] {
            let mut oracle = DrainEnds::default();
            let mut events = [Event::DrainRequested { host, grace: second }, Event::FaultInjected(freeze)];
            if !order_first {
                events.reverse();
            }
            events.iter().for_each(|event| oracle.observe(second, event).expect("nothing is wrong"));
            oracle.advance(second * 10).expect("it stands still");
            oracle.observe(second * 10, &Event::FaultEnded(freeze)).expect("it goes on");
            oracle.observe(second * 10, &Event::DrainRequested { host, grace: second }).expect("an order");
            oracle.advance(second * 15).expect_err("now it has to");
        }
    }
}
