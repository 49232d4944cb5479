//! S1 TargetBound: an initiator never has, or tries to have, more tunnels to a responder than it should.

use std::time::Duration;

use super::Oracle;
use crate::history::{Fact, InitiatorView};

/// See above.
pub(super) struct TargetBound;

impl Oracle for TargetBound {
    fn property(&self) -> &'static str {
        "TargetBound"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Initiator { view: InitiatorView { target, pending, up, .. }, .. } if pending + up > *target => {
                Err(fact.to_string())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Place;

    #[test]
    fn one_more_than_the_target_is_too_many() {
        let see = |pending, up, draining| {
            let view = InitiatorView { target: 3, pending, up, draining };
            TargetBound.see(Duration::ZERO, &Fact::Initiator { place: Place::Initiator(0), to: 0, view })
        };
        see(1, 2, 3).expect("what goes out of use does not count");
        see(2, 2, 0).expect_err("four of three");
    }
}
