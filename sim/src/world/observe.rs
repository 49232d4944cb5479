//! Observes processes through their handles, and dials on the network, and records what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use revtun::initiator::InitiatorHandle;
use revtun::responder::ResponderHandle;

use super::SimWorld;
use super::host::HostSnapshot;
use crate::actors::envoy::state::{EnvoyState, Peer, Stage};
use crate::history::{Event, InitiatorView, ResponderView};
use crate::net::HostId;
use crate::plan::Plan;
use crate::process_world::ProcessWorld;

/// How often a large world is observed.
const LARGE_WORLD_INTERVAL: Duration = Duration::from_millis(250);

/// The smallest change of a process' memory that is recorded, in bytes.
const MEMORY_STEP: usize = 64 * 1024;

/// The last observation of everything.
#[derive(Default)]
pub(super) struct Observed {
    next: Duration,
    snapshots: BTreeMap<HostId, HostSnapshot>,
    initiators: BTreeMap<(HostId, usize), InitiatorView>,
    responders: BTreeMap<HostId, ResponderView>,
    panicked: BTreeSet<HostId>,
    memory: BTreeMap<HostId, usize>,
}

impl SimWorld {
    /// Records what changed since the last observation.
    pub(super) fn observe(&mut self, now: Duration) {
        for (from, to) in self.network.take_dials() {
            if matches!(to, HostId::Responder(_) | HostId::Hostile) && matches!(from, HostId::Initiator(_)) {
                self.history.add(Event::Dialled { from, to });
            }
        }
        if self.plan.is_large() {
            if now < self.observed.next {
                return;
            }
            self.observed.next = now + LARGE_WORLD_INTERVAL;
        }
        let Self { host_states, observed, history, plan, memory_changes, .. } = self;
        let publics: Vec<IpAddr> = host_states.values().filter_map(|host_state| host_state.public).collect();
        for (host, host_state) in &*host_states {
            // Most hosts do nothing between two ticks.
            let snapshot = host_state.snapshot();
            if observed.snapshots.insert(*host, snapshot) == Some(snapshot) {
                continue;
            }
            for process in host_state.process.iter().chain(&host_state.service) {
                if let Some(said) = process.panic().filter(|_| observed.panicked.insert(*host)) {
                    history.add(Event::Panicked { host: *host, said });
                }
            }
            match *host {
                HostId::Initiator(_) => {
                    let views = match &host_state.envoy {
                        Some(envoy) => view_envoy_initiator(envoy, host_state.count, &publics),
                        None => view_initiator(host_state.initiator.get().as_deref(), host_state.count, &publics),
                    };
                    for (to, view) in views.into_iter().enumerate() {
                        if observed.initiators.insert((*host, to), view) != Some(view) {
                            history.add(Event::Initiator { host: *host, to, view });
                        }
                    }
                }
                HostId::Responder(_) => {
                    let view = match &host_state.envoy {
                        Some(envoy) => view_envoy_responder(envoy, plan),
                        None => view_responder(host_state.responder.get().as_deref(), plan),
                    };
                    if observed.responders.get(host) != Some(&view) {
                        observed.responders.insert(*host, view.clone());
                        history.add(Event::Responder { host: *host, view });
                    }
                }
                HostId::Caller | HostId::Hostile => continue,
            }
            // After the view that explains it. The memory of Envoys is not under test.
            let ours = host_state.process.as_ref().filter(|_| host_state.envoy.is_none());
            let bytes = ours.map_or(0, |process| process.memory());
            let last = observed.memory.entry(*host).or_default();
            if bytes.abs_diff(*last) >= MEMORY_STEP {
                *last = bytes;
                memory_changes.push((*host, bytes));
            }
        }
    }
}

fn view_initiator(
    handle: Option<&InitiatorHandle<ProcessWorld>>,
    count: u16,
    publics: &[IpAddr],
) -> Vec<InitiatorView> {
    let mut views = vec![InitiatorView { target: count, ..InitiatorView::default() }; publics.len()];
    for tunnel in handle.map(InitiatorHandle::tunnels).unwrap_or_default() {
        let to = tunnel.host.and_then(|host| publics.iter().position(|public| *public == host.ip()));
        let Some(view) = to.and_then(|to| views.get_mut(to)) else { continue };
        match tunnel.stage {
            "dialing" | "handshaking" => view.pending += 1,
            "draining" => view.draining += 1,
            _ => view.up += 1,
        }
    }
    views
}

fn view_responder(handle: Option<&ResponderHandle<ProcessWorld>>, plan: &Plan) -> ResponderView {
    let none = vec![0; plan.initiators];
    let mut view = ResponderView { tunnels: none.clone(), draining: none, ..ResponderView::default() };
    let Some(handle) = handle else { return view };
    let counts = handle.counts();
    let (mut tunnels, mut streams, mut handshakes, mut nodes) = (0, 0, 0, BTreeSet::new());
    for tunnel in handle.tunnels() {
        let draining = match tunnel.stage {
            "handshaking" | "rejected" => {
                handshakes += 1;
                continue;
            }
            stage => stage == "draining",
        };
        tunnels += 1;
        streams += tunnel.streams;
        let (node, tenant) = (tunnel.node.unwrap_or_default(), tunnel.tenant.unwrap_or_default());
        match plan.initiator_of(&node, &tenant) {
            Some(initiator) if draining => view.draining[initiator] += 1,
            Some(initiator) => view.tunnels[initiator] += 1,
            None => view.unknown_nodes += 1,
        }
        nodes.insert((node, tenant));
    }
    let nodes = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let there = (handshakes, tunnels, nodes, streams);
    let said = (counts.handshakes, counts.tunnels, counts.nodes, counts.streams);
    if there != said {
        view.disagreement = Some(format!("gauges say {said:?} handshakes, tunnels, nodes and streams, not {there:?}"));
    }
    ResponderView { handshakes, streams, waiting: counts.waiting, ..view }
}

fn view_envoy_initiator(envoy: &EnvoyState, count: u16, publics: &[IpAddr]) -> Vec<InitiatorView> {
    let mut views = vec![InitiatorView { target: count, ..InitiatorView::default() }; publics.len()];
    for connection in envoy.connections() {
        let Peer::Host(host) = connection.peer else { continue };
        let to = publics.iter().position(|public| *public == host);
        let Some(view) = to.and_then(|to| views.get_mut(to)) else { continue };
        match connection.stage {
            Stage::Handshake => view.pending += 1,
            Stage::Draining => view.draining += 1,
            Stage::Idle | Stage::Active | Stage::Untracked => view.up += 1,
        }
    }
    views
}

fn view_envoy_responder(envoy: &EnvoyState, plan: &Plan) -> ResponderView {
    let none = vec![0; plan.initiators];
    let mut view = ResponderView { tunnels: none.clone(), draining: none, ..ResponderView::default() };
    for connection in envoy.connections() {
        let initiator = match &connection.peer {
            Peer::Node(tenant, node) => plan.initiator_of(node, tenant),
            Peer::Unknown | Peer::Host(_) => None,
        };
        match (connection.stage, initiator) {
            (Stage::Handshake, _) => view.handshakes += 1,
            (Stage::Draining, Some(initiator)) => view.draining[initiator] += 1,
            (_, Some(initiator)) => view.tunnels[initiator] += 1,
            (_, None) => view.unknown_nodes += 1,
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::clock;
    use crate::faults::Fault;
    use crate::plan::{Overrides, Plan};
    use crate::scenario::Scenario;
    use crate::world::in_world;

    /// Plays while the faults last and looks at everything in each tick, also at what had no turn: when that first showed
    /// something new.
    fn unseen_change(plan: &Plan) -> Option<Duration> {
        in_world(plan, None, async |mut world| {
            let mut unseen = None;
            while unseen.is_none() && clock::now() < plan.times.quiescent {
                let failure = world.tick().await;
                let known = world.history.events().len();
                world.observed.snapshots.clear();
                world.observe(clock::now());
                let is_new = failure.is_some() || world.history.events().len() > known;
                unseen = is_new.then(clock::now);
            }
            world.finish(None).await;
            unseen
        })
    }

    #[test]
    fn nothing_changes_where_nothing_had_a_turn() {
        let swarm = Scenario::find("swarm").expect("it is there");
        (0..4).for_each(|seed| assert_eq!(unseen_change(&swarm.plan(seed, &Overrides::default())), None));
        // What an operator orders is done in no task of the process.
        let drain = Scenario::find("node-drain").expect("it is there").plan(0, &Overrides::default());
        assert!(drain.faults.iter().any(|(_, fault)| matches!(fault, Fault::DrainNode { .. })));
        assert_eq!(unseen_change(&drain), None);
    }
}
