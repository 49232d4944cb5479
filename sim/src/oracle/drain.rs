//! L5 DrainEnds: an order to drain is carried out soon after its grace, whatever peers do meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Oracle;
use crate::history::Fact;
use crate::net::Place;

/// Callers are let go first, and whoever lost a tunnel to the end of the grace is told so.
const SLACK: Duration = Duration::from_secs(3);

/// See above.
#[derive(Default)]
pub(super) struct DrainEnds {
    until: BTreeMap<Place, Duration>,
}

impl Oracle for DrainEnds {
    fn property(&self) -> &'static str {
        "DrainEnds"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::DrainOrdered { place, grace } => _ = self.until.insert(*place, at + *grace + SLACK),
            Fact::Drained(place) | Fact::Stopped(place) => _ = self.until.remove(place),
            // Nobody obeys while it stands still.
            Fact::Struck(fault @ crate::faults::Fault::Freeze { .. }) => {
                fault.places().iter().for_each(|place| _ = self.until.remove(place));
            }
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
}
