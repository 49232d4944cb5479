//! S13 CapExact: no node has more tunnels at a responder than the cap, whatever arrives at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::property::Oracle;
use crate::history::Event;
use crate::net::HostId;
use crate::plan::Plan;

/// See above.
pub(super) struct CapExact {
    per_node: u32,
    waiting: u32,
    /// Exempt: Envoys check their caps before the handshake, so that concurrent tunnels exceed them.
    envoys: BTreeSet<HostId>,
}

impl CapExact {
    pub(super) fn of(plan: &Plan) -> Self {
        let (per_node, waiting) = (plan.responder.max_tunnels_per_node, plan.responder.max_waiting);
        Self { per_node, waiting, envoys: plan.envoys.clone() }
    }
}

impl Oracle for CapExact {
    fn property(&self) -> &'static str {
        "CapExact"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        let Event::Responder { host, view } = event else { return Ok(()) };
        if self.envoys.contains(host) {
            return Ok(());
        }
        let over = view.tunnels.iter().any(|tunnels| *tunnels > self.per_node) || view.waiting > self.waiting;
        if over { Err(event.to_string()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;

    #[test]
    fn a_node_over_its_cap_is_noticed() {
        let mut oracle = CapExact { per_node: 2, waiting: 1, envoys: BTreeSet::new() };
        let mut observe = |tunnels, waiting| {
            let view = ResponderView { tunnels, waiting, draining: vec![9], ..ResponderView::default() };
            oracle.observe(Duration::ZERO, &Event::Responder { host: HostId::Responder(0), view })
        };
        observe(vec![2, 2], 1).expect("as many as may be");
        observe(vec![2, 3], 0).expect_err("a node has three");
        observe(vec![0, 0], 2).expect_err("two wait");
        oracle.envoys.insert(HostId::Responder(0));
        let view = ResponderView { tunnels: vec![9], ..ResponderView::default() };
        oracle
            .observe(Duration::ZERO, &Event::Responder { host: HostId::Responder(0), view })
            .expect("it is an Envoy's");
    }
}
