//! S13 CapExact: no node has more tunnels at a responder than one may, whatever arrives at the same time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Oracle;
use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

/// See above.
pub(super) struct CapExact {
    per_node: u32,
    waiting: u32,
    /// These count before they let in, so that tunnels that arrive at the same time get past their caps.
    envoys: BTreeSet<Place>,
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

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Responder { place, view } = fact else { return Ok(()) };
        if self.envoys.contains(place) {
            return Ok(());
        }
        let over = view.tunnels.iter().any(|tunnels| *tunnels > self.per_node) || view.waiting > self.waiting;
        if over { Err(fact.to_string()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;

    #[test]
    fn a_node_over_its_cap_is_noticed() {
        let mut oracle = CapExact { per_node: 2, waiting: 1, envoys: BTreeSet::new() };
        let mut see = |tunnels, waiting| {
            let view = ResponderView { tunnels, waiting, draining: vec![9], ..ResponderView::default() };
            oracle.see(Duration::ZERO, &Fact::Responder { place: Place::Responder(0), view })
        };
        see(vec![2, 2], 1).expect("as many as may be");
        see(vec![2, 3], 0).expect_err("a node has three");
        see(vec![0, 0], 2).expect_err("two wait");
        oracle.envoys.insert(Place::Responder(0));
        let view = ResponderView { tunnels: vec![9], ..ResponderView::default() };
        oracle.see(Duration::ZERO, &Fact::Responder { place: Place::Responder(0), view }).expect("it is an Envoy's");
    }
}
