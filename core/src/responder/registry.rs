//! Who can be reached: tenant → node of a cluster → tunnels; and by one name alone: tenant → cluster → nodes, and tenant →
//! name → the nodes that have it, one for each cluster.
//!
//! A node is known by its tenant, its cluster *and* its name: nodes of the same name in two clusters have nothing in
//! common but that name. Names are looked up once; from there on nodes and groups of them go by small keys. A key can
//! only be had through its tenant, which is how one tenant never reaches another's nodes. What is *listed* can take one
//! more request: nodes list tunnels, groups list nodes that list a tunnel, and both lists are kept in constant time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::TargetName;
use super::entry::{ClusterKey, Group, GroupKey, NameKey, Node, NodeKey, TargetKey, Tenant};
use super::fencing::Generations;
use super::tunnel::{Member, Tunnel};
use super::waiting::Queue;
use crate::TunnelId;
use crate::handshake::Instance;
use crate::identity::{ClusterId, Identity, NodeId};
use crate::table::Table;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Registry {
    pub(super) tenants: BTreeMap<Arc<str>, Tenant>,
    pub(super) nodes: Table<NodeKey, Node>,
    pub(super) names: Table<NameKey, Group>,
    pub(super) clusters: Table<ClusterKey, Group>,
    /// Nodes with at least one tunnel.
    pub(super) connected_nodes: u32,
}

impl Registry {
    pub(super) const fn new() -> Self {
        Self {
            tenants: BTreeMap::new(),
            nodes: Table::new(),
            names: Table::new(),
            clusters: Table::new(),
            connected_nodes: 0,
        }
    }

    pub(super) fn node(&self, key: NodeKey) -> &Node {
        self.nodes.get(key).expect("whoever has a key keeps the node alive")
    }

    pub(super) fn node_mut(&mut self, key: NodeKey) -> &mut Node {
        self.nodes.get_mut(key).expect("whoever has a key keeps the node alive")
    }

    pub(super) fn group(&self, key: GroupKey) -> &Group {
        self.known_group(key).expect("whoever has a key keeps the group alive")
    }

    fn known_group(&self, key: GroupKey) -> Option<&Group> {
        match key {
            GroupKey::Name(key) => self.names.get(key),
            GroupKey::Cluster(key) => self.clusters.get(key),
        }
    }

    fn group_mut(&mut self, key: GroupKey) -> &mut Group {
        let group = match key {
            GroupKey::Name(key) => self.names.get_mut(key),
            GroupKey::Cluster(key) => self.clusters.get_mut(key),
        };
        group.expect("whoever has a key keeps the group alive")
    }

    /// Every name, then every cluster.
    pub(super) fn groups(&self) -> impl Iterator<Item = (GroupKey, &Group)> + '_ {
        let names = self.names.iter().map(|(key, group)| (GroupKey::Name(key), group));
        names.chain(self.clusters.iter().map(|(key, group)| (GroupKey::Cluster(key), group)))
    }

    pub(super) fn queue(&self, target: TargetKey) -> &Queue {
        match target {
            TargetKey::Node(node) => &self.node(node).queue,
            TargetKey::Group(group) => &self.group(group).queue,
        }
    }

    pub(super) fn queue_mut(&mut self, target: TargetKey) -> &mut Queue {
        match target {
            TargetKey::Node(node) => &mut self.node_mut(node).queue,
            TargetKey::Group(group) => &mut self.group_mut(group).queue,
        }
    }

    /// What callers that a tunnel of the node can serve may wait for.
    pub(super) fn targets_of(&self, key: NodeKey) -> [TargetKey; 3] {
        let node = self.node(key);
        [TargetKey::Node(key), TargetKey::Group(node.name), TargetKey::Group(node.cluster)]
    }

    pub(super) fn node_name(&self, key: NodeKey) -> NodeId<'_> {
        self.group(self.node(key).name).node_id()
    }

    pub(super) fn cluster_name(&self, key: NodeKey) -> ClusterId<'_> {
        self.group(self.node(key).cluster).cluster_id()
    }

    /// The tenant that a target belongs to.
    pub(super) fn tenant_of(&mut self, target: TargetKey) -> &mut Tenant {
        let name = match target {
            TargetKey::Node(key) => &self.nodes.get(key).expect("whoever has a key keeps the node alive").tenant,
            TargetKey::Group(GroupKey::Name(key)) => {
                &self.names.get(key).expect("whoever has a key keeps the name alive").tenant
            }
            TargetKey::Group(GroupKey::Cluster(key)) => {
                &self.clusters.get(key).expect("whoever has a key keeps the cluster alive").tenant
            }
        };
        self.tenants.get_mut(name).expect("a tenant outlives its nodes and groups")
    }

    /// The key of `name`, made if it is not there. [`prune`](Self::prune) takes it away when nobody needs it.
    pub(super) fn target(&mut self, tenant: &str, name: TargetName<'_>) -> TargetKey {
        match name {
            TargetName::Node(node) => TargetKey::Group(self.name_key(tenant, node)),
            TargetName::Member { node, cluster } => TargetKey::Node(self.node_key(tenant, node, cluster)),
            TargetName::Cluster(cluster) => TargetKey::Group(self.cluster_key(tenant, cluster)),
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
        let node_key = self.node_key(tenant, identity.node, identity.cluster);
        let node = self.nodes.get_mut(node_key).expect("made above");
        let tenant_name = node.tenant.clone();
        self.connected_nodes += u32::from(node.tunnels.is_empty());
        let returns = node.staying() == 0;
        node.tunnels.insert(id);
        for group in node.groups() {
            let group = self.group_mut(group);
            group.tunnels += 1;
            group.staying += u32::from(returns);
        }
        self.tenants.get_mut(&tenant_name).expect("a node's tenant outlives it").tunnels += 1;
        let claimed = identity.tenant.as_str();
        let tenant = if *tenant_name == *claimed { tenant_name } else { Arc::from(claimed) };
        Member { node: node_key, tenant, instance, streams: 0, peer_max_streams: u32::MAX, listed: None }
    }

    /// One more of the node's tunnels is draining.
    pub(super) fn depart(&mut self, key: NodeKey) {
        let node = self.node_mut(key);
        node.draining += 1;
        self.left_by_one(key);
    }

    /// One less of the node's tunnels is staying.
    fn left_by_one(&mut self, key: NodeKey) {
        let node = self.node(key);
        if node.staying() == 0 {
            for group in node.groups() {
                self.group_mut(group).staying -= 1;
            }
        }
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
        let groups = node.groups();
        if !draining {
            self.left_by_one(member.node);
        }
        let tenant = self.tenant_of(TargetKey::Node(member.node));
        tenant.tunnels -= 1;
        tenant.requests -= member.streams;
        self.connected_nodes -= u32::from(disconnected);
        for group in groups {
            self.group_mut(group).tunnels -= 1;
        }
        self.prune(TargetKey::Node(member.node));
    }

    /// Forgets a node that has no tunnel, or a group that has no node, and that nobody waits for; and what was there for
    /// it alone.
    pub(super) fn prune(&mut self, target: TargetKey) {
        match target {
            TargetKey::Node(key) => {
                let unused = self.nodes.get(key).is_some_and(|it| it.tunnels.is_empty() && it.queue.is_empty());
                if unused {
                    let node = self.nodes.remove(key).expect("found above");
                    let tenant = self.tenants.get_mut(&node.tenant).expect("a node's tenant outlives it");
                    tenant.nodes.remove(&(node.name, node.cluster));
                    for group in node.groups() {
                        self.group_mut(group).nodes -= 1;
                        self.prune_group(group);
                    }
                }
            }
            TargetKey::Group(key) => self.prune_group(key),
        }
    }

    fn prune_group(&mut self, key: GroupKey) {
        if self.known_group(key).is_some_and(|group| group.nodes == 0 && group.queue.is_empty()) {
            let removed = match key {
                GroupKey::Name(key) => self.names.remove(key),
                GroupKey::Cluster(key) => self.clusters.remove(key),
            };
            let group = removed.expect("found above");
            let tenant = self.tenants.get_mut(&group.tenant).expect("a group's tenant outlives it");
            match key {
                GroupKey::Name(_) => tenant.names.remove(&group.name),
                GroupKey::Cluster(_) => tenant.clusters.remove(&group.name),
            }
            if tenant.names.is_empty() && tenant.clusters.is_empty() {
                self.tenants.remove(&group.tenant);
            }
        }
    }

    /// Lists a tunnel. Does nothing if it is listed already.
    pub(super) fn list(&mut self, tunnels: &mut Table<TunnelId, Tunnel>, id: TunnelId) {
        let member = member_of(tunnels, id);
        if member.listed.is_some() {
            return;
        }
        let node_key = member.node;
        let node = self.node_mut(node_key);
        member.listed = Some(position(node.listed.len()));
        node.listed.push(id);
        if node.listed.len() == 1 {
            let places = node.groups().map(|group| {
                let listed = &mut self.group_mut(group).listed;
                listed.push(node_key);
                position(listed.len() - 1)
            });
            self.node_mut(node_key).places = Some(places);
        }
    }

    /// Unlists a tunnel. Does nothing if it is not listed.
    pub(super) fn unlist(&mut self, tunnels: &mut Table<TunnelId, Tunnel>, id: TunnelId) {
        let member = member_of(tunnels, id);
        let Some(place) = member.listed.take() else { return };
        let node = self.node_mut(member.node);
        node.listed.swap_remove(place as usize);
        if let Some(moved) = node.listed.get(place as usize) {
            member_of(tunnels, *moved).listed = Some(place);
        }
        if node.listed.is_empty() {
            let groups = node.groups();
            let places = node.places.take().expect("a node with a listed tunnel is listed");
            for (which, place) in places.into_iter().enumerate() {
                self.unlist_node(groups, which, place);
            }
        }
    }

    /// Takes the node at `place` out of the list of its name or its cluster, the first or second of `groups`.
    fn unlist_node(&mut self, groups: [GroupKey; 2], which: usize, place: u32) {
        let listed = &mut self.group_mut(groups[which]).listed;
        listed.swap_remove(place as usize);
        if let Some(moved) = listed.get(place as usize).copied() {
            let places = self.node_mut(moved).places.as_mut();
            places.expect("a group lists only nodes that are listed")[which] = place;
        }
    }

    fn node_key(&mut self, tenant: &str, node: NodeId<'_>, cluster: ClusterId<'_>) -> NodeKey {
        if let Some(key) = self.tenants.get(tenant).and_then(|tenant| tenant.member(node, cluster)) {
            return key;
        }
        let name = self.name_key(tenant, node);
        let cluster = self.cluster_key(tenant, cluster);
        let tenant = self.tenant_name(tenant);
        let key = self.nodes.insert(Node {
            tenant: tenant.clone(),
            name,
            cluster,
            tunnels: BTreeSet::new(),
            draining: 0,
            listed: Vec::new(),
            streams: 0,
            places: None,
            generations: Generations::NONE,
            queue: Queue::EMPTY,
        });
        for group in [name, cluster] {
            self.group_mut(group).nodes += 1;
        }
        self.tenants.get_mut(&tenant).expect("made with its groups").nodes.insert((name, cluster), key);
        key
    }

    fn name_key(&mut self, tenant: &str, node: NodeId<'_>) -> GroupKey {
        if let Some(key) = self.tenants.get(tenant).and_then(|tenant| tenant.names.get(node.as_str())) {
            return key;
        }
        let group = Group::new(self.tenant_name(tenant), node.as_str());
        let (tenant, name) = (group.tenant.clone(), group.name.clone());
        let key = GroupKey::Name(self.names.insert(group));
        self.tenants.entry(tenant).or_default().names.insert(name, key);
        key
    }

    fn cluster_key(&mut self, tenant: &str, cluster: ClusterId<'_>) -> GroupKey {
        if let Some(key) = self.tenants.get(tenant).and_then(|tenant| tenant.cluster(cluster)) {
            return key;
        }
        let group = Group::new(self.tenant_name(tenant), cluster.as_str());
        let (tenant, name) = (group.tenant.clone(), group.name.clone());
        let key = GroupKey::Cluster(self.clusters.insert(group));
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
