//! S1 TargetBound: an initiator never has, or tries to have, more tunnels to a responder than it should.

use std::collections::BTreeSet;
use std::time::Duration;

use super::property::Oracle;
use crate::history::{Event, InitiatorView};
use crate::net::HostId;
use crate::plan::Plan;

/// See above.
#[derive(Default)]
pub(super) struct TargetBound {
    /// Exempt: an Envoy dials a whole new set to a host that was removed from DNS and is back, beside the old one.
    envoys: BTreeSet<HostId>,
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

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Initiator { host, view: InitiatorView { target, pending, up, .. }, .. }
                if pending + up > *target && !self.envoys.contains(host) =>
            {
                Err(event.to_string())
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
        let observe = |pending, up, draining| {
            let view = InitiatorView { target: 3, pending, up, draining };
            TargetBound::default()
                .observe(Duration::ZERO, &Event::Initiator { host: HostId::Initiator(0), to: 0, view })
        };
        observe(1, 2, 3).expect("what goes out of use does not count");
        observe(2, 2, 0).expect_err("four of three");
    }
}
