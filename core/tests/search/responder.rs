//! Worlds of the responder: peers that dial in, forge and fail, callers, and an operator.
//!
//! What has to hold is worked out from what the machine asked for, step by step, and compared with what it says of
//! itself.

mod observed;

use std::hash::Hash;
use std::time::Duration;

use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    CloseReason, Config, DrainScope, Effect, Event, Handshake, Responder, Source, Stage, StreamId, Target, TargetName,
    Verdict,
};
use revtun_core::{CANONICAL_NOW, Env, Machine, TunnelId};

use super::explore::World;
use super::single::{self, Move};
use observed::Observed;

/// Every duration is the same as the one that cannot be set (how long a peer lingers), so that few differences of times
/// exist.
const UNIT: Duration = Duration::from_secs(1);

/// A peer: tenant, node, cluster, and the process that it says it is; 0 says nothing.
pub(crate) type Peer = (&'static str, &'static str, &'static str, u128);

/// Where callers want to go: tenant, kind ("node", "member" or "cluster"), node and cluster, as far as they name them.
pub(crate) type Wish = (&'static str, &'static str, &'static str, &'static str);

/// What can happen to a responder. Each makes many more states.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) peers: &'static [Peer],
    pub(crate) wishes: &'static [Wish],
    /// Connections at the same time.
    pub(crate) connections: usize,
    pub(crate) max_streams: u32,
    /// How many concurrent requests initiators may announce.
    pub(crate) peer_limits: &'static [u32],
    pub(crate) refuse_ambiguous_node: bool,
    pub(crate) max_waiting: u32,
    pub(crate) max_per_node: u32,
    pub(crate) max_per_tenant: u32,
    /// Tunnels in all.
    pub(crate) max_tunnels: u32,
    /// How much harm is done: tunnels that end, forgeries, orders.
    pub(crate) faults: u8,
    /// Whether the operator may drain everything; if not, he drains the node of the first peer.
    pub(crate) drains_all: bool,
}

/// A machine in canonical form, and what was seen of it from outside.
#[derive(Clone)]
pub(crate) struct Gate {
    machine: Responder,
    scope: Scope,
    faults: u8,
    observed: Observed,
}

impl Gate {
    pub(crate) fn new(scope: Scope) -> Self {
        let config = Config {
            handshake_timeout: UNIT,
            settle: UNIT,
            ping_interval: UNIT,
            echo_timeout: UNIT,
            silence: UNIT,
            wait: UNIT,
            drain_grace: UNIT,
            max_streams: scope.max_streams,
            refuse_ambiguous_node: scope.refuse_ambiguous_node,
            max_waiting: scope.max_waiting,
            max_tunnels_per_node: scope.max_per_node,
            max_tunnels_per_tenant: scope.max_per_tenant,
            max_tunnels: scope.max_tunnels,
            max_handshakes: 2,
            ..Config::default()
        };
        let machine = Responder::new(config);
        let counts = machine.counts();
        let is_empty =
            (counts.handshakes, counts.tunnels, counts.nodes, counts.streams, counts.waiting) == (0, 0, 0, 0, 0);
        assert!(is_empty && machine.deadline().is_none(), "DownIsEmpty");
        Self { machine, scope, faults: 0, observed: Observed::default() }
    }

    fn greetings(&self, tunnel: TunnelId, moves: &mut Vec<Move<Event<'static>>>) {
        for peer in self.scope.peers {
            let greeted = |verdict| Event::HandshakeReceived { tunnel, handshake: handshake(*peer, verdict) };
            moves.push(Move { event: greeted(Verdict::Authenticated), dice: 0, counted: false, heals: true });
            self.harm(greeted(Verdict::Mismatch), moves);
        }
        self.harm(Event::HandshakeInvalid { tunnel, rejection: Rejection::BadRequest }, moves);
    }

    /// Of the node that greets: the tunnel whose ping is the first to be given up, if nothing else happens.
    fn first_given_up(&self, greeting: Event<'static>) -> TunnelId {
        let Event::HandshakeReceived { handshake, .. } = greeting else { panic!("only newcomers need room") };
        let mut machine = self.machine.clone();
        let of_node: Vec<_> = machine
            .tunnels()
            .filter(|view| view.identity.is_some_and(|who| who == handshake.identity))
            .map(|view| view.tunnel)
            .collect();
        loop {
            let now = machine.deadline().expect("a ping is waited for").max(CANONICAL_NOW);
            for effect in machine.step(Env { now, dice: 0 }, Event::Tick).iter() {
                if let Effect::Close { tunnel, reason: CloseReason::PingTimeout } = effect
                    && of_node.contains(&tunnel)
                {
                    return tunnel;
                }
            }
        }
    }

    fn harm(&self, event: Event<'static>, moves: &mut Vec<Move<Event<'static>>>) {
        if self.faults < self.scope.faults {
            moves.push(Move { event, dice: 0, counted: true, heals: false });
        }
    }

    /// What callers do.
    fn calls(&self, moves: &mut Vec<Move<Event<'static>>>) {
        let call = |event| Move { event, dice: 0, counted: false, heals: false };
        for (tenant, kind, node, cluster) in self.scope.wishes {
            let target = Target { tenant: TenantId::new(tenant).ok(), name: target_name(kind, node, cluster) };
            // Two throws: each of two tunnels or nodes is drawn first.
            let choice = self.machine.tunnels().filter(|view| view.identity.is_some()).count() > 1;
            for dice in [0, u64::MAX].into_iter().take(if choice { 2 } else { 1 }) {
                moves.push(Move { dice, ..call(Event::Opened { stream: StreamId(100), target }) });
            }
        }
        let waiting = self.observed.waiting().len() as u64;
        moves.extend((0..waiting).map(|place| call(Event::Cancelled { stream: StreamId(place) })));
    }
}

impl World for Gate {
    type Step = Move<Event<'static>>;

    fn identity(&self) -> impl Hash {
        (&self.machine, self.faults, &self.observed)
    }

    fn steps(&self) -> Vec<Move<Event<'static>>> {
        let mut moves = Vec::with_capacity(24);
        let free = |event| Move { event, dice: 0, counted: false, heals: true };
        if self.machine.tunnels().count() < self.scope.connections {
            moves.push(free(Event::Accepted { source: Source(1) }));
        }
        for view in self.machine.tunnels() {
            let tunnel = view.tunnel;
            match view.stage {
                Stage::Handshaking => self.greetings(tunnel, &mut moves),
                Stage::Rejected => moves.push(free(Event::Closed { tunnel })),
                Stage::Settling | Stage::Idle => {
                    moves.push(free(Event::Echoed { tunnel }));
                    self.harm(Event::Closed { tunnel }, &mut moves);
                    self.harm(Event::GoawayReceived { tunnel }, &mut moves);
                }
                Stage::InUse => {
                    moves.push(free(Event::Heard { tunnel }));
                    self.harm(Event::Closed { tunnel }, &mut moves);
                    self.harm(Event::GoawayReceived { tunnel }, &mut moves);
                    let announced = |max_concurrent_streams| Event::SettingsReceived { tunnel, max_concurrent_streams };
                    moves.extend(self.scope.peer_limits.iter().map(|limit| free(announced(*limit))));
                }
                Stage::Draining => moves.push(free(Event::Closed { tunnel })),
            }
            if view.streams > 0 {
                moves.push(free(Event::Released { tunnel }));
            }
        }
        self.calls(&mut moves);
        let (tenant, node, cluster, _) = self.scope.peers[0];
        let target = Target { tenant: TenantId::new(tenant).ok(), name: target_name("member", node, cluster) };
        let scope = if self.scope.drains_all { DrainScope::All } else { DrainScope::Target(target) };
        self.harm(Event::DrainRequested { scope, grace: UNIT }, &mut moves);
        if self.machine.deadline().is_some() {
            moves.push(free(Event::Tick));
        }
        moves
    }

    fn take(&self, step: Move<Event<'static>>) -> Self {
        let (machine, effects) = single::advance(&self.machine, &step);
        if let Event::Echoed { tunnel } = step.event
            && self.observed.is_pinged(tunnel)
        {
            let (later, _) = single::advance(&self.machine, &Move { dice: u64::MAX, ..step });
            assert!(later != machine, "pings do not beat as one");
        }
        for effect in &effects {
            if let Effect::Close { tunnel, reason: CloseReason::Evicted } = *effect {
                assert_eq!(tunnel, self.first_given_up(step.event), "who makes room is most likely dead");
            }
        }
        let observed = self.observed.after(step.event, &effects, &machine);
        observed.agrees_with(&machine);
        Self { machine, scope: self.scope, faults: self.faults + u8::from(step.counted), observed }
    }

    fn heals(&self, step: Move<Event<'static>>) -> bool {
        step.heals
    }

    fn check(&self) {
        self.machine.check();
        self.observed.check(&self.machine);
        // NoResurrection: what comes late, of a tunnel that is gone, changes nothing.
        let mut twin = self.machine.clone();
        let tunnel = TunnelId::new(0, 1);
        for event in [
            Event::HandshakeReceived { tunnel, handshake: handshake(self.scope.peers[0], Verdict::Authenticated) },
            Event::HandshakeInvalid { tunnel, rejection: Rejection::BadRequest },
            Event::Echoed { tunnel },
            Event::Heard { tunnel },
            Event::Released { tunnel },
            Event::GoawayReceived { tunnel },
            Event::ConnectionLost { tunnel },
            Event::SettingsReceived { tunnel, max_concurrent_streams: 1 },
            Event::Closed { tunnel },
            Event::Cancelled { stream: StreamId(100) },
        ] {
            assert_eq!(twin.step(Env { now: CANONICAL_NOW, dice: 0 }, event).iter().count(), 0, "NoResurrection");
        }
        assert_eq!(twin.counts().stale, 10, "NoResurrection");
        assert!(twin.canonical(CANONICAL_NOW) == self.machine, "NoResurrection");
    }

    /// The first peer has a tunnel that can be found, and nobody waits; or, in a drain of everything, nothing is left.
    fn is_good(&self) -> bool {
        if self.machine.is_draining() {
            return self.observed.drained() && self.machine.counts().tunnels == 0;
        }
        let (tenant, node, cluster, _) = self.scope.peers[0];
        let is_up = self.machine.tunnels().any(|view| {
            let is_first = |who: Identity<'_>| {
                (who.tenant.as_str(), who.node.as_str(), who.cluster.as_str()) == (tenant, node, cluster)
            };
            view.stage == Stage::Idle && view.identity.is_some_and(is_first)
        });
        is_up && self.observed.waiting().is_empty()
    }

    fn tell(&self, steps: &[Move<Event<'static>>]) -> String {
        single::tell(&self.machine, steps)
    }
}

fn handshake((tenant, node, cluster, instance): Peer, verdict: Verdict) -> Handshake<'static> {
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
