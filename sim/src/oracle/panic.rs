//! NoPanic: whatever peers and networks do, no task of ours panics, and the invariants of both machines hold behind every
//! step.

use std::time::Duration;

use super::Oracle;
use crate::history::Fact;

/// See above.
pub(super) struct NoPanic;

impl Oracle for NoPanic {
    fn property(&self) -> &'static str {
        "NoPanic"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Panicked { .. } => Err(fact.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Place;

    #[test]
    fn a_panic_is_told() {
        let fact = Fact::Panicked { place: Place::Responder(0), said: "no room".to_owned() };
        let seen = NoPanic.see(Duration::ZERO, &fact).expect_err("it panicked");
        assert!(seen.contains("no room"), "{seen}");
    }
}
