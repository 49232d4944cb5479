//! What must always hold, worked out from the tunnels themselves rather than from the counts and lists beside them.

use alloc::collections::{BTreeMap, BTreeSet};

use super::drain::DrainStage;
use super::entry::{Group, GroupKey, NodeKey, TargetKey};
use super::tunnel::{Counts, Draining, Keepalive, Member, Phase, Tunnel};
use super::{Responder, Timer};
use crate::TunnelId;

#[derive(Default)]
struct SeenNode {
    tunnels: BTreeSet<TunnelId>,
    listed: BTreeSet<TunnelId>,
    streams: u32,
    draining: u32,
}

impl Responder {
    pub(super) fn check_invariants(&self) {
        let mut counts = Counts { stale: self.counts.stale, ..Counts::NONE };
        let mut nodes = BTreeMap::<NodeKey, SeenNode>::new();
        for (id, tunnel) in self.tunnels.iter() {
            self.check_timer(id, tunnel);
            match tunnel.member() {
                None => counts.handshakes += 1,
                Some(member) => {
                    counts.tunnels += 1;
                    counts.streams += member.streams;
                    self.check_member(id, tunnel, member, nodes.entry(member.node).or_default());
                }
            }
        }
        counts.nodes = u32::try_from(nodes.len()).expect("fewer nodes than tunnels");
        counts.waiting = u32::try_from(self.waiting.0.len()).expect("fewer waiting than streams");
        assert_eq!(self.counts, counts, "the gauges agree with what is there");
        assert!(counts.tunnels <= self.config.max_tunnels && counts.waiting <= self.config.max_waiting, "limits hold");
        self.check_nodes(&nodes);
        self.check_groups();
        self.check_tenants();
        self.check_admission();
        self.check_waiting();
        self.check_timers();
    }

    fn check_timer(&self, id: TunnelId, tunnel: &Tunnel) {
        let armed = tunnel.alarm.get().expect("every tunnel has a timer, so none can be forgotten");
        assert!(self.timers.contains(&armed), "an armed alarm is in the table");
        let fits = match &tunnel.phase {
            Phase::Handshaking => armed.1 == Timer::HandshakeTimeout(id),
            Phase::Rejected => armed.1 == Timer::Linger(id),
            Phase::Settling(_) => armed.1 == Timer::Settle(id),
            Phase::Idle(_, Keepalive::Resting) => armed.1 == Timer::Ping(id),
            Phase::Idle(_, Keepalive::Awaiting { .. }) => armed.1 == Timer::EchoTimeout(id),
            Phase::InUse(_) => armed.1 == Timer::Silence(id),
            Phase::Draining(_, Draining { goaway_sent: false, .. }) => armed.1 == Timer::Retire(id),
            Phase::Draining(member, Draining { goaway_sent: true, .. }) => match member.streams {
                0 => armed.1 == Timer::Linger(id),
                _ => armed.1 == Timer::Grace(id),
            },
        };
        assert!(fits, "{:?} does not go with {:?}", armed.1, tunnel.phase);
    }

    fn check_member(&self, id: TunnelId, tunnel: &Tunnel, member: &Member, seen: &mut SeenNode) {
        let limit = self.config.max_streams;
        assert!(member.streams <= limit, "no tunnel carries more than it may");
        let findable = match tunnel.phase {
            Phase::Idle(..) => true,
            Phase::InUse(_) => member.has_room(limit),
            Phase::Settling(_) => member.listed.is_some(),
            Phase::Draining(..) => false,
            Phase::Handshaking | Phase::Rejected => unreachable!("no member"),
        };
        assert_eq!(member.listed.is_some(), findable, "exactly what can take work can be found");
        let node = self.registry.node(member.node);
        if let Some(place) = member.listed {
            assert_eq!(node.listed.get(place as usize), Some(&id), "a listed tunnel stands where it says");
            seen.listed.insert(id);
        }
        if self.config.tenant_isolation {
            let tenant = self.registry.tenants.get(&member.tenant).expect("a tunnel's tenant is known");
            let (node, cluster) = (self.registry.node_name(member.node), self.registry.cluster_name(member.node));
            assert_eq!(tenant.member(node, cluster), Some(member.node), "a tunnel is its own tenant's");
        }
        seen.tunnels.insert(id);
        seen.streams += member.streams;
        seen.draining += u32::from(tunnel.is_draining());
    }

    fn check_nodes(&self, seen: &BTreeMap<NodeKey, SeenNode>) {
        for (key, node) in self.registry.nodes.iter() {
            let nobody = SeenNode::default();
            let seen = seen.get(&key).unwrap_or(&nobody);
            assert_eq!(node.tunnels, seen.tunnels, "a node has its tunnels");
            assert_eq!((node.streams, node.draining), (seen.streams, seen.draining), "a node's counts agree");
            assert_eq!(node.listed.iter().copied().collect::<BTreeSet<_>>(), seen.listed, "a node lists its tunnels");
            assert_eq!(node.listed.len(), seen.listed.len(), "a tunnel is listed once");
            assert_eq!(node.places.is_some(), !node.listed.is_empty(), "a node that lists a tunnel is listed");
            assert!(node.staying() <= self.config.max_tunnels_per_node, "a node has no more tunnels than it may");
            assert!(!node.tunnels.is_empty() || !node.queue.is_empty(), "a node that nobody needs is forgotten");
            self.check_queue(TargetKey::Node(key), !node.listed.is_empty());
        }
    }

    fn check_tenants(&self) {
        let mut seen = BTreeMap::<&str, (u32, u32, u32)>::new();
        for (_, node) in self.registry.nodes.iter() {
            let (tunnels, requests, waiting) = seen.entry(&node.tenant).or_default();
            let queue = u32::try_from(node.queue.callers.len()).expect("fewer waiting than streams");
            *tunnels += u32::try_from(node.tunnels.len()).expect("tunnels are counted in 32 bits");
            *requests += node.streams + queue;
            *waiting += queue;
        }
        for (_, group) in self.registry.groups() {
            let (_, requests, waiting) = seen.entry(&group.tenant).or_default();
            let queue = u32::try_from(group.queue.callers.len()).expect("fewer waiting than streams");
            *requests += queue;
            *waiting += queue;
        }
        let counted = self.registry.tenants.iter().map(|(name, it)| (&**name, (it.tunnels, it.requests, it.waiting)));
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), seen, "a tenant's counts agree");
        for (tunnels, requests, waiting) in seen.into_values() {
            assert!(
                tunnels <= self.config.of_tenant(self.config.max_tunnels_per_tenant),
                "a tenant has no more tunnels than it may"
            );
            assert!(
                requests <= self.config.of_tenant(self.config.max_streams_per_tenant),
                "a tenant has no more requests than it may"
            );
            assert!(
                waiting <= self.config.of_tenant(self.config.max_waiting_per_tenant),
                "no more callers of a tenant wait than may"
            );
        }
    }

    fn check_admission(&self) {
        let mut pending = BTreeMap::<_, BTreeSet<TunnelId>>::new();
        let mut dropped = BTreeSet::new();
        for (id, tunnel) in self.tunnels.iter().filter(|(_, tunnel)| tunnel.member().is_none()) {
            if self.admission.dropped.contains(&id) {
                dropped.insert(id);
            } else {
                pending.entry(tunnel.source).or_default().insert(id);
            }
        }
        assert_eq!(self.admission.pending, pending, "pending handshakes are known by source");
        assert_eq!(self.admission.dropped, dropped, "whoever is dropped is pending");
        let most = pending.into_values().map(|ids| ids.len()).max().unwrap_or(0);
        let limit = self.config.max_handshakes_per_source as usize;
        assert!(most <= limit, "no source has more handshakes under way than it may");
        assert!(self.counts.handshakes <= self.config.max_handshakes, "no more handshakes are under way than may be");
    }

    fn check_groups(&self) {
        for (key, group) in self.registry.groups() {
            self.check_group(key, group);
            self.check_queue(TargetKey::Group(key), !group.listed.is_empty());
        }
    }

    fn check_group(&self, key: GroupKey, group: &Group) {
        let which = match key {
            GroupKey::Name(_) => 0,
            GroupKey::Cluster(_) => 1,
        };
        let (mut nodes, mut staying, mut tunnels, mut able) = (0, 0, 0, BTreeSet::new());
        for (node_key, node) in self.registry.nodes.iter().filter(|(_, node)| node.groups()[which] == key) {
            assert_eq!(node.tenant, group.tenant, "a group is of one tenant");
            nodes += 1;
            staying += u32::from(node.staying() > 0);
            tunnels += u32::try_from(node.tunnels.len()).expect("tunnels are counted in 32 bits");
            if let Some(places) = node.places {
                let place = places[which] as usize;
                assert_eq!(group.listed.get(place), Some(&node_key), "a listed node stands where it says");
                able.insert(node_key);
            }
        }
        assert_eq!((group.nodes, group.staying, group.tunnels), (nodes, staying, tunnels), "a group's counts agree");
        assert_eq!(group.listed.iter().copied().collect::<BTreeSet<_>>(), able, "a group lists who can take work");
        assert_eq!(group.listed.len(), able.len(), "a node is listed once");
        let limit = self.config.max_tunnels_per_cluster;
        assert!(which == 0 || tunnels <= limit, "a cluster has no more tunnels than it may");
        assert!(nodes > 0 || !group.queue.is_empty(), "a group that nobody needs is forgotten");
    }

    /// WaiterServed: whoever waits where there is room is about to be served, and whoever waits for an ambiguous name is
    /// about to be refused.
    fn check_queue(&self, target: TargetKey, room: bool) {
        let queue = self.registry.queue(target);
        for stream in &queue.callers {
            assert_eq!(
                self.waiting.0.get(stream).map(|caller| caller.target),
                Some(target),
                "a queue holds its callers"
            );
        }
        match queue.alarm.get() {
            Some((_, timer)) => assert!(timer == Timer::Serve(target) && !queue.is_empty(), "serving somebody"),
            None => {
                let acts = room || self.is_ambiguous(target);
                assert!(queue.is_empty() || !acts, "nobody waits beside room, or for an ambiguous name");
            }
        }
    }

    fn check_waiting(&self) {
        for (stream, caller) in &self.waiting.0 {
            let (_, timer) = caller.alarm.get().expect("nobody waits for ever");
            assert_eq!(timer, Timer::WaitTimeout(*stream), "a caller's timer is its own");
            let queue = self.registry.queue(caller.target);
            assert!(queue.callers.contains(stream), "a caller stands in the queue it waits in");
        }
    }

    fn check_timers(&self) {
        let serving = |armed: bool| usize::from(armed);
        let queues: usize = self.registry.nodes.iter().map(|(_, node)| serving(node.queue.alarm.get().is_some())).sum();
        let queues =
            queues + self.registry.groups().map(|(_, it)| serving(it.queue.alarm.get().is_some())).sum::<usize>();
        let drain = match &self.drain {
            None => 0,
            Some(drain) => {
                let over = drain.stage == DrainStage::Over;
                assert_eq!(drain.alarm.get().is_none(), over, "a drain goes on until it is over");
                assert!(!over || self.counts.tunnels == 0, "a drain that is over leaves no tunnel");
                usize::from(!over)
            }
        };
        let owners = self.tunnels.len() + self.waiting.0.len() + queues + drain;
        assert_eq!(self.timers.len(), owners, "no timer without an owner");
    }
}
