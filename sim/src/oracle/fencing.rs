//! S2 SupersededGetNoWork (fencing): when a node is back with a new instance id, its requests go there, and not to the tunnels
//! of its old instance, which are still open. An Envoy has no instance id.

use std::collections::BTreeMap;
use std::time::Duration;

use super::property::Oracle;
use crate::faults::{CrashKind, Fault};
use crate::history::{Event, Phase, RequestOutcome, RequestSpec};
use crate::net::HostId;
use crate::plan::Plan;

/// The longest time from an initiator's first tunnel until its responder uses it: the latency of the response, and the
/// time in which a tunnel settles.
const SETTLES: Duration = Duration::from_millis(300);
/// How much longer than the service time a request may take. A tunnel to a host without power is noticed much later.
const QUICK: Duration = Duration::from_secs(2);

/// The largest body and latency with which a request is quick on a network without loss.
const SMALL: usize = 10_000;
const NEAR: Duration = Duration::from_millis(100);

/// See above.
pub(super) struct SupersededGetNoWork {
    /// Whether the plan has no faults but power losses of initiators.
    applies: bool,
    /// By node and responder: since when the new instance has had a tunnel. Nodes that never stopped have no entry.
    back: BTreeMap<(usize, usize), Option<Duration>>,
    open: BTreeMap<u64, (Duration, RequestSpec)>,
}

impl SupersededGetNoWork {
    pub(super) fn of(plan: &Plan) -> Self {
        let power_loss = |fault: &Fault| {
            matches!(
                fault,
                Fault::Crash { host: HostId::Initiator(_), how: CrashKind::PowerLoss, .. } | Fault::Scrape { .. }
            )
        };
        let quick = plan.link_conditions.is_good()
            && plan.link_conditions.latency.max() <= NEAR
            && !plan.has_limited_throughput();
        let quick = quick && plan.workload.body <= SMALL;
        let applies = quick && plan.envoys.is_empty() && plan.faults.iter().all(|(_, fault)| power_loss(fault));
        Self { applies, back: BTreeMap::new(), open: BTreeMap::new() }
    }

    fn is_for_new_instance(&self, at: Duration, spec: &RequestSpec) -> bool {
        let Some(initiator) = spec.node else { return false };
        let back = self.back.get(&(initiator, spec.via)).copied().flatten();
        back.is_some_and(|back| at >= back + SETTLES)
    }
}

impl Oracle for SupersededGetNoWork {
    fn property(&self) -> &'static str {
        "SupersededGetNoWork"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        if !self.applies {
            return Ok(());
        }
        match event {
            Event::Stopped(HostId::Initiator(initiator)) => {
                self.back.retain(|(other, _), _| other != initiator);
                self.open.retain(|_, (_, spec)| spec.node != Some(*initiator));
            }
            Event::Initiator { host: HostId::Initiator(initiator), to, view } if view.up > 0 => {
                self.back.entry((*initiator, *to)).or_default().get_or_insert(at);
            }
            Event::Phase(Phase::Draining) => self.applies = false,
            Event::RequestSent(spec) if self.is_for_new_instance(at, spec) => {
                self.open.insert(spec.request, (at, spec.clone()));
            }
            Event::RequestEnded { request, outcome } => {
                let Some((asked, spec)) = self.open.remove(request) else { return Ok(()) };
                let took = at - asked;
                let served = matches!(outcome, RequestOutcome::Served { .. } | RequestOutcome::NotRead);
                if !served || took > spec.service_time + QUICK {
                    return Err(format!("request {spec}: {outcome:?} after {took:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, now: Duration) -> Result<(), String> {
        let late = self.open.values().find(|(asked, spec)| now > *asked + spec.service_time + QUICK);
        late.map_or(Ok(()), |(_, spec)| Err(format!("request {spec}: nothing for {QUICK:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::property::tests::request_spec;
    use super::*;
    use crate::history::InitiatorView;

    const SECOND: Duration = Duration::from_secs(1);

    fn returned() -> SupersededGetNoWork {
        let mut oracle = SupersededGetNoWork { applies: true, back: BTreeMap::new(), open: BTreeMap::new() };
        let view = InitiatorView { target: 1, up: 1, ..InitiatorView::default() };
        let up = Event::Initiator { host: HostId::Initiator(0), to: 0, view };
        for (at, event) in [(0, up.clone()), (1, Event::Stopped(HostId::Initiator(0))), (2, up)] {
            oracle.observe(SECOND * at, &event).expect("no request yet");
        }
        oracle
    }

    #[test]
    fn a_request_to_a_node_that_is_back_has_to_be_quick() {
        let mut oracle = returned();
        oracle.observe(SECOND * 3, &Event::RequestSent(request_spec(1))).expect("a request is no failure");
        let outcome = RequestOutcome::Served { by: 0, exact: true };
        oracle.observe(SECOND * 4, &Event::RequestEnded { request: 1, outcome }).expect("soon enough");
        oracle.observe(SECOND * 5, &Event::RequestSent(request_spec(2))).expect("a request is no failure");
        oracle.advance(SECOND * 6).expect("still under way");
        oracle.advance(SECOND * 8).expect_err("somebody else got it");
    }

    #[test]
    fn a_request_before_the_new_instance_may_be_lost() {
        let mut oracle = returned();
        oracle.observe(SECOND * 2, &Event::RequestSent(request_spec(1))).expect("a request is no failure");
        oracle.advance(SECOND * 9).expect("it may have gone to the tunnels of before");
    }
}
