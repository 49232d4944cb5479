//! A state in the words of `spec/Responder.tla`, for comparing the two.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::drain::DrainStage;
use super::entry::{GroupKey, Node, NodeKey};
use super::tunnel::{DrainCause, Draining, Keepalive, Member, Phase, Tunnel};
use super::waiting::Queue;
use super::{Responder, StreamId, TargetName};
use crate::TunnelId;
use crate::handshake::Instance;
use crate::identity::{Identity, TenantId};

/// What the specification sees of a state. Who carries which request is not in it: only the callers know.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecState<'a> {
    /// Every tunnel, by slot.
    pub tunnels: Vec<SpecTunnel<'a>>,
    /// Every node that has a tunnel.
    pub nodes: Vec<SpecNode<'a>>,
    /// Everything that somebody waits for.
    pub queues: Vec<SpecQueue<'a>>,
    /// How far the drain of everything is.
    pub drain: &'static str,
}

/// What the specification sees of a tunnel.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecTunnel<'a> {
    /// Its name.
    pub id: TunnelId,
    /// Its stage.
    pub stage: &'static str,
    /// Who is at the other end; none before the handshake is done.
    pub peer: Option<(Identity<'a>, Option<Instance>)>,
    /// Requests under way.
    pub streams: u32,
    /// How many of them the initiator takes, and we send.
    pub limit: u32,
    /// Whether it can take one more.
    pub listed: bool,
}

/// What the specification sees of the processes of a node.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecNode<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The cluster.
    pub cluster: &'a str,
    /// The node.
    pub name: &'a str,
    /// The process that gets work.
    pub current: Option<Instance>,
    /// Those that it displaced.
    pub displaced: Vec<Instance>,
    /// Whether one of them turned out to be alive.
    pub contended: bool,
}

/// What the specification sees of a queue.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecQueue<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// What they wait for.
    pub name: TargetName<'a>,
    /// Who waits, first come first. Streams are numbered by age, so this is the order among all queues, too.
    pub queue: Vec<StreamId>,
    /// Whether one of them is about to be served.
    pub serving: bool,
}

impl Responder {
    /// This state as the specification sees it.
    #[doc(hidden)]
    #[must_use]
    pub fn spec_state(&self) -> SpecState<'_> {
        let tunnels = self.tunnels.iter().map(|(id, tunnel)| self.spec_tunnel(id, tunnel));
        let nodes = self.registry.nodes.iter().filter(|(_, node)| !node.tunnels.is_empty());
        let for_nodes = self.registry.nodes.iter().filter_map(|(key, node)| {
            let (node_name, cluster) = (self.registry.node_name(key), self.registry.cluster_name(key));
            queue(&node.tenant, TargetName::Member { node: node_name, cluster }, &node.queue)
        });
        let for_groups = self.registry.groups().filter_map(|(key, group)| {
            let name = match key {
                GroupKey::Name(_) => TargetName::Node(group.node_id()),
                GroupKey::Cluster(_) => TargetName::Cluster(group.cluster_id()),
            };
            queue(&group.tenant, name, &group.queue)
        });
        SpecState {
            tunnels: tunnels.collect(),
            nodes: nodes.map(|(key, node)| self.processes(key, node)).collect(),
            queues: for_nodes.chain(for_groups).collect(),
            drain: match self.drain.map(|drain| drain.stage) {
                None => "no",
                Some(DrainStage::Telling { .. }) => "telling",
                Some(DrainStage::Finishing) => "finishing",
                Some(DrainStage::Closing { .. }) => "closing",
                Some(DrainStage::Over) => "over",
            },
        }
    }

    fn spec_tunnel<'a>(&'a self, id: TunnelId, tunnel: &'a Tunnel) -> SpecTunnel<'a> {
        let peer = |member: &'a Member| {
            let identity = Identity {
                node: self.registry.node_name(member.node),
                cluster: self.registry.cluster_name(member.node),
                tenant: TenantId::new(&member.tenant).expect("it was a tenant id when the tunnel was registered"),
            };
            (identity, member.instance)
        };
        SpecTunnel {
            id,
            stage: stage(&tunnel.phase),
            peer: tunnel.member().map(peer),
            streams: tunnel.member().map_or(0, |member| member.streams),
            limit: tunnel.member().map_or(u32::MAX, |member| member.peer_max_streams).min(self.config.max_streams),
            listed: tunnel.member().is_some_and(|member| member.listed.is_some()),
        }
    }

    fn processes<'a>(&'a self, key: NodeKey, node: &'a Node) -> SpecNode<'a> {
        let displaced: BTreeSet<_> = node.generations.displaced.iter().flatten().copied().collect();
        SpecNode {
            tenant: &node.tenant,
            cluster: self.registry.cluster_name(key).as_str(),
            name: self.registry.node_name(key).as_str(),
            current: node.generations.current,
            displaced: displaced.into_iter().collect(),
            contended: node.generations.contended,
        }
    }
}

const fn stage(phase: &Phase) -> &'static str {
    match phase {
        Phase::Handshaking => "handshaking",
        Phase::Rejected => "rejected",
        Phase::Settling(_) => "settling",
        Phase::Idle(_, Keepalive::Resting) => "resting",
        Phase::Idle(_, Keepalive::Awaiting { .. }) => "awaiting",
        Phase::InUse(_) => "inuse",
        Phase::Draining(_, Draining { cause: DrainCause::PeerGoaway | DrainCause::ConnectionLost, .. }) => "parting",
        Phase::Draining(
            _,
            Draining {
                cause: DrainCause::Operator | DrainCause::Superseded | DrainCause::Expired | DrainCause::Revoked,
                goaway_sent: false,
                ..
            },
        ) => "retiring",
        Phase::Draining(
            _,
            Draining {
                cause: DrainCause::Operator | DrainCause::Superseded | DrainCause::Expired | DrainCause::Revoked,
                goaway_sent: true,
                ..
            },
        ) => "draining",
    }
}

fn queue<'a>(tenant: &'a str, name: TargetName<'a>, queue: &Queue) -> Option<SpecQueue<'a>> {
    let serving = queue.alarm.get().is_some();
    let queue: Vec<_> = queue.callers.iter().copied().collect();
    (!queue.is_empty() || serving).then_some(SpecQueue { tenant, name, queue, serving })
}
