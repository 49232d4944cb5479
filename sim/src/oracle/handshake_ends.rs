//! L7 HandshakeEnds: whoever connects to a responder and does not finish a handshake is shown out when its time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::Fault;
use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

/// For the way there and back on a slow network.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// See above.
pub(super) struct HandshakeEnds {
    /// Nothing is lost on the way. A reset that is cannot be said again, and who was shown out would not know.
    heard: bool,
    bound: Duration,
    frozen: BTreeSet<usize>,
    /// When responders last stood still or ended, so that nobody was shown out.
    absent: BTreeMap<usize, Duration>,
}

impl HandshakeEnds {
    pub(super) fn of(plan: &Plan) -> Self {
        let bound = plan.responder.handshake_timeout + UNDER_WAY;
        let heard = plan.weather.loss == 0 && plan.weather.bandwidth.is_none();
        Self { heard, bound, frozen: BTreeSet::new(), absent: BTreeMap::new() }
    }
}

impl Oracle for HandshakeEnds {
    fn property(&self) -> &'static str {
        "HandshakeEnds"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Struck(Fault::Freeze { place: Place::Responder(responder), .. }) => {
                self.frozen.insert(*responder);
            }
            Fact::Relieved(Fault::Freeze { place: Place::Responder(responder), .. }) => {
                self.frozen.remove(responder);
                self.absent.insert(*responder, at);
            }
            Fact::Stopped(Place::Responder(responder)) => {
                self.frozen.remove(responder);
                self.absent.insert(*responder, at);
            }
            Fact::Visited { to, stayed, .. } if self.heard && *stayed > self.bound => {
                let was_there = self.absent.get(to).is_none_or(|absent| *absent + *stayed < at);
                if was_there && !self.frozen.contains(to) {
                    return Err(fact.to_string());
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
    use crate::cast::stranger::Manner;

    fn visit(oracle: &mut HandshakeEnds, at: u64, seconds: u64) -> Result<(), String> {
        let stayed = Duration::from_secs(seconds);
        oracle.see(Duration::from_secs(at), &Fact::Visited { to: 0, manner: Manner::Silent, stayed })
    }

    #[test]
    fn who_stays_too_long_is_noticed() {
        let mut oracle = HandshakeEnds { heard: true, ..HandshakeEnds::of(&Plan::swarm(0)) };
        visit(&mut oracle, 20, 11).expect("shown out in time");
        visit(&mut oracle, 40, 20).expect_err("nobody showed it out");
    }

    #[test]
    fn who_stands_still_shows_nobody_out() {
        let mut oracle = HandshakeEnds { heard: true, ..HandshakeEnds::of(&Plan::swarm(0)) };
        let freeze = Fault::Freeze { place: Place::Responder(0), lasts: Duration::from_secs(9) };
        oracle.see(Duration::from_secs(10), &Fact::Struck(freeze)).expect("a fault of ours");
        visit(&mut oracle, 18, 15).expect("it stands still");
        oracle.see(Duration::from_secs(19), &Fact::Relieved(freeze)).expect("a fault of ours");
        visit(&mut oracle, 30, 15).expect("it stood still meanwhile");
        visit(&mut oracle, 60, 15).expect_err("it was there all the time");
    }
}
