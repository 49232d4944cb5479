//! What every process has, as its own handle tells it, and who dialled whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use revtun::initiator::InitiatorHandle;
use revtun::responder::ResponderHandle;

use super::Region;
use crate::cast::envoy::state::{Peer, Stage, State};
use crate::history::{Fact, InitiatorView, ResponderView};
use crate::host::Local;
use crate::net::Place;
use crate::plan::Plan;

/// How often the machines of a large world are looked at.
const SELDOM: Duration = Duration::from_millis(250);

/// A change of a process' memory that is noted, in bytes.
const NOTABLE: usize = 64 * 1024;

/// What was seen last.
#[derive(Default)]
pub(super) struct Seen {
    next: Duration,
    initiators: BTreeMap<(Place, usize), InitiatorView>,
    responders: BTreeMap<Place, ResponderView>,
    panicked: BTreeSet<Place>,
    memory: BTreeMap<Place, usize>,
}

impl Region {
    /// Notes what changed.
    pub(super) fn glance(&mut self, now: Duration) {
        for (from, to) in self.wire.take_dials() {
            if matches!(to, Place::Responder(_) | Place::Stranger) && matches!(from, Place::Initiator(_)) {
                self.history.add(Fact::Dialled { from, to });
            }
        }
        if self.plan.is_large() {
            if now < self.seen.next {
                return;
            }
            self.seen.next = now + SELDOM;
        }
        let Self { sites, seen, history, plan, held, .. } = self;
        let publics: Vec<IpAddr> = sites.values().filter_map(|site| site.public).collect();
        for (place, site) in &*sites {
            for process in site.process.iter().chain(&site.service) {
                if let Some(said) = process.panic().filter(|_| seen.panicked.insert(*place)) {
                    history.add(Fact::Panicked { place: *place, said });
                }
            }
            match *place {
                Place::Initiator(_) => {
                    let views = match &site.envoy {
                        Some(envoy) => view_envoy_initiator(envoy, site.count, &publics),
                        None => view_initiator(site.initiator.get().as_deref(), site.count, &publics),
                    };
                    for (to, view) in views.into_iter().enumerate() {
                        if seen.initiators.insert((*place, to), view) != Some(view) {
                            history.add(Fact::Initiator { place: *place, to, view });
                        }
                    }
                }
                Place::Responder(_) => {
                    let view = match &site.envoy {
                        Some(envoy) => view_envoy_responder(envoy, plan),
                        None => view_responder(site.responder.get().as_deref(), plan),
                    };
                    if seen.responders.get(place) != Some(&view) {
                        seen.responders.insert(*place, view.clone());
                        history.add(Fact::Responder { place: *place, view });
                    }
                }
                Place::Caller | Place::Stranger => continue,
            }
            // Behind what it has, which explains it. What an Envoy holds is no business of ours.
            let ours = site.process.as_ref().filter(|_| site.envoy.is_none());
            let bytes = ours.map_or(0, |process| process.memory());
            let last = seen.memory.entry(*place).or_default();
            if bytes.abs_diff(*last) >= NOTABLE {
                *last = bytes;
                held.push((*place, bytes));
            }
        }
    }
}

fn view_initiator(handle: Option<&InitiatorHandle<Local>>, count: u16, publics: &[IpAddr]) -> Vec<InitiatorView> {
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

fn view_responder(handle: Option<&ResponderHandle<Local>>, plan: &Plan) -> ResponderView {
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
            None => view.strangers += 1,
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

fn view_envoy_initiator(envoy: &State, count: u16, publics: &[IpAddr]) -> Vec<InitiatorView> {
    let mut views = vec![InitiatorView { target: count, ..InitiatorView::default() }; publics.len()];
    for row in envoy.rows() {
        let Peer::Host(host) = row.peer else { continue };
        let to = publics.iter().position(|public| *public == host);
        let Some(view) = to.and_then(|to| views.get_mut(to)) else { continue };
        match row.stage {
            Stage::Handshake => view.pending += 1,
            Stage::Draining => view.draining += 1,
            Stage::Parked | Stage::Used | Stage::Untracked => view.up += 1,
        }
    }
    views
}

fn view_envoy_responder(envoy: &State, plan: &Plan) -> ResponderView {
    let none = vec![0; plan.initiators];
    let mut view = ResponderView { tunnels: none.clone(), draining: none, ..ResponderView::default() };
    for row in envoy.rows() {
        let initiator = match &row.peer {
            Peer::Node(tenant, node) => plan.initiator_of(node, tenant),
            Peer::Unknown | Peer::Host(_) => None,
        };
        match (row.stage, initiator) {
            (Stage::Handshake, _) => view.handshakes += 1,
            (Stage::Draining, Some(initiator)) => view.draining[initiator] += 1,
            (_, Some(initiator)) => view.tunnels[initiator] += 1,
            (_, None) => view.strangers += 1,
        }
    }
    view
}
