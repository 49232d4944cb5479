//! A responder from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use revtun_core::identity::Identity;
use revtun_core::responder::{Config, DrainScope, Effect, Event, Refusal, Responder, StreamId, Target, TargetName};
use revtun_core::{Env, Instant, TunnelId};

/// After so long without an event nothing is left that could still be alive.
const QUIET: Duration = Duration::from_secs(20);

pub(crate) struct ResponderModel {
    config: Config,
    tunnels: BTreeMap<TunnelId, Tunnel>,
    used_ids: BTreeSet<TunnelId>,
    waiting: BTreeMap<StreamId, Target<'static>>,
    draining: bool,
    drained: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tunnel {
    stage: Stage,
    /// It has carried a request.
    used: bool,
    streams: u32,
    /// How many of them the initiator said that it takes.
    limit: u32,
    /// A ping is unanswered.
    pinged: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Stage {
    Handshaking,
    Rejected,
    Accepted(Identity<'static>),
    Departing(Identity<'static>),
}

impl ResponderModel {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            tunnels: BTreeMap::new(),
            used_ids: BTreeSet::new(),
            waiting: BTreeMap::new(),
            draining: false,
            drained: false,
        }
    }

    fn told(&mut self, event: Event<'static>) {
        match event {
            Event::Echoed { tunnel } => {
                if let Some(tunnel) = self.tunnels.get_mut(&tunnel) {
                    tunnel.pinged = false;
                }
            }
            Event::Closed { tunnel } => {
                self.tunnels.remove(&tunnel);
            }
            Event::Released { tunnel } => {
                if let Some(tunnel) = self.tunnels.get_mut(&tunnel) {
                    tunnel.streams = tunnel.streams.saturating_sub(1);
                }
            }
            Event::Cancelled { stream } => {
                self.waiting.remove(&stream);
            }
            Event::GoawayReceived { tunnel } | Event::ConnectionLost { tunnel } => {
                if let Some(tunnel) = self.tunnels.get_mut(&tunnel)
                    && let Stage::Accepted(who) = tunnel.stage
                {
                    tunnel.stage = Stage::Departing(who);
                }
            }
            Event::SettingsReceived { tunnel, max_concurrent_streams } => {
                // Only a tunnel in use speaks HTTP/2.
                if let Some(tunnel) = self.tunnels.get_mut(&tunnel)
                    && tunnel.used
                {
                    tunnel.limit = max_concurrent_streams;
                }
            }
            Event::DrainRequested { scope: DrainScope::All, .. } => self.draining = true,
            Event::Accepted { .. }
            | Event::HandshakeReceived { .. }
            | Event::HandshakeInvalid { .. }
            | Event::Heard { .. }
            | Event::Opened { .. }
            | Event::DrainRequested { .. }
            | Event::Tick => {}
        }
    }

    fn asked(&mut self, event: Event<'static>, effect: Effect) {
        match effect {
            Effect::Admit { tunnel } => {
                assert!(matches!(event, Event::Accepted { .. }) && !self.draining);
                assert!(self.used_ids.insert(tunnel), "no id is used twice");
                let handshakes = self.tunnels.values().filter(|it| it.identity().is_none()).count();
                assert!(handshakes < self.config.max_handshakes as usize, "handshakes are limited");
                self.tunnels.insert(
                    tunnel,
                    Tunnel { stage: Stage::Handshaking, used: false, streams: 0, limit: u32::MAX, pinged: false },
                );
            }
            Effect::RefuseConnection { .. } => assert!(matches!(event, Event::Accepted { .. })),
            Effect::Accept { tunnel } => self.accepted(event, tunnel),
            Effect::Reject { tunnel, .. } => {
                assert_eq!(self.tunnels[&tunnel].stage, Stage::Handshaking, "answered once");
                self.alive(tunnel).stage = Stage::Rejected;
            }
            Effect::Ping { tunnel } => {
                let tunnel = self.alive(tunnel);
                assert!(matches!(tunnel.stage, Stage::Accepted(_)), "only tunnels are pinged");
                assert!(!tunnel.pinged, "never two pings at a time");
                assert_eq!(tunnel.streams, 0, "a tunnel in use is not pinged");
                tunnel.pinged = true;
            }
            Effect::Assign { stream, tunnel } => self.assigned(event, stream, tunnel),
            Effect::Wait { stream } => {
                let Event::Opened { stream: opened, target } = event else { panic!("waiting begins with Opened") };
                assert_eq!(opened, stream);
                assert!(self.waiting.insert(stream, target).is_none());
                assert!(self.waiting.len() <= self.config.max_waiting as usize, "waiters are limited");
            }
            Effect::Refuse { stream, refusal } => {
                let waited = self.waiting.remove(&stream).is_some();
                assert!(waited || is_opened(event, stream), "each caller gets one answer");
                let at_once = [Refusal::QueueFull, Refusal::TenantQueueFull, Refusal::TenantSaturated];
                assert!(!waited || !at_once.contains(&refusal));
            }
            Effect::Goaway { tunnel } => {
                let tunnel = self.alive(tunnel);
                let Stage::Accepted(who) = tunnel.stage else { panic!("told once, and only when up") };
                tunnel.stage = Stage::Departing(who);
            }
            Effect::Close { tunnel, .. } => {
                self.tunnels.remove(&tunnel).expect("only living tunnels are closed, and once");
            }
            Effect::Contended { tunnel } => assert!(matches!(self.tunnels[&tunnel].stage, Stage::Accepted(_))),
            Effect::Drained => {
                assert!(self.draining && !self.drained, "Drained is said once");
                assert!(self.tunnels.values().all(|it| it.identity().is_none()), "Drained is said last");
                self.drained = true;
            }
        }
    }

    fn accepted(&mut self, event: Event<'static>, tunnel: TunnelId) {
        let Event::HandshakeReceived { tunnel: greeted, handshake } = event else {
            panic!("who is accepted has greeted")
        };
        assert!(greeted == tunnel && !self.draining);
        assert_eq!(self.tunnels[&tunnel].stage, Stage::Handshaking, "answered once");
        self.alive(tunnel).stage = Stage::Accepted(handshake.identity);
        let up = |test: &dyn Fn(Identity<'_>) -> bool| {
            self.tunnels.values().filter_map(|it| it.identity()).filter(|it| test(*it)).count()
        };
        assert!(up(&|_| true) <= self.config.max_tunnels as usize, "tunnels are limited");
        if self.config.tenant_isolation {
            let tenant = up(&|it| it.tenant == handshake.identity.tenant);
            assert!(
                tenant <= self.config.of_tenant(self.config.max_tunnels_per_tenant) as usize,
                "a tenant's tunnels are limited"
            );
        }
    }

    fn assigned(&mut self, event: Event<'static>, stream: StreamId, id: TunnelId) {
        let target = match (self.waiting.remove(&stream), event) {
            (Some(target), Event::Tick) => target,
            (None, Event::Opened { stream: opened, target }) if opened == stream => target,
            (waited, event) => panic!("{stream:?} is assigned at {event:?}, waiting for {waited:?}"),
        };
        let isolated = self.config.tenant_isolation;
        for (other, wanted) in &self.waiting {
            let same = wanted.name == target.name && (!isolated || wanted.tenant == target.tenant);
            assert!(!same || *other > stream, "{stream:?} overtakes {other:?}");
        }
        let wanted = |target: &Target<'_>, who: Identity<'_>| {
            let named = match target.name {
                // Whether the name is ambiguous is the machine's to know.
                TargetName::Node(node) => !self.config.refuse_ambiguous_node && who.node == node,
                TargetName::Member { node, cluster } => (who.node, who.cluster) == (node, cluster),
                TargetName::Cluster(cluster) => who.cluster == cluster,
            };
            named && (!isolated || target.tenant == Some(who.tenant))
        };
        if let Some(who) = self.tunnels[&id].identity() {
            let older = self.waiting.range(..stream).find(|(_, target)| wanted(target, who));
            assert!(older.is_none(), "OldestFirst: {stream:?} takes a place before {older:?}");
        }
        // Who waited before the drain may still be lucky.
        assert!(!self.draining || event == Event::Tick, "a draining responder takes nobody on");
        let limit = self.config.max_streams;
        let tunnel = self.alive(id);
        let Stage::Accepted(who) = tunnel.stage else { panic!("work goes to a tunnel that is {:?}", tunnel.stage) };
        tunnel.used = true;
        tunnel.streams += 1;
        assert!(tunnel.streams <= limit.min(tunnel.limit), "streams are limited");
        assert!(!isolated || target.tenant == Some(who.tenant), "TenantIsolation");
        match target.name {
            TargetName::Node(node) => assert_eq!(who.node, node, "ClusterIsolation"),
            TargetName::Member { node, cluster } => {
                assert_eq!((who.node, who.cluster), (node, cluster), "ClusterIsolation");
            }
            TargetName::Cluster(cluster) => assert_eq!(who.cluster, cluster, "ClusterIsolation"),
        }
    }

    fn alive(&mut self, tunnel: TunnelId) -> &mut Tunnel {
        self.tunnels.get_mut(&tunnel).expect("only living tunnels are named")
    }
}

impl Tunnel {
    fn identity(&self) -> Option<Identity<'static>> {
        match self.stage {
            Stage::Handshaking | Stage::Rejected => None,
            Stage::Accepted(who) | Stage::Departing(who) => Some(who),
        }
    }
}

impl super::Model<Responder> for ResponderModel {
    fn see(&mut self, _: Env, event: Event<'static>, effects: &[Effect]) {
        self.told(event);
        for effect in effects {
            self.asked(event, *effect);
        }
        let answered = effects
            .iter()
            .filter(|it| matches!(it, Effect::Assign { .. } | Effect::Wait { .. } | Effect::Refuse { .. }))
            .count();
        match event {
            // A number that a waiting caller has already is stale.
            Event::Opened { .. } => assert!(answered <= 1, "one answer for one question"),
            Event::Tick => assert!(answered <= 1, "waiting callers are served one by one"),
            Event::Accepted { .. }
            | Event::HandshakeReceived { .. }
            | Event::HandshakeInvalid { .. }
            | Event::Echoed { .. }
            | Event::Heard { .. }
            | Event::Closed { .. }
            | Event::Released { .. }
            | Event::Cancelled { .. }
            | Event::GoawayReceived { .. }
            | Event::ConnectionLost { .. }
            | Event::SettingsReceived { .. }
            | Event::DrainRequested { .. } => assert_eq!(answered, 0, "nobody asked"),
        }
    }

    fn settled(&self, since: Instant, now: Instant) {
        if now.since(since) >= QUIET {
            assert!(self.tunnels.is_empty(), "{:?} live on without a sign of life", self.tunnels);
            assert!(self.waiting.is_empty(), "WaiterServed: {:?} wait for ever", self.waiting);
            assert_eq!(self.draining, self.drained, "DrainEnds");
        }
    }
}

fn is_opened(event: Event<'_>, stream: StreamId) -> bool {
    matches!(event, Event::Opened { stream: opened, .. } if opened == stream)
}
