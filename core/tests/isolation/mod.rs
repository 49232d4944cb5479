//! Two parties share a responder, and their names look alike: tenants, or clusters of one tenant. Each has its story, in
//! which what happens in one moment has no order.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Effect as E;
use revtun_core::responder::Event as Ev;
use revtun_core::responder::{Config, DrainScope, Handshake, Responder, StreamId, Target, TargetName, Verdict};
use revtun_core::{Env, Instant, Machine, TunnelId};

/// Capitals, letters of another alphabet, a mark that is not seen, a prefix, a suffix, and names that are the same text
/// as a tenant and a node together.
pub(crate) const ALIKE: [[&str; 2]; 7] = [
    ["acme", "Acme"],
    ["acme", "\u{430}cme"],
    ["acme", "acme\u{200b}"],
    ["acme", "acm"],
    ["e", "acme"],
    ["acme", "acme:n"],
    ["acme/c", "acme"],
];

/// A tenant; or a cluster, whose callers name it always.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) tenant: &'static str,
    pub(crate) cluster: Option<&'static str>,
}

/// What nodes and clusters of both are called.
const NAMES: [&str; 5] = ["n", "c", "acme", "n:c", "c/n"];

/// What a party's initiators and callers do. Numbers name one of its own tunnels or requests, counted from the first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Dial { node: usize, cluster: usize, instance: Option<u8>, verdict: Verdict },
    Echo(usize),
    Hear(usize),
    Leave(usize),
    Close(usize),
    Ask(bool, usize),
    Finish(usize),
    WaitTimeout(usize),
    DrainAll,
    Drain(bool, usize),
}

/// A deed, whose it is, how long after the one before, and the throw of the die that it is given.
pub(crate) type Step = (bool, u16, u64, Deed);

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    let name = 0..NAMES.len();
    let verdict = prop_oneof![9 => Just(Verdict::Authenticated), 1 => Just(Verdict::Mismatch)];
    prop_oneof![
        6 => (name.clone(), name.clone(), prop::option::of(0_u8..3), verdict)
            .prop_map(|(node, cluster, instance, verdict)| Deed::Dial { node, cluster, instance, verdict }),
        4 => any::<usize>().prop_map(Deed::Echo),
        2 => any::<usize>().prop_map(Deed::Hear),
        1 => any::<usize>().prop_map(Deed::Leave),
        2 => any::<usize>().prop_map(Deed::Close),
        8 => (any::<bool>(), name.clone()).prop_map(|(node, name)| Deed::Ask(node, name)),
        4 => any::<usize>().prop_map(Deed::Finish),
        1 => any::<usize>().prop_map(Deed::WaitTimeout),
        1 => Just(Deed::DrainAll),
        1 => (any::<bool>(), name).prop_map(|(node, name)| Deed::Drain(node, name)),
    ]
}

/// A responder and what it had both parties do.
struct Stage {
    machine: Responder,
    now: Instant,
    dice: u64,
    parties: [Party; 2],
    tunnels: [Vec<TunnelId>; 2],
    /// Whose, and which of them.
    owners: BTreeMap<TunnelId, (usize, usize)>,
    /// The tunnel that a request was given, if any yet.
    requests: [Vec<Option<TunnelId>>; 2],
    stories: [Vec<(Instant, String)>; 2],
}

impl Stage {
    fn new(parties: [Party; 2]) -> Self {
        let config = Config {
            max_tunnels_per_node: 2,
            max_tunnels_per_cluster: if parties[0].cluster.is_some() {
                3
            } else {
                Config::default().max_tunnels_per_cluster
            },
            max_tunnels_per_tenant: if parties[0].cluster.is_none() {
                3
            } else {
                Config::default().max_tunnels_per_tenant
            },
            max_streams: 2,
            drain_grace: Duration::from_secs(2),
            ..Config::default()
        };
        Self {
            machine: Responder::new(config),
            now: Instant::from_nanos(100_000_000_000),
            dice: 0,
            parties,
            tunnels: Default::default(),
            owners: BTreeMap::new(),
            requests: Default::default(),
            stories: Default::default(),
        }
    }

    /// Time goes on; every timer fires when it is due.
    fn until(&mut self, end: Instant) {
        self.dice = 0;
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            let effects = self.step(Responder::TICK);
            self.note(None, &effects);
        }
        self.now = end;
    }

    fn tell(&mut self, who: usize, event: Ev<'_>) -> Vec<E> {
        let effects = self.step(event);
        self.note(Some(who), &effects);
        effects
    }

    fn step(&mut self, event: Ev<'_>) -> Vec<E> {
        let effects = self.machine.step(Env { now: self.now, dice: self.dice }, event);
        self.machine.check();
        effects.iter().collect()
    }

    fn act(&mut self, who: usize, deed: Deed) {
        const LEGAL: &str = "a legal name";
        let Party { tenant, cluster: own_cluster } = self.parties[who];
        let tenant = TenantId::new(tenant).expect(LEGAL);
        let target_name = |is_node, name: usize| {
            let node = NodeId::new(NAMES[name]).expect(LEGAL);
            let cluster = ClusterId::new(own_cluster.unwrap_or(NAMES[name])).expect(LEGAL);
            match (is_node, own_cluster) {
                (true, None) => TargetName::Node(node),
                (true, Some(_)) => TargetName::Member { node, cluster },
                (false, _) => TargetName::Cluster(cluster),
            }
        };
        let own = |which: usize| {
            let own = &self.tunnels[who];
            (!own.is_empty()).then(|| own[which % own.len()])
        };
        match deed {
            Deed::Dial { node, cluster, instance, verdict } => self.dial(who, [node, cluster], instance, verdict),
            Deed::Echo(which) => self.tell_of(who, own(which), |tunnel| Ev::Echoed { tunnel }),
            Deed::Hear(which) => self.tell_of(who, own(which), |tunnel| Ev::Heard { tunnel }),
            Deed::Leave(which) => self.tell_of(who, own(which), |tunnel| Ev::GoawayReceived { tunnel }),
            Deed::Close(which) => self.tell_of(who, own(which), |tunnel| Ev::Closed { tunnel }),
            Deed::Ask(is_node, name) => {
                let stream = stream(who, self.requests[who].len());
                self.requests[who].push(None);
                let target = Target { tenant: Some(tenant), name: target_name(is_node, name) };
                self.tell(who, Ev::Opened { stream, target });
            }
            Deed::Finish(which) => {
                let under_way: Vec<_> =
                    (0..).zip(&self.requests[who]).filter_map(|(at, it)| it.map(|it| (at, it))).collect();
                if let Some((at, tunnel)) = under_way.get(which % under_way.len().max(1)).copied() {
                    self.requests[who][at] = None;
                    self.tell(who, Ev::Released { tunnel });
                }
            }
            Deed::WaitTimeout(which) => {
                let asked = self.requests[who].len();
                if asked > 0 {
                    self.tell(who, Ev::Cancelled { stream: stream(who, which % asked) });
                }
            }
            Deed::DrainAll => {
                let scope = match own_cluster {
                    None => DrainScope::Tenant(tenant),
                    Some(_) => DrainScope::Target(Target { tenant: Some(tenant), name: target_name(false, 0) }),
                };
                self.tell(who, Ev::DrainRequested { scope, grace: Duration::from_secs(1) });
            }
            Deed::Drain(is_node, name) => {
                let target = Target { tenant: Some(tenant), name: target_name(is_node, name) };
                self.tell(who, Ev::DrainRequested { scope: DrainScope::Target(target), grace: Duration::from_secs(1) });
            }
        }
    }

    fn dial(&mut self, who: usize, [node, cluster]: [usize; 2], instance: Option<u8>, verdict: Verdict) {
        const LEGAL: &str = "a legal name";
        let admitted = self.step(Ev::Accepted { source: revtun_core::responder::Source(1) });
        let [E::Admit { tunnel }] = admitted[..] else { panic!("nothing common is full: {admitted:?}") };
        self.owners.insert(tunnel, (who, self.tunnels[who].len()));
        self.tunnels[who].push(tunnel);
        let identity = Identity {
            node: NodeId::new(NAMES[node]).expect(LEGAL),
            cluster: ClusterId::new(self.parties[who].cluster.unwrap_or(NAMES[cluster])).expect(LEGAL),
            tenant: TenantId::new(self.parties[who].tenant).expect(LEGAL),
        };
        let instance = instance.map(|run| Instance(run.into()));
        self.tell(who, Ev::HandshakeReceived { tunnel, handshake: Handshake { identity, instance, verdict } });
    }

    fn tell_of(&mut self, who: usize, tunnel: Option<TunnelId>, event: impl Fn(TunnelId) -> Ev<'static>) {
        if let Some(tunnel) = tunnel {
            self.tell(who, event(tunnel));
        }
    }

    /// Writes down what happened to whom. What a party does has consequences for itself alone.
    fn note(&mut self, cause: Option<usize>, effects: &[E]) {
        for effect in effects {
            let (who, what) = match *effect {
                E::Accept { tunnel } => self.of_tunnel(tunnel, "accept"),
                E::Ping { tunnel } => self.of_tunnel(tunnel, "ping"),
                E::Goaway { tunnel } => self.of_tunnel(tunnel, "goaway"),
                E::Contended { tunnel } => self.of_tunnel(tunnel, "contended"),
                E::Reject { tunnel, rejection } => self.of_tunnel(tunnel, rejection.name()),
                E::Close { tunnel, reason } => self.of_tunnel(tunnel, &format!("{reason:?}")),
                E::Assign { stream, tunnel } => {
                    let (who, which) = request(stream);
                    let (owner, text) = self.of_tunnel(tunnel, &format!("carries request {which}"));
                    assert_eq!(who, owner, "a request goes through a tunnel of its own party");
                    self.requests[who][which] = Some(tunnel);
                    (owner, text)
                }
                E::Wait { stream } => (request(stream).0, format!("request {} waits", request(stream).1)),
                E::Refuse { stream, refusal } => {
                    (request(stream).0, format!("request {}: {refusal:?}", request(stream).1))
                }
                E::Admit { .. } | E::RefuseConnection { .. } | E::Drained => panic!("{effect:?}"),
            };
            assert!(cause.is_none_or(|cause| cause == who), "{effect:?} is of another party than what led to it");
            self.stories[who].push((self.now, what));
        }
    }

    fn of_tunnel(&self, tunnel: TunnelId, what: &str) -> (usize, String) {
        let (who, which) = self.owners[&tunnel];
        (who, format!("tunnel {which}: {what}"))
    }
}

fn stream(who: usize, which: usize) -> StreamId {
    StreamId((2 * which + who) as u64)
}

fn request(StreamId(number): StreamId) -> (usize, usize) {
    let number = usize::try_from(number).expect("few requests");
    (number % 2, number / 2)
}

/// The first party's story, with all that the steps say or with its own alone. What happens in one moment has no
/// order.
pub(crate) fn story(parties: [Party; 2], steps: &[Step], alone: bool) -> Vec<(Instant, String)> {
    let mut stage = Stage::new(parties);
    let mut at = stage.now;
    for (others, pause, dice, deed) in steps {
        at = at.after(Duration::from_millis(u64::from(*pause)));
        stage.until(at);
        if !(alone && *others) {
            stage.dice = *dice;
            stage.act(usize::from(*others), *deed);
        }
    }
    stage.until(at.after(Duration::from_secs(60)));
    let [mut story, other] = stage.stories;
    assert!(!alone || other.is_empty());
    story.sort();
    story
}
