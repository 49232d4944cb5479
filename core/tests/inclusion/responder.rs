//! Worlds of the responder: peers that dial in, callers and an operator who do what `spec/Responder.tla` lets them.

mod render;

use revtun_core::TunnelId;
use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, DrainScope, Effect, Event, Handshake, Responder, Source, Stage, StreamId, Target, TargetName, Timer,
    Verdict,
};

use crate::fingerprint::fingerprint;
use crate::graph::{Step, World};
use crate::schedule::responder::{Schedule, armed, at_rest};
use crate::schedule::{LATER, Scheduled};

pub(crate) use render::view;
use render::{caller_name, peer, process, processes, target, tell, tunnel};

/// A peer: tenant, node, cluster, and the process that it says it is; 0 says nothing.
pub(crate) type Peer = (&'static str, &'static str, &'static str, u128);

/// A caller: tenant, kind ("node", "member" or "cluster"), node and cluster, as far as it names them, and a number.
pub(crate) type Caller = (&'static str, &'static str, &'static str, &'static str, u8);

/// The constants of a configuration.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) tunnels: usize,
    pub(crate) peers: &'static [Peer],
    pub(crate) callers: &'static [Caller],
    pub(crate) max_streams: u32,
    /// How many concurrent requests initiators may announce.
    pub(crate) peer_limits: &'static [u32],
    pub(crate) max_per_node: u32,
    pub(crate) max_waiting: u32,
    pub(crate) drains: Drains,
}

/// What the operator drains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drains {
    Nothing,
    Parts,
    All,
    Any,
}

/// What became of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At {
    Away,
    Waiting,
    Carried(TunnelId),
}

/// A machine at rest, where nothing is due and no ping is late, and its callers.
#[derive(Clone)]
pub(crate) struct Gateway {
    machine: Responder,
    bounds: Bounds,
    at: Vec<At>,
    /// Who waits, first come first: their places are the numbers of their streams.
    waiting: Vec<usize>,
}

impl Gateway {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let config = Config {
            max_streams: bounds.max_streams,
            max_tunnels_per_node: bounds.max_per_node,
            max_waiting: bounds.max_waiting,
            ..Config::default()
        };
        let at = vec![At::Away; bounds.callers.len()];
        Self { machine: Responder::new(config), bounds, at, waiting: Vec::new() }
    }

    /// The step that `event` makes on `schedule`, of `caller` if it is one's; none if it is stale.
    fn step(&self, caller: Option<usize>, schedule: Schedule, event: Event<'_>) -> Option<Step<Self>> {
        let mut next = self.clone();
        let told = schedule.name(&self.machine, event);
        let (machine, effects) = schedule.step(&self.machine, event);
        if machine.counts().stale > 0 {
            assert_eq!(machine.spec_state(), self.machine.spec_state(), "a stale event changes nothing: {told}");
            return None;
        }
        next.callers_hear(caller, &event, effects.iter());
        next.machine = at_rest(&machine);
        Some(Step { told: Scheduled(told, schedule), next })
    }

    /// What the callers know by the effects; `asking` is the one that the event came from.
    fn callers_hear(&mut self, asking: Option<usize>, event: &Event<'_>, effects: impl Iterator<Item = Effect>) {
        let named = self.waiting.clone();
        let caller_of = |stream: StreamId| {
            let waits = usize::try_from(stream.0).ok().and_then(|place| named.get(place).copied());
            waits.or(asking).expect("a stream is a caller's")
        };
        if let (Event::Released { .. } | Event::Cancelled { .. }, Some(caller)) = (event, asking) {
            self.put(caller, At::Away);
        }
        for effect in effects {
            match effect {
                Effect::Assign { stream, tunnel } => self.put(caller_of(stream), At::Carried(tunnel)),
                Effect::Wait { stream } => self.put(caller_of(stream), At::Waiting),
                Effect::Refuse { stream, .. } => self.put(caller_of(stream), At::Away),
                Effect::Close { tunnel, .. } => self.bereave(tunnel),
                Effect::Admit { .. }
                | Effect::RefuseConnection { .. }
                | Effect::Accept { .. }
                | Effect::Reject { .. }
                | Effect::Ping { .. }
                | Effect::Goaway { .. }
                | Effect::Contended { .. }
                | Effect::Drained => {}
            }
        }
        if let Event::Closed { tunnel } = event {
            self.bereave(*tunnel);
        }
    }

    fn put(&mut self, caller: usize, at: At) {
        self.waiting.retain(|waiting| *waiting != caller);
        self.waiting.extend((at == At::Waiting).then_some(caller));
        self.at[caller] = at;
    }

    /// The tunnel is gone, and the requests that it carried with it.
    fn bereave(&mut self, tunnel: TunnelId) {
        for at in self.at.iter_mut().filter(|at| **at == At::Carried(tunnel)) {
            *at = At::Away;
        }
    }

    /// What callers do.
    fn calls(&self) -> Vec<Step<Self>> {
        let mut steps = Vec::new();
        for (caller, (at, (tenant, kind, node, cluster, _))) in self.at.iter().zip(self.bounds.callers).enumerate() {
            let newest = StreamId(self.waiting.len() as u64);
            let target = Target { tenant: TenantId::new(tenant).ok(), name: target_name(kind, node, cluster) };
            match at {
                At::Away => {
                    for dice in self.throws() {
                        let schedule = Schedule { dice, ..Schedule::default() };
                        steps.extend(self.step(Some(caller), schedule, Event::Opened { stream: newest, target }));
                    }
                }
                At::Waiting => {
                    let place = self.waiting.iter().position(|waiting| *waiting == caller).expect("it waits");
                    let stream = StreamId(place as u64);
                    steps.extend(self.step(Some(caller), Schedule::default(), Event::Cancelled { stream }));
                }
                At::Carried(tunnel) => {
                    let event = Event::Released { tunnel: *tunnel };
                    steps.extend(self.step(Some(caller), Schedule::default(), event));
                }
            }
        }
        steps
    }

    /// Enough throws to draw every pair of three nodes and of three tunnels.
    fn throws(&self) -> impl Iterator<Item = u64> + use<> {
        let choice = self.machine.spec_state().tunnels.iter().filter(|tunnel| tunnel.listed).count() > 1;
        (0..if choice { 16 } else { 1 }).map(|throw: u64| throw.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// What peers do.
    fn news(&self) -> Vec<Step<Self>> {
        let mut steps = Vec::new();
        let plain = Schedule::default();
        let views: Vec<_> = self.machine.tunnels().map(|view| (view.tunnel, view.stage)).collect();
        let ids = views.iter().map(|(id, _)| *id);
        if views.len() < self.bounds.tunnels {
            steps.extend(self.step(None, plain, Event::Accepted { source: Source(1) }));
        }
        for (tunnel, stage) in views.iter().copied() {
            for event in [
                Event::HandshakeInvalid { tunnel, rejection: Rejection::BadRequest },
                Event::Echoed { tunnel },
                Event::Heard { tunnel },
                Event::Closed { tunnel },
                Event::GoawayReceived { tunnel },
                Event::ConnectionLost { tunnel },
            ] {
                steps.extend(self.step(None, plain, event));
            }
            for limit in self.bounds.peer_limits.iter().copied() {
                let announced = Event::SettingsReceived { tunnel, max_concurrent_streams: limit };
                steps.extend(self.step(None, plain, announced));
            }
            for peer in self.bounds.peers {
                let greeted = |verdict| Event::HandshakeReceived { tunnel, handshake: handshake(peer, verdict) };
                steps.extend(self.step(None, plain, greeted(Verdict::Unauthenticated)));
                steps.extend(self.step(None, plain, greeted(Verdict::Mismatch)));
                let suspects = ids.clone().map(Some).filter(|_| stage == Stage::Handshaking);
                for suspect in suspects.chain([None]) {
                    steps.extend(self.step(None, Schedule { suspect, ..plain }, greeted(Verdict::Authenticated)));
                }
            }
        }
        steps
    }

    /// What the operator does.
    fn orders(&self) -> Vec<Step<Self>> {
        let (parts, all) = match self.bounds.drains {
            Drains::Nothing => (false, false),
            Drains::Parts => (true, false),
            Drains::All => (false, true),
            Drains::Any => (true, true),
        };
        let mut scopes = Vec::new();
        if parts {
            scopes.extend(self.machine.tunnels().map(|view| DrainScope::Tunnel(view.tunnel)));
            for (tenant, node, cluster, _) in self.bounds.peers {
                let tenant = TenantId::new(tenant).expect("legal");
                let named = |name| DrainScope::Target(Target { tenant: Some(tenant), name });
                scopes.extend([
                    DrainScope::Tenant(tenant),
                    named(target_name("node", node, cluster)),
                    named(target_name("member", node, cluster)),
                    named(target_name("cluster", node, cluster)),
                ]);
            }
        }
        if all {
            scopes.push(DrainScope::All);
        }
        let order = |scope| self.step(None, Schedule::default(), Event::DrainRequested { scope, grace: LATER });
        scopes.into_iter().filter_map(order).collect()
    }

    /// What the machine does by itself.
    fn ticks(&self) -> Vec<Step<Self>> {
        let mut steps = Vec::new();
        for timer in armed(&self.machine) {
            let drawn = matches!(timer, Timer::Serve(_));
            for dice in self.throws().take(if drawn { usize::MAX } else { 1 }) {
                let schedule = Schedule { due: Some(timer), dice, ..Schedule::default() };
                steps.extend(self.step(None, schedule, Event::Tick));
            }
        }
        steps
    }
}

impl World for Gateway {
    type Told = Scheduled<Schedule>;

    fn fingerprint(&self) -> u128 {
        fingerprint(&(&self.machine, &self.at, &self.waiting))
    }

    fn view(&self) -> String {
        let spec_state = self.machine.spec_state();
        let tunnels = spec_state.tunnels.iter().map(|it| {
            let peer = it.peer.map(|(who, instance)| {
                peer(who.tenant.as_str(), who.node.as_str(), who.cluster.as_str(), &process(instance))
            });
            let carried = self.at.iter().zip(self.bounds.callers).filter(|(at, _)| **at == At::Carried(it.id));
            let carried: Vec<_> = carried.map(|(_, caller)| caller_name(*caller)).collect();
            assert_eq!(carried.len(), it.streams as usize, "the machine counts what its callers do");
            tunnel(it.stage, &peer.unwrap_or_default(), &it.limit.to_string(), it.listed, carried)
        });
        let processes = spec_state.nodes.iter().filter(|node| node.current.is_some()).map(|node| {
            let displaced = node.displaced.iter().map(|it| it.0.to_string()).collect();
            processes(&[node.tenant, node.name, node.cluster], &process(node.current), displaced, node.contended)
        });
        let mut streams: Vec<_> = spec_state.queues.iter().flat_map(|queue| queue.queue.iter().copied()).collect();
        streams.sort_unstable();
        let waiting = streams.iter().map(|stream| self.waiting[stream.0 as usize]);
        let waiting = waiting.map(|caller| caller_name(self.bounds.callers[caller])).collect();
        let serving = spec_state.queues.iter().filter(|queue| queue.serving).map(|queue| match queue.name {
            TargetName::Node(node) => target(&["node", queue.tenant, node.as_str(), ""]),
            TargetName::Member { node, cluster } => target(&["member", queue.tenant, node.as_str(), cluster.as_str()]),
            TargetName::Cluster(cluster) => target(&["cluster", queue.tenant, "", cluster.as_str()]),
        });
        tell(tunnels.collect(), processes.collect(), waiting, serving.collect(), spec_state.drain)
    }

    fn steps(&self) -> Vec<Step<Self>> {
        [self.calls(), self.news(), self.orders(), self.ticks()].into_iter().flatten().collect()
    }
}

fn handshake(&(tenant, node, cluster, instance): &Peer, verdict: Verdict) -> Handshake<'static> {
    let identity = Identity {
        tenant: TenantId::new(tenant).expect("legal"),
        node: NodeId::new(node).expect("legal"),
        cluster: ClusterId::new(cluster).expect("legal"),
    };
    Handshake { identity, instance: (instance > 0).then_some(Instance(instance)), verdict }
}

fn target_name(kind: &str, node: &'static str, cluster: &'static str) -> TargetName<'static> {
    let (node, cluster) = (|| NodeId::new(node).expect("legal"), || ClusterId::new(cluster).expect("legal"));
    match kind {
        "node" => TargetName::Node(node()),
        "member" => TargetName::Member { node: node(), cluster: cluster() },
        _ => TargetName::Cluster(cluster()),
    }
}
