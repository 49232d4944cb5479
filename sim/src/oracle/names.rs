//! NamesDrainNothing: where nothing but the name service fails, no initiator loses a tunnel by it. Initiators that are killed
//! are exempt: they start without DNS, and have to be back in the end (L1).

use std::collections::BTreeSet;
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::{Event, Phase};
use crate::net::HostId;
use crate::plan::Plan;

/// Hosts that are missing for longer may be drained: the default delay, without the time between two answers.
const BEARABLE: Duration = Duration::from_secs(25);

/// See above.
pub(super) struct NamesDrainNothing {
    applies: bool,
    warm: bool,
    exempt: BTreeSet<HostId>,
}

impl NamesDrainNothing {
    pub(super) fn of(plan: &Plan) -> Self {
        let faults = || plan.faults.iter().map(|(_, fault)| fault);
        let (mut misled, mut exempt) = (Duration::ZERO, BTreeSet::new());
        let mut names_alone = faults().next().is_some();
        for fault in faults() {
            match fault {
                Fault::DnsOutage { .. } | Fault::DnsDelay { .. } => {}
                Fault::DnsLie { duration } | Fault::DnsRemoval { duration, .. } => misled += *duration,
                Fault::Crash { host: host @ HostId::Initiator(_), .. } => _ = exempt.insert(*host),
                _ => names_alone = false,
            }
        }
        let good = plan.link_conditions.is_good() && !plan.is_capped() && plan.envoys.is_empty();
        Self { applies: names_alone && good && misled < BEARABLE, warm: false, exempt }
    }
}

impl Oracle for NamesDrainNothing {
    fn property(&self) -> &'static str {
        "NamesDrainNothing"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Phase(Phase::Faults) => self.warm = true,
            Event::Phase(Phase::Draining) => self.applies = false,
            Event::Initiator { host, to, view }
                if (view.up < view.target || view.target == 0)
                    && self.applies
                    && self.warm
                    && !self.exempt.contains(host) =>
            {
                return Err(format!("{host} has {view:?} at responder-{to}"));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::InitiatorView;
    use crate::plan::Overrides;
    use crate::scenario::Scenario;

    fn observed(change: impl Fn(&mut Plan), up: u16, target: u16) -> Result<(), String> {
        let mut plan = Scenario::find("names").expect("it is there").plan(1, &Overrides::default());
        change(&mut plan);
        let mut oracle = NamesDrainNothing::of(&plan);
        oracle.observe(Duration::ZERO, &Event::Phase(Phase::Faults))?;
        let view = InitiatorView { target, pending: 0, up, draining: 0 };
        oracle.observe(Duration::ZERO, &Event::Initiator { host: HostId::Initiator(1), to: 0, view })
    }

    #[test]
    fn a_tunnel_less_is_noticed_where_names_alone_fail() {
        observed(|_| {}, 2, 2).expect("all are there");
        observed(|_| {}, 1, 2).expect_err("one is missing");
        observed(|_| {}, 0, 0).expect_err("nobody is wanted any more");
        let freeze = Fault::Freeze { host: HostId::Responder(0), duration: Duration::ZERO };
        observed(|plan| plan.faults.push((Duration::ZERO, freeze)), 1, 2).expect("something else fails too");
        let long = Fault::DnsLie { duration: BEARABLE };
        observed(|plan| plan.faults.push((Duration::ZERO, long)), 1, 2).expect("it may be true");
    }
}
