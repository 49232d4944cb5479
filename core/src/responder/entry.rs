//! What the registry knows: tenants, nodes, groups of nodes, and the keys by which they go.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::TargetName;
use super::fencing::Generations;
use super::name_index::NameIndex;
use super::waiting::Queue;
use crate::TunnelId;
use crate::identity::{ClusterId, NodeId};
use crate::table::Key;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            slot: u32,
            generation: u32,
        }

        impl Key for $name {
            fn new(slot: u32, generation: u32) -> Self {
                Self { slot, generation }
            }

            fn slot(self) -> usize {
                self.slot as usize
            }

            fn generation(self) -> u32 {
                self.generation
            }
        }
    };
}

key!(/// Names a node of the registry for as long as it is there.
    NodeKey);
key!(/// Names a name of nodes of the registry for as long as it is there.
    NameKey);
key!(/// Names a cluster of the registry for as long as it is there.
    ClusterKey);

/// Nodes that have something in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKey {
    /// Their name. There is one of each cluster at most.
    Name(NameKey),
    /// Their cluster.
    Cluster(ClusterKey),
}

/// What a caller can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKey {
    /// A node of a cluster.
    Node(NodeKey),
    /// The node of a name, whatever its cluster, or any node of a cluster.
    Group(GroupKey),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tenant {
    pub(super) tunnels: u32,
    /// Requests under way or waiting.
    pub(super) requests: u32,
    /// Those of them that wait.
    pub(super) waiting: u32,
    pub(super) names: NameIndex<GroupKey>,
    pub(super) clusters: NameIndex<GroupKey>,
    /// By name and cluster.
    pub(super) nodes: BTreeMap<(GroupKey, GroupKey), NodeKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) tenant: Arc<str>,
    /// The group of those with the same name.
    pub(super) name: GroupKey,
    pub(super) cluster: GroupKey,
    pub(super) tunnels: BTreeSet<TunnelId>,
    /// How many of them are draining.
    pub(super) draining: u32,
    pub(super) listed: Vec<TunnelId>,
    pub(super) streams: u32,
    /// The node's positions in the lists of its name and of its cluster, while it lists a tunnel.
    pub(super) places: Option<[u32; 2]>,
    pub(super) generations: Generations,
    pub(super) queue: Queue,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) tenant: Arc<str>,
    pub(super) name: Arc<str>,
    /// Nodes, those without a tunnel that somebody waits for included.
    pub(super) nodes: u32,
    /// Nodes with a tunnel that is not draining.
    pub(super) staying: u32,
    pub(super) tunnels: u32,
    pub(super) listed: Vec<NodeKey>,
    pub(super) queue: Queue,
}

impl Tenant {
    pub(super) fn cluster(&self, name: ClusterId<'_>) -> Option<GroupKey> {
        self.clusters.get(name.as_str())
    }

    pub(super) fn member(&self, node: NodeId<'_>, cluster: ClusterId<'_>) -> Option<NodeKey> {
        self.nodes.get(&(self.names.get(node.as_str())?, self.cluster(cluster)?)).copied()
    }

    pub(super) fn target(&self, name: TargetName<'_>) -> Option<TargetKey> {
        match name {
            TargetName::Node(node) => self.names.get(node.as_str()).map(TargetKey::Group),
            TargetName::Member { node, cluster } => self.member(node, cluster).map(TargetKey::Node),
            TargetName::Cluster(cluster) => self.cluster(cluster).map(TargetKey::Group),
        }
    }
}

impl Node {
    /// How many tunnels are not draining.
    pub(super) fn staying(&self) -> u32 {
        u32::try_from(self.tunnels.len()).expect("tunnels are counted in 32 bits") - self.draining
    }

    /// Its name and its cluster.
    pub(super) const fn groups(&self) -> [GroupKey; 2] {
        [self.name, self.cluster]
    }
}

impl Group {
    pub(super) fn new(tenant: Arc<str>, name: &str) -> Self {
        let (listed, queue) = (Vec::new(), Queue::EMPTY);
        Self { tenant, name: Arc::from(name), nodes: 0, staying: 0, tunnels: 0, listed, queue }
    }

    /// The name that is common to nodes.
    pub(super) fn node_id(&self) -> NodeId<'_> {
        NodeId::new(&self.name).expect("it was a node id when it was registered")
    }

    /// The name of the cluster.
    pub(super) fn cluster_id(&self) -> ClusterId<'_> {
        ClusterId::new(&self.name).expect("it was a cluster id when it was registered")
    }
}
