//! States that differ only in what nobody can observe, made equal: for exhaustive search.

use alloc::collections::BTreeMap;

use super::drain::Drain;
use super::entry::{Group, GroupKey, Node, TargetKey, Tenant};
use super::registry::Registry;
use super::tunnel::{Counts, Draining, Keepalive, Member, Phase, Tunnel};
use super::waiting::{Caller, Queue, Waiting};
use super::{Responder, StreamId, Timer};
use crate::canonical::rebase;
use crate::table::bare;
use crate::timers::{Alarm, Timers};
use crate::{Instant, TunnelId};

/// Every moment that decides something in a state, by what happened then or will. Ids are in their first generation.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The timer fires.
    Alarm(Timer),
    /// The tunnel was pinged, and has not answered since.
    Pinged(TunnelId),
    /// The tunnel's streams have to be done.
    Until(TunnelId),
    /// The drain of everything has to be done.
    DrainUntil,
}

impl Responder {
    /// This state with every moment counted from `now`, every generation forgotten, callers numbered from zero and
    /// every counter at zero, and how fast connections came forgotten. The result is a legal state of the machine at
    /// [`CANONICAL_NOW`](crate::CANONICAL_NOW), so a search may go on from it.
    #[doc(hidden)]
    #[must_use]
    pub fn canonical(&self, now: Instant) -> Self {
        self.retimed(|_, at| rebase(at, now))
    }

    /// This state with every moment where `clock` puts it, and otherwise as [`canonical`](Self::canonical) has it: what
    /// the same steps on another schedule would have led to.
    #[doc(hidden)]
    #[must_use]
    pub fn retimed(&self, clock: impl FnMut(Moment, Instant) -> Instant) -> Self {
        let mut to = Renaming {
            clock,
            streams: self.waiting.0.keys().copied().zip((0..).map(StreamId)).collect(),
            timers: Timers::new(),
        };
        let tunnels = self.tunnels.map_canonical(|id, tunnel| to.tunnel(id, tunnel));
        let registry = Registry {
            tenants: self.registry.tenants.iter().map(|(name, it)| (name.clone(), tenant(it))).collect(),
            nodes: self.registry.nodes.map_canonical(|_, node| to.node(node)),
            names: self.registry.names.map_canonical(|_, name| to.group(name)),
            clusters: self.registry.clusters.map_canonical(|_, cluster| to.group(cluster)),
            ..self.registry
        };
        let callers = self.waiting.0.iter();
        let callers = callers
            .map(|(stream, caller)| {
                (to.streams[stream], Caller { target: target(caller.target), alarm: to.alarm(&caller.alarm) })
            })
            .collect();
        let drain = self.drain.map(|drain| {
            let until = (to.clock)(Moment::DrainUntil, drain.until);
            Drain { alarm: to.alarm(&drain.alarm), until, ..drain }
        });
        let counts = Counts { stale: 0, ..self.counts };
        let waiting = Waiting(callers);
        let admission = self.admission.canonical(bare);
        Self { config: self.config, admission, tunnels, registry, waiting, timers: to.timers, drain, counts }
    }
}

struct Renaming<C> {
    clock: C,
    streams: BTreeMap<StreamId, StreamId>,
    timers: Timers<Timer>,
}

impl<C: FnMut(Moment, Instant) -> Instant> Renaming<C> {
    fn tunnel(&mut self, id: TunnelId, tunnel: &Tunnel) -> Tunnel {
        let phase = match &tunnel.phase {
            Phase::Handshaking => Phase::Handshaking,
            Phase::Rejected => Phase::Rejected,
            Phase::Settling(it) => Phase::Settling(member(it)),
            Phase::Idle(it, Keepalive::Resting) => Phase::Idle(member(it), Keepalive::Resting),
            Phase::Idle(it, Keepalive::Awaiting { since }) => {
                Phase::Idle(member(it), Keepalive::Awaiting { since: (self.clock)(Moment::Pinged(id), *since) })
            }
            Phase::InUse(it) => Phase::InUse(member(it)),
            Phase::Draining(it, draining) => {
                let until = (self.clock)(Moment::Until(id), draining.until);
                Phase::Draining(member(it), Draining { until, ..*draining })
            }
        };
        // When a tunnel was last heard is shown to people and decides nothing.
        Tunnel { phase, source: tunnel.source, heard: Instant::EPOCH, alarm: self.alarm(&tunnel.alarm) }
    }

    fn node(&mut self, node: &Node) -> Node {
        Node {
            tunnels: node.tunnels.iter().map(|id| bare(*id)).collect(),
            listed: node.listed.iter().map(|id| bare(*id)).collect(),
            name: group_key(node.name),
            cluster: group_key(node.cluster),
            queue: self.queue(&node.queue),
            ..node.clone()
        }
    }

    fn group(&mut self, group: &Group) -> Group {
        Group {
            listed: group.listed.iter().map(|node| bare(*node)).collect(),
            queue: self.queue(&group.queue),
            ..group.clone()
        }
    }

    fn queue(&mut self, queue: &Queue) -> Queue {
        Queue {
            callers: queue.callers.iter().map(|stream| self.streams[stream]).collect(),
            alarm: self.alarm(&queue.alarm),
        }
    }

    fn alarm(&mut self, alarm: &Alarm<Timer>) -> Alarm<Timer> {
        let mut moved = Alarm::OFF;
        if let Some((at, timer)) = alarm.get() {
            let timer = self.timer(timer);
            self.timers.set(&mut moved, (self.clock)(Moment::Alarm(timer), at), timer);
        }
        moved
    }

    fn timer(&self, timer: Timer) -> Timer {
        match timer {
            Timer::HandshakeTimeout(id) => Timer::HandshakeTimeout(bare(id)),
            Timer::Linger(id) => Timer::Linger(bare(id)),
            Timer::Settle(id) => Timer::Settle(bare(id)),
            Timer::Ping(id) => Timer::Ping(bare(id)),
            Timer::EchoTimeout(id) => Timer::EchoTimeout(bare(id)),
            Timer::Silence(id) => Timer::Silence(bare(id)),
            Timer::Retire(id) => Timer::Retire(bare(id)),
            Timer::Grace(id) => Timer::Grace(bare(id)),
            Timer::Serve(it) => Timer::Serve(target(it)),
            Timer::WaitTimeout(stream) => Timer::WaitTimeout(self.streams[&stream]),
            Timer::Drain => Timer::Drain,
        }
    }
}

fn tenant(tenant: &Tenant) -> Tenant {
    let nodes =
        tenant.nodes.iter().map(|((name, cluster), node)| ((group_key(*name), group_key(*cluster)), bare(*node)));
    Tenant {
        nodes: nodes.collect(),
        names: tenant.names.map(group_key),
        clusters: tenant.clusters.map(group_key),
        ..*tenant
    }
}

fn member(member: &Member) -> Member {
    Member { node: bare(member.node), ..member.clone() }
}

fn target(target: TargetKey) -> TargetKey {
    match target {
        TargetKey::Node(key) => TargetKey::Node(bare(key)),
        TargetKey::Group(key) => TargetKey::Group(group_key(key)),
    }
}

fn group_key(group: GroupKey) -> GroupKey {
    match group {
        GroupKey::Name(key) => GroupKey::Name(bare(key)),
        GroupKey::Cluster(key) => GroupKey::Cluster(bare(key)),
    }
}
