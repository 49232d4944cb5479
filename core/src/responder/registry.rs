//! Who can be reached: tenant → node → tunnels, and tenant → cluster → nodes.
//!
//! Names are looked up once; from there on nodes and clusters go by small keys. A key can only be had through its
//! tenant, which is how one tenant never reaches another's nodes. What is *listed* can take one more request: nodes
//! list tunnels, clusters list nodes that list a tunnel, and both lists are kept in constant time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::TargetName;
use super::fencing::Generations;
use super::name_index::NameIndex;
use super::tunnel::{Member, Tunnel};
use super::waiting::Queue;
use crate::TunnelId;
use crate::handshake::Instance;
use crate::identity::{ClusterId, Identity, NodeId};
use crate::table::{Key, Table};

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
key!(/// Names a cluster of the registry for as long as it is there.
    ClusterKey);

/// A node or a cluster of the registry: what a caller can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKey {
    /// A node.
    Node(NodeKey),
    /// A cluster.
    Cluster(ClusterKey),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Registry {
    pub(super) tenants: BTreeMap<Arc<str>, Tenant>,
    pub(super) nodes: Table<NodeKey, Node>,
    pub(super) clusters: Table<ClusterKey, Cluster>,
    /// Nodes with at least one tunnel.
    pub(super) connected_nodes: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tenant {
    pub(super) tunnels: u32,
    /// Requests under way or waiting.
    pub(super) requests: u32,
    /// Those of them that wait.
    pub(super) waiting: u32,
    pub(super) nodes: NameIndex<NodeKey>,
    pub(super) clusters: NameIndex<ClusterKey>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) tenant: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) tunnels: BTreeSet<TunnelId>,
    /// How many of them are draining.
    pub(super) draining: u32,
    pub(super) listed: Vec<TunnelId>,
    pub(super) streams: u32,
    pub(super) clusters: Vec<Membership>,
    pub(super) generations: Generations,
    pub(super) queue: Queue,
}

/// A node in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Membership {
    pub(super) cluster: ClusterKey,
    /// How many of the node's tunnels named this cluster.
    pub(super) tunnels: u32,
    /// The node's position in the cluster's list.
    pub(super) listed: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cluster {
    pub(super) tenant: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) nodes: u32,
    pub(super) tunnels: u32,
    pub(super) listed: Vec<NodeKey>,
    pub(super) queue: Queue,
}

impl Tenant {
    pub(super) fn node(&self, name: NodeId<'_>) -> Option<NodeKey> {
        self.nodes.get(name.as_str())
    }

    pub(super) fn cluster(&self, name: ClusterId<'_>) -> Option<ClusterKey> {
        self.clusters.get(name.as_str())
    }

    pub(super) fn target(&self, name: TargetName<'_>) -> Option<TargetKey> {
        match name {
            TargetName::Node(node) => self.node(node).map(TargetKey::Node),
            TargetName::Cluster(cluster) => self.cluster(cluster).map(TargetKey::Cluster),
        }
    }
}

impl Node {
    /// Tunnels that are not draining.
    pub(super) fn active(&self) -> u32 {
        position(self.tunnels.len()) - self.draining
    }
}

impl Registry {
    pub(super) const fn new() -> Self {
        Self { tenants: BTreeMap::new(), nodes: Table::new(), clusters: Table::new(), connected_nodes: 0 }
    }

    pub(super) fn node(&self, key: NodeKey) -> &Node {
        self.nodes.get(key).expect("whoever has a key keeps the node alive")
    }

    pub(super) fn node_mut(&mut self, key: NodeKey) -> &mut Node {
        self.nodes.get_mut(key).expect("whoever has a key keeps the node alive")
    }

    pub(super) fn cluster(&self, key: ClusterKey) -> &Cluster {
        self.clusters.get(key).expect("whoever has a key keeps the cluster alive")
    }

    pub(super) fn cluster_mut(&mut self, key: ClusterKey) -> &mut Cluster {
        self.clusters.get_mut(key).expect("whoever has a key keeps the cluster alive")
    }

    pub(super) fn queue_mut(&mut self, target: TargetKey) -> &mut Queue {
        match target {
            TargetKey::Node(node) => &mut self.node_mut(node).queue,
            TargetKey::Cluster(cluster) => &mut self.cluster_mut(cluster).queue,
        }
    }

    pub(super) fn node_name(&self, key: NodeKey) -> NodeId<'_> {
        NodeId::new(&self.node(key).name).expect("it was a node id when it was registered")
    }

    pub(super) fn cluster_name(&self, key: ClusterKey) -> ClusterId<'_> {
        ClusterId::new(&self.cluster(key).name).expect("it was a cluster id when it was registered")
    }

    /// The tenant that a target belongs to.
    pub(super) fn tenant_of(&mut self, target: TargetKey) -> &mut Tenant {
        let name = match target {
            TargetKey::Node(key) => &self.nodes.get(key).expect("whoever has a key keeps the node alive").tenant,
            TargetKey::Cluster(key) => {
                &self.clusters.get(key).expect("whoever has a key keeps the cluster alive").tenant
            }
        };
        self.tenants.get_mut(name).expect("a tenant outlives its nodes and clusters")
    }

    /// The key of `name`, made if it is not there. [`prune`](Self::prune) takes it away when nobody needs it.
    pub(super) fn target(&mut self, tenant: &str, name: TargetName<'_>) -> TargetKey {
        match name {
            TargetName::Node(node) => TargetKey::Node(self.node_key(tenant, node)),
            TargetName::Cluster(cluster) => TargetKey::Cluster(self.cluster_key(tenant, cluster)),
        }
    }

    /// Enters a tunnel, not listed yet.
    pub(super) fn join(
        &mut self,
        id: TunnelId,
        tenant: &str,
        identity: &Identity<'_>,
        instance: Option<Instance>,
    ) -> Member {
        let node_key = self.node_key(tenant, identity.node);
        let cluster_key = self.cluster_key(tenant, identity.cluster);
        let tenant_name = self.tenant_name(tenant);
        self.tenants.get_mut(&tenant_name).expect("its node was made above").tunnels += 1;
        let claimed = identity.tenant.as_str();
        let tenant = if *tenant_name == *claimed { tenant_name } else { Arc::from(claimed) };
        let node = self.nodes.get_mut(node_key).expect("made above");
        self.connected_nodes += u32::from(node.tunnels.is_empty());
        node.tunnels.insert(id);
        let cluster = self.clusters.get_mut(cluster_key).expect("made above");
        cluster.tunnels += 1;
        match node.clusters.iter_mut().find(|membership| membership.cluster == cluster_key) {
            Some(membership) => membership.tunnels += 1,
            None => {
                cluster.nodes += 1;
                let mut membership = Membership { cluster: cluster_key, tunnels: 1, listed: None };
                if !node.listed.is_empty() {
                    membership.listed = Some(position(cluster.listed.len()));
                    cluster.listed.push(node_key);
                }
                node.clusters.push(membership);
            }
        }
        Member { node: node_key, cluster: cluster_key, tenant, instance, streams: 0, listed: None }
    }

    /// Takes out a tunnel that is not listed any more.
    pub(super) fn leave(&mut self, id: TunnelId, member: &Member, draining: bool) {
        debug_assert!(member.listed.is_none(), "a tunnel is unlisted before it leaves");
        let node = self.node_mut(member.node);
        node.tunnels.remove(&id);
        node.streams -= member.streams;
        node.draining -= u32::from(draining);
        let disconnected = node.tunnels.is_empty();
        if disconnected {
            node.generations = Generations::NONE;
        }
        let tenant = node.tenant.clone();
        let tenant = self.tenants.get_mut(&tenant).expect("a node's tenant outlives it");
        tenant.tunnels -= 1;
        tenant.requests -= member.streams;
        self.connected_nodes -= u32::from(disconnected);
        self.leave_cluster(member.node, member.cluster);
        self.prune(TargetKey::Node(member.node));
        self.prune(TargetKey::Cluster(member.cluster));
    }

    fn leave_cluster(&mut self, node_key: NodeKey, cluster_key: ClusterKey) {
        let node = self.node_mut(node_key);
        let place = node.clusters.iter().position(|membership| membership.cluster == cluster_key);
        let place = place.expect("a tunnel's node is in the tunnel's cluster");
        node.clusters[place].tunnels -= 1;
        let left = node.clusters[place].tunnels;
        self.cluster_mut(cluster_key).tunnels -= 1;
        if left == 0 {
            let membership = self.node_mut(node_key).clusters.swap_remove(place);
            self.cluster_mut(cluster_key).nodes -= 1;
            if let Some(listed) = membership.listed {
                self.unlist_node(cluster_key, listed);
            }
        }
    }

    /// Forgets a node or cluster that has no tunnel and that nobody waits for.
    pub(super) fn prune(&mut self, target: TargetKey) {
        let tenant_name = match target {
            TargetKey::Node(key) => match self.nodes.get(key) {
                Some(node) if node.tunnels.is_empty() && node.queue.is_empty() => {
                    let node = self.nodes.remove(key).expect("found above");
                    let tenant = self.tenants.get_mut(&node.tenant).expect("a node's tenant outlives it");
                    tenant.nodes.remove(&node.name);
                    node.tenant
                }
                Some(_) | None => return,
            },
            TargetKey::Cluster(key) => match self.clusters.get(key) {
                Some(cluster) if cluster.nodes == 0 && cluster.queue.is_empty() => {
                    let cluster = self.clusters.remove(key).expect("found above");
                    let tenant = self.tenants.get_mut(&cluster.tenant).expect("a cluster's tenant outlives it");
                    tenant.clusters.remove(&cluster.name);
                    cluster.tenant
                }
                Some(_) | None => return,
            },
        };
        let tenant = &self.tenants[&tenant_name];
        if tenant.nodes.is_empty() && tenant.clusters.is_empty() {
            self.tenants.remove(&tenant_name);
        }
    }

    /// Lists a tunnel. Does nothing if it is listed already.
    pub(super) fn list(&mut self, tunnels: &mut Table<TunnelId, Tunnel>, id: TunnelId) {
        let member = member_of(tunnels, id);
        if member.listed.is_some() {
            return;
        }
        let node_key = member.node;
        let node = self.nodes.get_mut(node_key).expect("a tunnel's node outlives it");
        member.listed = Some(position(node.listed.len()));
        node.listed.push(id);
        if node.listed.len() == 1 {
            for membership in &mut node.clusters {
                let cluster = self.clusters.get_mut(membership.cluster).expect("a member's cluster outlives it");
                membership.listed = Some(position(cluster.listed.len()));
                cluster.listed.push(node_key);
            }
        }
    }

    /// Unlists a tunnel. Does nothing if it is not listed.
    pub(super) fn unlist(&mut self, tunnels: &mut Table<TunnelId, Tunnel>, id: TunnelId) {
        let member = member_of(tunnels, id);
        let Some(place) = member.listed.take() else { return };
        let node_key = member.node;
        let node = self.nodes.get_mut(node_key).expect("a tunnel's node outlives it");
        node.listed.swap_remove(place as usize);
        if let Some(moved) = node.listed.get(place as usize) {
            member_of(tunnels, *moved).listed = Some(place);
        }
        if node.listed.is_empty() {
            for index in 0..node.clusters.len() {
                let membership = &mut self.nodes.get_mut(node_key).expect("found above").clusters[index];
                let cluster = membership.cluster;
                let listed = membership.listed.take().expect("a node with a listed tunnel is listed everywhere");
                self.unlist_node(cluster, listed);
            }
        }
    }

    fn unlist_node(&mut self, cluster_key: ClusterKey, place: u32) {
        let cluster = self.cluster_mut(cluster_key);
        cluster.listed.swap_remove(place as usize);
        if let Some(moved) = cluster.listed.get(place as usize).copied() {
            let memberships = &mut self.node_mut(moved).clusters;
            let membership = memberships.iter_mut().find(|membership| membership.cluster == cluster_key);
            membership.expect("a cluster lists only its members").listed = Some(place);
        }
    }

    fn node_key(&mut self, tenant: &str, name: NodeId<'_>) -> NodeKey {
        if let Some(key) = self.tenants.get(tenant).and_then(|tenant| tenant.node(name)) {
            return key;
        }
        let (tenant, name) = (self.tenant_name(tenant), Arc::<str>::from(name.as_str()));
        let key = self.nodes.insert(Node {
            tenant: tenant.clone(),
            name: name.clone(),
            tunnels: BTreeSet::new(),
            draining: 0,
            listed: Vec::new(),
            streams: 0,
            clusters: Vec::new(),
            generations: Generations::NONE,
            queue: Queue::EMPTY,
        });
        self.tenants.entry(tenant).or_default().nodes.insert(name, key);
        key
    }

    fn cluster_key(&mut self, tenant: &str, name: ClusterId<'_>) -> ClusterKey {
        if let Some(key) = self.tenants.get(tenant).and_then(|tenant| tenant.cluster(name)) {
            return key;
        }
        let (tenant, name) = (self.tenant_name(tenant), Arc::<str>::from(name.as_str()));
        let key = self.clusters.insert(Cluster {
            tenant: tenant.clone(),
            name: name.clone(),
            nodes: 0,
            tunnels: 0,
            listed: Vec::new(),
            queue: Queue::EMPTY,
        });
        self.tenants.entry(tenant).or_default().clusters.insert(name, key);
        key
    }

    fn tenant_name(&self, tenant: &str) -> Arc<str> {
        self.tenants.get_key_value(tenant).map_or_else(|| Arc::from(tenant), |(name, _)| name.clone())
    }
}

fn member_of(tunnels: &mut Table<TunnelId, Tunnel>, id: TunnelId) -> &mut Member {
    let tunnel = tunnels.get_mut(id).expect("the registry holds only living tunnels");
    tunnel.member_mut().expect("the registry holds only accepted tunnels")
}

fn position(index: usize) -> u32 {
    u32::try_from(index).expect("tunnels are counted in 32 bits")
}
