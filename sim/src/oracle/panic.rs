//! NoPanic: whatever peers and networks do, no task of revtun panics, and the invariants of both machines hold after every
//! step.

use std::time::Duration;

use super::property::Oracle;
use crate::history::Event;

/// See above.
pub(super) struct NoPanic;

impl Oracle for NoPanic {
    fn property(&self) -> &'static str {
        "NoPanic"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Panicked { .. } => Err(event.to_string()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HostId;

    #[test]
    fn a_panic_is_noticed() {
        let event = Event::Panicked { host: HostId::Responder(0), said: "no room".to_owned() };
        let observed = NoPanic.observe(Duration::ZERO, &event).expect_err("it panicked");
        assert!(observed.contains("no room"), "{observed}");
    }
}
