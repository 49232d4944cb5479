//! S14, L10 NoLossWithoutFaults: without faults every request is answered by its service; and where processes are only
//! drained and replaced, so is every request that was sent before the drain. Stalled readers do not affect others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::{Event, Phase, RequestOutcome, RequestSpec};
use crate::net::HostId;
use crate::plan::Plan;

/// A request that was sent this long before a drain has arrived before it.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// A grace of the service time and this much is enough for a request.
const UNHURRIED: Duration = Duration::from_secs(2);

/// The largest latency at which a tunnel is replaced before waiting requests time out.
const NEAR: Duration = Duration::from_millis(50);

/// See above.
pub(super) struct NoLossWithoutFaults {
    /// Whether the plan is such that the property must hold.
    applies: bool,
    /// Hosts that are not healed: if one of them drains, it may not be replaced.
    not_replaced: BTreeSet<HostId>,
    warm: bool,
    open: BTreeMap<u64, (Duration, RequestSpec)>,
    /// Hosts that were told to drain: later requests may be refused.
    draining: BTreeSet<HostId>,
    /// Requests that were sent too late before a drain.
    excused: BTreeSet<u64>,
}

impl NoLossWithoutFaults {
    pub(super) fn of(plan: &Plan) -> Self {
        let enough = |grace: Duration| !plan.has_unbounded_latency() && grace >= plan.workload.service_time + UNHURRIED;
        let in_order = |fault: &Fault| match fault {
            Fault::Drain { grace, .. } => enough(*grace),
            // Requests wait for another tunnel for a limited time, and an Envoy redials only at intervals.
            Fault::DrainNode { initiator, grace, .. } => {
                let soon = plan.link_conditions.latency.max() <= NEAR && !plan.is_envoy(HostId::Initiator(*initiator));
                soon && enough(*grace)
            }
            Fault::Scrape { .. } | Fault::ClockSkew { .. } => true,
            _ => false,
        };
        let usual = revtun_core::responder::Config::default();
        let applies = plan.link_conditions.is_good()
            && plan.faults.iter().all(|(_, fault)| in_order(fault))
            && plan.responder.max_streams == usual.max_streams
            && plan.responder.max_waiting == usual.max_waiting
            && !plan.is_capped()
            && !plan.has_limited_throughput();
        let hosts = plan.faults.iter().flat_map(|(_, fault)| fault.hosts());
        Self {
            applies,
            not_replaced: hosts.filter(|host| !plan.is_core(*host)).collect(),
            warm: false,
            open: BTreeMap::new(),
            draining: BTreeSet::new(),
            excused: BTreeSet::new(),
        }
    }

    fn concerns(host: HostId, spec: &RequestSpec) -> bool {
        match host {
            HostId::Responder(responder) => spec.via == responder,
            // Which node of a cluster gets a request is not known here.
            HostId::Initiator(initiator) => Plan::tenant(initiator) == spec.tenant,
            HostId::Caller | HostId::Hostile => false,
        }
    }

    /// Open requests that concern `host` may be refused, except those that were already there at `order`.
    fn excuse_late(&mut self, host: HostId, order: Duration) {
        let excused =
            self.open.iter().filter(|(_, (asked, spec))| order < *asked + UNDER_WAY && Self::concerns(host, spec));
        self.excused.extend(excused.map(|(request, _)| *request));
    }
}

impl Oracle for NoLossWithoutFaults {
    fn property(&self) -> &'static str {
        "NoLossWithoutFaults"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        if !self.applies {
            return Ok(());
        }
        match event {
            Event::Phase(Phase::Faults) => self.warm = true,
            Event::RequestSent(spec) => {
                if !self.warm || self.draining.iter().any(|host| Self::concerns(*host, spec)) {
                    self.excused.insert(spec.request);
                }
                self.open.insert(spec.request, (at, spec.clone()));
            }
            Event::DrainRequested { host, .. } => {
                self.excuse_late(*host, at);
                self.draining.insert(*host);
            }
            // A replacement needs time for its tunnels, so requests to it do not count before healing. Healing kills what still
            // drains, and its open requests.
            Event::Phase(Phase::Healed) => {
                for host in self.draining.clone() {
                    self.excuse_late(host, Duration::ZERO);
                }
                self.draining.retain(|host| self.not_replaced.contains(host));
            }
            Event::RequestEnded { request, outcome } => {
                let spec = self.open.remove(request).map(|(_, spec)| spec);
                let served = matches!(outcome, RequestOutcome::Served { .. } | RequestOutcome::NotRead);
                if !served && !self.excused.contains(request) {
                    return Err(format!("request {request} ({spec:?}): {outcome:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::link_conditions::LinkConditions;
    use crate::oracle::property::tests::request_spec;

    const SECOND: Duration = Duration::from_secs(1);

    /// A world in which responder 0 drains, and is healed if it belongs to the `core`.
    fn world(core: usize) -> NoLossWithoutFaults {
        let drain = Fault::Drain { host: HostId::Responder(0), grace: SECOND * 60 };
        let mut plan =
            Plan { faults: vec![(SECOND * 8, drain)], link_conditions: LinkConditions::GOOD, ..Plan::swarm(0) };
        plan.kernel.send_buffer = 64 * 1024;
        plan.core = (core, 1);
        plan.responder = revtun_core::responder::Config::default();
        NoLossWithoutFaults::of(&plan)
    }

    fn own(request: u64) -> Event {
        Event::RequestEnded {
            request,
            outcome: RequestOutcome::LocalReply { status: 503, reason: Some("x".to_owned()) },
        }
    }

    #[test]
    fn only_requests_after_a_drain_may_be_refused() {
        let mut oracle = world(1);
        let mut observe = |at: u32, event| oracle.observe(SECOND * at, &event);
        observe(5, Event::Phase(Phase::Faults)).expect("it begins");
        (1..4).for_each(|request| observe(6, Event::RequestSent(request_spec(request))).expect("a request"));
        observe(7, own(1)).expect_err("nothing was wrong");
        observe(8, Event::DrainRequested { host: HostId::Responder(0), grace: SECOND }).expect("an order");
        observe(8, own(2)).expect_err("it was under way");
        observe(9, Event::RequestSent(request_spec(4))).expect("a request");
        observe(9, own(4)).expect("it came too late");
    }

    #[test]
    fn what_healing_kills_or_never_replaces_is_excused() {
        for (core, comes_back) in [(1, true), (0, false)] {
            let mut oracle = world(core);
            let mut observe = |at: u32, event| oracle.observe(SECOND * at, &event);
            observe(5, Event::Phase(Phase::Faults)).expect("it begins");
            observe(6, Event::RequestSent(request_spec(1))).expect("a request");
            observe(8, Event::DrainRequested { host: HostId::Responder(0), grace: SECOND }).expect("an order");
            observe(9, Event::Phase(Phase::Healed)).expect("it is healed");
            observe(10, own(1)).expect("it was cut short");
            observe(11, Event::RequestSent(request_spec(2))).expect("a request");
            assert_eq!(observe(12, own(2)).is_err(), comes_back);
        }
    }
}
