//! L7 HandshakeEnds: a responder closes connections that do not finish a handshake within its timeout.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::Event;
use crate::net::HostId;
use crate::plan::Plan;

/// Latency of a slow network, there and back.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// See above.
pub(super) struct HandshakeEnds {
    /// Whether no packet is lost: a lost RST is not retransmitted, and its peer does not see the close.
    heard: bool,
    bound: Duration,
    frozen: BTreeSet<usize>,
    /// When responders were last frozen or stopped.
    absent: BTreeMap<usize, Duration>,
}

impl HandshakeEnds {
    pub(super) fn of(plan: &Plan) -> Self {
        let bound = plan.responder.handshake_timeout + UNDER_WAY;
        let heard = plan.link_conditions.loss == 0 && plan.link_conditions.bandwidth.is_none();
        Self { heard, bound, frozen: BTreeSet::new(), absent: BTreeMap::new() }
    }
}

impl Oracle for HandshakeEnds {
    fn property(&self) -> &'static str {
        "HandshakeEnds"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::FaultInjected(Fault::Freeze { host: HostId::Responder(responder), .. }) => {
                self.frozen.insert(*responder);
            }
            Event::FaultEnded(Fault::Freeze { host: HostId::Responder(responder), .. }) => {
                self.frozen.remove(responder);
                self.absent.insert(*responder, at);
            }
            Event::Stopped(HostId::Responder(responder)) => {
                self.frozen.remove(responder);
                self.absent.insert(*responder, at);
            }
            Event::GarbageClientLeft { to, stayed, .. } if self.heard && *stayed > self.bound => {
                let was_there = self.absent.get(to).is_none_or(|absent| *absent + *stayed < at);
                if was_there && !self.frozen.contains(to) {
                    return Err(event.to_string());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::hostile::GarbageClient;

    fn visit(oracle: &mut HandshakeEnds, at: u64, seconds: u64) -> Result<(), String> {
        let stayed = Duration::from_secs(seconds);
        oracle.observe(
            Duration::from_secs(at),
            &Event::GarbageClientLeft { to: 0, behaviour: GarbageClient::Silent, stayed },
        )
    }

    #[test]
    fn a_connection_that_stays_too_long_is_noticed() {
        let mut oracle = HandshakeEnds { heard: true, ..HandshakeEnds::of(&Plan::swarm(0)) };
        visit(&mut oracle, 20, 11).expect("shown out in time");
        visit(&mut oracle, 40, 20).expect_err("nobody showed it out");
    }

    #[test]
    fn a_frozen_responder_closes_nothing() {
        let mut oracle = HandshakeEnds { heard: true, ..HandshakeEnds::of(&Plan::swarm(0)) };
        let freeze = Fault::Freeze { host: HostId::Responder(0), duration: Duration::from_secs(9) };
        oracle.observe(Duration::from_secs(10), &Event::FaultInjected(freeze)).expect("a fault of ours");
        visit(&mut oracle, 18, 15).expect("it stands still");
        oracle.observe(Duration::from_secs(19), &Event::FaultEnded(freeze)).expect("a fault of ours");
        visit(&mut oracle, 30, 15).expect("it stood still meanwhile");
        visit(&mut oracle, 60, 15).expect_err("it was there all the time");
    }
}
