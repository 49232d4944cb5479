//! L5 DrainEnds: an order to drain is carried out soon after its grace, whatever peers do meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::Fault;
use crate::history::Fact;
use crate::net::Place;

/// Callers are let go first, and whoever lost a tunnel to the end of the grace is told so.
const SLACK: Duration = Duration::from_secs(3);

/// See above.
#[derive(Default)]
pub(super) struct DrainEnds {
    until: BTreeMap<Place, Duration>,
    /// Nobody obeys while it stands still, and how long that is counts for nothing.
    frozen: BTreeSet<Place>,
}

impl Oracle for DrainEnds {
    fn property(&self) -> &'static str {
        "DrainEnds"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::DrainOrdered { place, grace } if !self.frozen.contains(place) => {
                self.until.insert(*place, at + *grace + SLACK);
            }
            Fact::Drained(place) | Fact::Stopped(place) => _ = self.until.remove(place),
            Fact::Struck(Fault::Freeze { place, .. }) => {
                self.until.remove(place);
                self.frozen.insert(*place);
            }
            Fact::Relieved(Fault::Freeze { place, .. }) | Fact::Started(place) => _ = self.frozen.remove(place),
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, now: Duration) -> Result<(), String> {
        match self.until.iter().find(|(_, until)| **until < now) {
            Some((place, until)) => Err(format!("{place} should have been drained at {until:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_has_its_grace_and_no_more() {
        let place = Place::Responder(0);
        let second = Duration::from_secs(1);
        let mut oracle = DrainEnds::default();
        oracle.see(second, &Fact::DrainOrdered { place, grace: second * 5 }).expect("an order");
        oracle.pass(second * 9).expect("there is time");
        oracle.pass(second * 10).expect_err("there was time");
        oracle.see(second, &Fact::Drained(place)).expect("late, but done");
        oracle.pass(second * 10).expect("it is done");
    }

    #[test]
    fn who_stands_still_need_not_obey() {
        let place = Place::Responder(0);
        let second = Duration::from_secs(1);
        let freeze = Fault::Freeze { place, lasts: second };
        for order_first in [true, false] {
            let mut oracle = DrainEnds::default();
            let mut facts = [Fact::DrainOrdered { place, grace: second }, Fact::Struck(freeze)];
            if !order_first {
                facts.reverse();
            }
            facts.iter().for_each(|fact| oracle.see(second, fact).expect("nothing is wrong"));
            oracle.pass(second * 10).expect("it stands still");
            oracle.see(second * 10, &Fact::Relieved(freeze)).expect("it goes on");
            oracle.see(second * 10, &Fact::DrainOrdered { place, grace: second }).expect("an order");
            oracle.pass(second * 15).expect_err("now it has to");
        }
    }
}
