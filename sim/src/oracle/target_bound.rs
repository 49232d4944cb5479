//! S1 TargetBound: an initiator never has, or tries to have, more tunnels to a responder than it should.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Oracle;
use crate::history::{Fact, InitiatorView};
use crate::net::Place;
use crate::plan::Plan;

/// See above.
#[derive(Default)]
pub(super) struct TargetBound {
    /// Whoever of these loses sight of a host dials a whole new set when it is back, beside the old one.
    envoys: BTreeSet<Place>,
}

impl TargetBound {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { envoys: plan.envoys.clone() }
    }
}

impl Oracle for TargetBound {
    fn property(&self) -> &'static str {
        "TargetBound"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Initiator { place, view: InitiatorView { target, pending, up, .. }, .. }
                if pending + up > *target && !self.envoys.contains(place) =>
            {
                Err(fact.to_string())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_target_is_too_many() {
        let see = |pending, up, draining| {
            let view = InitiatorView { target: 3, pending, up, draining };
            TargetBound::default().see(Duration::ZERO, &Fact::Initiator { place: Place::Initiator(0), to: 0, view })
        };
        see(1, 2, 3).expect("what goes out of use does not count");
        see(2, 2, 0).expect_err("four of three");
    }
}
