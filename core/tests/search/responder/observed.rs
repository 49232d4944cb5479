//! A responder from outside: what its events and effects tell of every tunnel and caller.

use revtun_core::handshake::Instance;
use revtun_core::identity::Identity;
use revtun_core::journal::Journaled;
use revtun_core::responder::{
    Config, DrainScope, Effect, Event, Handshake, Responder, Stage, StreamId, Target, TargetName, Verdict,
};
use revtun_core::{CANONICAL_NOW, Machine, TunnelId};

/// What is known of the machine in canonical form without asking it.
#[derive(Clone, Default, Hash)]
pub(super) struct Observed {
    tunnels: Vec<Tunnel>,
    /// Who waits, first come first: their places are the numbers of their requests.
    waiting: Vec<Target<'static>>,
    draining: bool,
    drained: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Tunnel {
    id: TunnelId,
    stage: Stage,
    who: Option<Identity<'static>>,
    process: Option<Instance>,
    streams: u32,
    /// How many of them the initiator takes.
    limit: u32,
    /// A ping is unanswered.
    pinged: bool,
}

impl Tunnel {
    const fn has_room(&self, config: &Config) -> bool {
        self.streams < config.max_streams && self.streams < self.limit
    }
}

impl Observed {
    pub(super) fn waiting(&self) -> &[Target<'static>] {
        &self.waiting
    }

    pub(super) const fn drained(&self) -> bool {
        self.drained
    }

    /// What is known after this step. Asserts that its effects are right.
    pub(super) fn after(&self, event: Event<'static>, effects: &[Effect], machine: &Responder) -> Self {
        let mut next = self.clone();
        next.hear(event);
        for effect in effects {
            next.see(event, *effect, machine.config());
        }
        if let Event::HandshakeReceived { handshake: Handshake { instance: Some(process), .. }, tunnel } = event {
            next.haunted(tunnel, process, machine);
        }
        next.tunnels.sort_unstable_by_key(|tunnel| tunnel.id);
        next
    }

    /// Asserts that the machine says of its tunnels what it asked for.
    pub(super) fn agrees_with(&self, machine: &Responder) {
        let told = self.tunnels.iter().map(|it| (it.id, it.stage, it.who, it.streams));
        let views = machine.tunnels().map(|view| (view.tunnel, view.stage, view.identity, view.streams));
        assert!(told.eq(views), "the machine says {:?}, and asked for {:?}", machine.stages(), self.tunnels);
        assert_eq!(self.waiting.len(), machine.counts().waiting as usize, "everybody gets an answer, and one");
    }

    /// Asserts what has to hold in every state.
    pub(super) fn check(&self, machine: &Responder) {
        let config = machine.config();
        let members = || self.tunnels.iter().filter(|it| it.who.is_some());
        for tunnel in members() {
            let of = |same: fn(Identity<'_>, Identity<'_>) -> bool| {
                members().filter(move |it| it.who.zip(tunnel.who).is_some_and(|(a, b)| same(a, b)))
            };
            let node = of(|a, b| a == b).filter(|it| it.stage != Stage::Draining);
            assert!(node.count() <= config.max_tunnels_per_node as usize, "NodeCap");
            assert!(
                of(|a, b| a.tenant == b.tenant).count() <= config.of_tenant(config.max_tunnels_per_tenant) as usize,
                "TenantCap"
            );
            assert!(tunnel.streams <= config.max_streams, "StreamsFit");
        }
        assert!(members().count() <= config.max_tunnels as usize, "tunnels are limited");
        assert!(self.tunnels.len() - members().count() <= config.max_handshakes as usize, "handshakes are limited");
        let about_to_act = machine.deadline().is_some_and(|deadline| deadline <= CANONICAL_NOW);
        let room = |target: &Target<'static>| {
            members().any(|it| {
                let can = it.stage == Stage::Idle || (it.stage == Stage::InUse && it.has_room(config));
                can && self.is_for(target, it, config)
            })
        };
        let acts = |target: &Target<'static>| room(target) || self.is_ambiguous(target, config);
        assert!(about_to_act || !self.waiting.iter().any(acts), "NobodyWaitsBesideRoom");
    }

    /// Whether a request for `target` may be carried by `tunnel`.
    fn is_for(&self, target: &Target<'static>, tunnel: &Tunnel, config: &Config) -> bool {
        let who = tunnel.who.expect("only accepted tunnels carry requests");
        target.tenant == Some(who.tenant)
            && match target.name {
                TargetName::Node(node) => who.node == node && !self.is_ambiguous(target, config),
                TargetName::Member { node, cluster } => (who.node, who.cluster) == (node, cluster),
                TargetName::Cluster(cluster) => who.cluster == cluster,
            }
    }

    /// Whether the target is a node without its cluster, and tunnels that stay have that name in several clusters.
    fn is_ambiguous(&self, target: &Target<'static>, config: &Config) -> bool {
        let TargetName::Node(node) = target.name else { return false };
        let staying = self.tunnels.iter().filter(|it| it.stage != Stage::Draining).filter_map(|it| it.who);
        let mut clusters = staying.filter(|who| Some(who.tenant) == target.tenant && who.node == node);
        let first = clusters.next();
        config.refuse_ambiguous_node && clusters.any(|who| first.is_some_and(|first| first.cluster != who.cluster))
    }

    pub(super) fn is_pinged(&self, id: TunnelId) -> bool {
        self.tunnels.iter().any(|it| it.id == id && it.pinged)
    }

    fn at(&mut self, id: TunnelId) -> &mut Tunnel {
        let known = self.tunnels.iter_mut().find(|it| it.id == id);
        known.expect("NoUseAfterClose: only living tunnels are named")
    }

    /// What an event alone changes.
    fn hear(&mut self, event: Event<'static>) {
        match event {
            Event::Echoed { tunnel } => self.at(tunnel).pinged = false,
            Event::Closed { tunnel } => self.tunnels.retain(|it| it.id != tunnel),
            Event::Released { tunnel } => self.at(tunnel).streams -= 1,
            Event::Cancelled { stream } => _ = self.waiting.remove(place_of(stream)),
            Event::GoawayReceived { tunnel } | Event::ConnectionLost { tunnel } => {
                self.depart(|it| it.id == tunnel && it.streams > 0)
            }
            Event::SettingsReceived { tunnel, max_concurrent_streams } => {
                self.at(tunnel).limit = max_concurrent_streams;
            }
            Event::DrainRequested {
                scope: DrainScope::Target(Target { tenant, name: TargetName::Member { node, cluster } }),
                ..
            } => {
                let meant =
                    |who: Identity<'_>| Some(who.tenant) == tenant && (who.node, who.cluster) == (node, cluster);
                self.depart(|it| it.who.is_some_and(meant));
            }
            Event::DrainRequested { scope, .. } => {
                assert_eq!(scope, DrainScope::All);
                self.draining = true;
            }
            Event::Accepted { .. }
            | Event::HandshakeReceived { .. }
            | Event::HandshakeInvalid { .. }
            | Event::Heard { .. }
            | Event::Opened { .. }
            | Event::Tick => {}
        }
    }

    fn depart(&mut self, leaves: impl Fn(&Tunnel) -> bool) {
        for tunnel in self.tunnels.iter_mut().filter(|it| it.who.is_some() && leaves(it)) {
            tunnel.stage = Stage::Draining;
            tunnel.pinged = false;
        }
    }

    /// What the machine asks for: it has to be right, and it is all that changes.
    fn see(&mut self, event: Event<'static>, effect: Effect, config: &Config) {
        match effect {
            Effect::Admit { tunnel } => {
                assert!(matches!(event, Event::Accepted { .. }) && !self.draining, "NoRegisterWhileDraining");
                assert!(self.tunnels.iter().all(|it| it.id != tunnel), "NoResurrection");
                let stage = Stage::Handshaking;
                self.tunnels.push(Tunnel {
                    id: tunnel,
                    stage,
                    who: None,
                    process: None,
                    streams: 0,
                    limit: u32::MAX,
                    pinged: false,
                });
            }
            Effect::RefuseConnection { .. } => assert!(matches!(event, Event::Accepted { .. })),
            Effect::Accept { tunnel } => self.accepted(event, tunnel),
            Effect::Reject { tunnel, .. } => {
                let tunnel = self.at(tunnel);
                assert_eq!(tunnel.stage, Stage::Handshaking, "answered once");
                tunnel.stage = Stage::Rejected;
            }
            Effect::Ping { tunnel } => {
                let tunnel = self.at(tunnel);
                assert!(matches!(tunnel.stage, Stage::Settling | Stage::Idle), "PingExact: only idle ones are pinged");
                assert!(!std::mem::replace(&mut tunnel.pinged, true), "PingExact: never two at a time");
                tunnel.stage = Stage::Idle;
            }
            Effect::Assign { stream, tunnel } => self.assigned(event, stream, tunnel, config),
            Effect::Wait { .. } => {
                let Event::Opened { target, .. } = event else { panic!("waiting begins with a request") };
                assert!(self.waiting.len() < config.max_waiting as usize, "waiting callers are limited");
                self.waiting.push(target);
            }
            Effect::Refuse { stream, .. } => {
                if !matches!(event, Event::Opened { .. }) {
                    self.waiting.remove(place_of(stream));
                }
            }
            Effect::Goaway { tunnel } => {
                assert!(self.at(tunnel).who.is_some(), "only tunnels are told to go");
                self.depart(|it| it.id == tunnel);
            }
            Effect::Close { tunnel, .. } => {
                let _living = self.at(tunnel);
                self.tunnels.retain(|it| it.id != tunnel);
            }
            Effect::Contended { tunnel } => assert!(self.at(tunnel).who.is_some()),
            Effect::Drained => {
                let empty = self.tunnels.iter().all(|it| it.who.is_none());
                assert!(self.draining && !self.drained && empty, "DrainedIsEmpty");
                self.drained = true;
            }
        }
    }

    fn accepted(&mut self, event: Event<'static>, tunnel: TunnelId) {
        let Event::HandshakeReceived { handshake, .. } = event else { panic!("who is accepted has greeted") };
        assert!(handshake.verdict == Verdict::Authenticated, "FailClosed");
        assert!(!self.draining, "NoRegisterWhileDraining");
        let accepted = self.at(tunnel);
        assert_eq!(accepted.stage, Stage::Handshaking, "answered once");
        accepted.stage = Stage::Settling;
        (accepted.who, accepted.process) = (Some(handshake.identity), handshake.instance);
    }

    /// Tunnels of the node's other processes go without a word at first: all of them, or none if those were known to
    /// live, too.
    fn haunted(&mut self, tunnel: TunnelId, process: Instance, machine: &Responder) {
        let Some(node) = self.at(tunnel).who else { return };
        let same_node = |who: Identity<'_>| who == node;
        let is_older = |it: &Tunnel| {
            it.who.is_some_and(same_node)
                && it.process.is_some_and(|other| other != process)
                && it.stage != Stage::Draining
        };
        let older: Vec<_> = self.tunnels.iter().filter(|it| is_older(it)).map(|it| it.id).collect();
        let is_touched = |it: &Tunnel| it.who.is_some_and(|who| !same_node(who)) && it.stage != Stage::Draining;
        for other in self.tunnels.iter().filter(|it| is_touched(it)) {
            let view = machine.tunnels().find(|view| view.tunnel == other.id);
            assert!(view.is_some_and(|view| view.stage == other.stage), "ClusterIsolation: others stay as they are");
        }
        let leaves = |id| machine.tunnels().any(|view| view.tunnel == id && view.stage == Stage::Draining);
        let leaving = older.iter().filter(|id| leaves(**id)).count();
        assert!(leaving == 0 || leaving == older.len(), "SupersededGetNoWork");
        if leaving > 0 {
            self.depart(|it| older.contains(&it.id));
        }
    }

    /// Where two tunnels are all there is and both can take the request, the one with less to do takes it.
    fn is_the_lesser(&self, target: &Target<'static>, chosen: &Tunnel, config: &Config) {
        let mut members = self.tunnels.iter().filter(|it| it.who.is_some());
        if let (Some(one), Some(other), None) = (members.next(), members.next(), members.next()) {
            let can = |it: &Tunnel| {
                let listed = matches!(it.stage, Stage::Idle | Stage::InUse)
                    || (it.stage == Stage::Settling && it.process.is_some());
                listed && it.has_room(config) && self.is_for(target, it, config)
            };
            let least = one.streams.min(other.streams);
            assert!(!(can(one) && can(other)) || chosen.streams == least, "the lesser of two takes the request");
        }
    }

    fn assigned(&mut self, event: Event<'static>, stream: StreamId, id: TunnelId, config: &Config) {
        let target = if let Event::Opened { target, .. } = event { target } else { self.waiting[place_of(stream)] };
        let before = if event == Event::Tick { place_of(stream) } else { self.waiting.len() };
        assert!(!self.draining || event == Event::Tick, "a draining responder takes nobody on");
        let tunnel = *self.at(id);
        assert!(self.is_for(&target, &tunnel, config), "TenantIsolation and ClusterIsolation");
        assert!(!self.waiting[..before].iter().any(|older| self.is_for(older, &tunnel, config)), "OldestFirst");
        assert!(matches!(tunnel.stage, Stage::Settling | Stage::Idle | Stage::InUse), "RegisteredIsHandshaken");
        assert!(tunnel.has_room(config), "StreamsFit");
        self.is_the_lesser(&target, &tunnel, config);
        if event == Event::Tick {
            self.waiting.remove(before);
        }
        let tunnel = self.at(id);
        (tunnel.stage, tunnel.streams, tunnel.pinged) = (Stage::InUse, tunnel.streams + 1, false);
    }
}

fn place_of(stream: StreamId) -> usize {
    usize::try_from(stream.0).expect("a place in the queue")
}
