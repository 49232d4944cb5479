//! L1 TargetReached: after healing every initiator soon has exactly its target of tunnels, and the responder has the same
//! ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::property::Oracle;
use crate::faults::{CrashKind, Fault};
use crate::history::{Event, InitiatorView, Phase};
use crate::net::HostId;
use crate::plan::{PhaseTimes, Plan};

/// See above.
pub(super) struct TargetReached {
    core: (usize, usize),
    times: PhaseTimes,
    /// Caps make targets unreachable.
    capped: bool,
    deadline: Option<Duration>,
    healed: Option<Duration>,
    whole_after: Option<Duration>,
    initiators: BTreeMap<(usize, usize), InitiatorView>,
    responders: BTreeMap<usize, Vec<u32>>,
    /// Initiators that are Envoys, and whether they may have dead tunnels: an Envoy never pings, so that a tunnel that ended
    /// silently stays; and it exceeds its target if a host was removed from DNS and came back.
    envoys: BTreeMap<usize, bool>,
}

impl TargetReached {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            core: plan.core,
            times: plan.times,
            capped: plan.is_capped(),
            deadline: None,
            healed: None,
            whole_after: None,
            initiators: BTreeMap::new(),
            responders: BTreeMap::new(),
            envoys: envoys(plan),
        }
    }

    fn missing(&self) -> Option<String> {
        for responder in 0..self.core.0 {
            for initiator in 0..self.core.1 {
                let view = self.initiators.get(&(initiator, responder)).copied().unwrap_or_default();
                let here = self.responders.get(&responder).and_then(|tunnels| tunnels.get(initiator)).copied();
                let whole = match (self.envoys.get(&initiator), here) {
                    (None, here) => view.up == view.target && view.pending == 0 && here == Some(u32::from(view.target)),
                    (Some(may_keep_dead), Some(here)) => {
                        let same = here == u32::from(view.up) || *may_keep_dead && here < u32::from(view.up);
                        view.up >= view.target && view.pending == 0 && same
                    }
                    (Some(_), None) => false,
                };
                if !whole {
                    let here = here.unwrap_or_default();
                    return Some(format!("initiator-{initiator} has {view:?}, responder-{responder} has {here}"));
                }
            }
        }
        None
    }

    /// Whether an Envoy of the core dials. After a host was removed from DNS and came back, it does so every few seconds, at
    /// any time.
    fn an_envoy_dials(&self) -> bool {
        let in_core = |initiator: usize, responder: usize| responder < self.core.0 && initiator < self.core.1;
        self.initiators.iter().any(|((initiator, responder), view)| {
            view.pending > 0 && in_core(*initiator, *responder) && self.envoys.contains_key(initiator)
        })
    }
}

/// The initiators that are Envoys, and whether a fault may end their tunnels silently.
fn envoys(plan: &Plan) -> BTreeMap<usize, bool> {
    let loud = |fault: &Fault| match fault {
        Fault::Crash { how, .. } => *how != CrashKind::PowerLoss,
        Fault::Drain { .. }
        | Fault::Reconfigure { .. }
        | Fault::ClockSkew { .. }
        | Fault::Scrape { .. }
        | Fault::RequestBurst { .. }
        | Fault::GarbageClient { .. } => true,
        _ => false,
    };
    let may_keep_dead = plan.link_conditions.loss > 0 || !plan.faults.iter().all(|(_, fault)| loud(fault));
    let number =
        |host: &HostId| if let HostId::Initiator(number) = host { Some((*number, may_keep_dead)) } else { None };
    plan.envoys.iter().filter_map(number).collect()
}

impl Oracle for TargetReached {
    fn property(&self) -> &'static str {
        "TargetReached"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Phase(Phase::Healed) => (self.deadline, self.healed) = (Some(self.times.converged), Some(at)),
            Event::Initiator { host: HostId::Initiator(initiator), to, view } => {
                self.initiators.insert((*initiator, *to), *view);
            }
            Event::Responder { host: HostId::Responder(responder), view } => {
                self.responders.insert(*responder, view.tunnels.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        self.whole_after.map(|after| ("seconds from healing to the last tunnel", after.as_secs_f64()))
    }

    fn advance(&mut self, now: Duration) -> Result<(), String> {
        if let Some(healed) = self.healed
            && self.missing().is_none()
        {
            self.healed = None;
            self.whole_after = Some(now.saturating_sub(healed));
        }
        if self.capped || self.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if self.an_envoy_dials() && now < self.times.quiescent {
            return Ok(());
        }
        self.deadline = None;
        self.missing().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;

    fn observed(up: u16, pending: u16, here: u32) -> Result<(), String> {
        let plan = Plan { core: (1, 1), ..Plan::swarm(0) };
        let mut oracle = TargetReached { capped: false, ..TargetReached::of(&plan) };
        let view = InitiatorView { target: 2, pending, up, draining: 0 };
        oracle.observe(Duration::ZERO, &Event::Initiator { host: HostId::Initiator(0), to: 0, view })?;
        let view = ResponderView { tunnels: vec![here], ..ResponderView::default() };
        oracle.observe(Duration::ZERO, &Event::Responder { host: HostId::Responder(0), view })?;
        oracle.observe(plan.times.heal, &Event::Phase(Phase::Healed))?;
        oracle.advance(plan.times.heal)?;
        oracle.advance(plan.times.converged)
    }

    #[test]
    fn an_envoy_may_keep_dead_tunnels() {
        let whole = |may_keep_dead, up, here| {
            let plan = Plan { core: (1, 1), ..Plan::swarm(0) };
            let mut oracle = TargetReached { envoys: [(0, may_keep_dead)].into(), ..TargetReached::of(&plan) };
            oracle.initiators.insert((0, 0), InitiatorView { target: 2, pending: 0, up, draining: 0 });
            oracle.responders.insert(0, vec![here]);
            oracle.missing().is_none()
        };
        assert!(whole(false, 2, 2) && whole(false, 3, 3), "it may have more than it should");
        assert!(!whole(false, 2, 1), "nothing was silent");
        assert!(whole(true, 2, 1), "one ended in silence");
        assert!(!whole(true, 2, 3), "a ghost is the responder's");
    }

    #[test]
    fn a_dialling_envoy_has_until_quiescence() {
        let plan = Plan { core: (1, 1), ..Plan::swarm(0) };
        let mut oracle = TargetReached { capped: false, envoys: [(0, true)].into(), ..TargetReached::of(&plan) };
        oracle.observe(plan.times.heal, &Event::Phase(Phase::Healed)).expect("nothing was asked yet");
        oracle.initiators.insert((0, 0), InitiatorView { target: 2, pending: 1, up: 2, draining: 0 });
        oracle.responders.insert(0, vec![2]);
        oracle.advance(plan.times.converged).expect("it dials");
        oracle.advance(plan.times.quiescent).expect_err("it dials for too long");
    }

    #[test]
    fn both_ends_have_to_have_them_all() {
        observed(2, 0, 2).expect("all are there");
        observed(1, 1, 1).expect_err("one is missing");
        observed(2, 0, 3).expect_err("the responder believes in one more");
        observed(2, 0, 1).expect_err("the responder knows of one less");
    }
}
