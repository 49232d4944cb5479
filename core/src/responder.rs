//! The responder: knows every tunnel and finds one for each request.
//!
//! ```text
//!             Accepted              Greeted             settled           Opened
//!   (nothing) ────────▶ Handshaking ───────▶ Settling ─────────▶ Idle ───────────▶ InUse
//!                          │      │                               │  ▲ │             │
//!                          │      │ Faulted,                 Ping │  │ │ no echo     │ silence
//!                 time-out │      │ no room                       ▼  │ ▼             ▼
//!                          ▼      └───▶ Rejected ──▶ (nothing) (an echo)         (nothing)
//!                       (nothing)
//!                                  GOAWAY, drain, newer process:  Idle, InUse ──▶ Draining ──▶ (nothing)
//! ```
//!
//! A tunnel of a revtun initiator skips `Settling`. Who may knock is in [`door`], where a tunnel is looked up by name in
//! [`registry`], how a request finds one in [`pick`], who waits for one in [`waiting`], what a returning node does to its ghost in [`ghosts`],
//! how tunnels are taken out of use in [`drain`].

mod canonical;
mod config;
mod door;
mod drain;
mod event;
mod ghosts;
mod invariants;
mod keepalive;
mod names;
mod pick;
mod registry;
pub mod retry;
mod sketch;
mod tunnel;
mod waiting;

#[doc(hidden)]
pub use canonical::Moment;
pub use config::{Config, HEARD_GRANULARITY};
pub use door::Source;
pub use event::{CloseReason, DrainScope, Effect, Event, Hello, Place, Refusal, StreamId, Target, Verdict};
pub use registry::{ClusterKey, NodeKey, Seat};
#[doc(hidden)]
pub use sketch::{NodeSketch, SeatSketch, Sketch, TunnelSketch};
pub use tunnel::{Counts, Stage, TunnelView};

use self::door::Door;
use self::drain::Drain;
use self::registry::Registry;
use self::tunnel::{Phase, Tunnel};
use self::waiting::Waiting;
use crate::handshake::Rejection;
use crate::table::Table;
use crate::timers::{Alarm, Timers};
use crate::{Effects, Env, Instant, Machine, TunnelId};

/// How long a rejected peer, or one that was told to go away and has nothing left to do, has for closing itself.
const LINGER: core::time::Duration = core::time::Duration::from_secs(1);

/// One responder process. See the module for the picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    config: Config,
    door: Door,
    tunnels: Table<TunnelId, Tunnel>,
    registry: Registry,
    waiting: Waiting,
    timers: Timers<Timer>,
    drain: Option<Drain>,
    counts: Counts,
}

/// Why the machine wants to be woken; each is an action of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The handshake takes too long.
    HandshakeTimeout(TunnelId),
    /// The peer had long enough to close by itself.
    Linger(TunnelId),
    /// The new tunnel was left alone for long enough.
    Settle(TunnelId),
    /// It is time to ping.
    Ping(TunnelId),
    /// The ping was not echoed.
    EchoTimeout(TunnelId),
    /// The tunnel in use was not heard.
    Silence(TunnelId),
    /// The tunnel is to be told to go away.
    Retire(TunnelId),
    /// The tunnel's streams had long enough to finish.
    Grace(TunnelId),
    /// Somebody waits and there is room.
    Serve(Seat),
    /// Somebody waited for long enough.
    GiveUp(StreamId),
    /// The next piece of a drain of everything.
    Drain,
}

impl Machine for Responder {
    type Event<'a> = Event<'a>;
    type Effect = Effect;
    const TICK: Event<'static> = Event::Tick;

    fn step(&mut self, env: Env, event: Event<'_>) -> Effects<Effect> {
        match event {
            Event::Accepted { source } => self.accepted(env, source),
            Event::Greeted { tunnel, hello } => self.greeted(env, tunnel, &hello),
            Event::Faulted { tunnel, rejection } => self.faulted(env, tunnel, rejection),
            Event::Echoed { tunnel } => self.echoed(env, tunnel),
            Event::Heard { tunnel } => self.heard(env, tunnel),
            Event::Closed { tunnel } => self.closed(tunnel),
            Event::Opened { stream, target } => self.opened(env, stream, &target),
            Event::Released { tunnel } => self.released(env, tunnel),
            Event::Abandoned { stream } => self.abandoned(stream),
            Event::GoawayReceived { tunnel } => self.goaway_received(env, tunnel),
            Event::DrainOrdered { scope, grace } => self.drain_ordered(env, &scope, grace),
            Event::Tick => self.tick(env),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| at)
    }

    fn check(&self) {
        self.check_invariants();
    }
}

impl Responder {
    /// A responder without tunnels.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            door: Door::new(),
            tunnels: Table::new(),
            registry: Registry::new(),
            waiting: Waiting::new(),
            timers: Timers::new(),
            drain: None,
            counts: Counts::NONE,
        }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Every tunnel, by slot.
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelView<'_>> + '_ {
        self.tunnels.iter().map(|(id, tunnel)| tunnel.view(id, &self.registry))
    }

    /// How many there are of everything; no walk.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether everything is being drained.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Which timer fires next: the reason behind [`Machine::deadline`].
    #[must_use]
    pub fn next_timer(&self) -> Option<Timer> {
        self.timers.first().map(|(_, timer)| timer)
    }

    fn accepted(&mut self, env: Env, source: Source) -> Effects<Effect> {
        if self.drain.is_some() {
            return Effects::one(Effect::Shun { rejection: Rejection::Draining });
        }
        if let Err(rejection) = self.door.enter(&self.config, env.now, source, self.counts.handshakes) {
            return Effects::one(Effect::Shun { rejection });
        }
        let id = self.tunnels.insert(Tunnel { phase: Phase::Handshaking, source, heard: env.now, alarm: Alarm::OFF });
        self.counts.handshakes += 1;
        self.arm(id, env.now.after(self.config.handshake_timeout), Timer::HandshakeTimeout(id));
        Effects::one(Effect::Admit { tunnel: id })
    }

    fn greeted(&mut self, env: Env, id: TunnelId, hello: &Hello<'_>) -> Effects<Effect> {
        if !self.is_handshaking(id) {
            return self.stale_event();
        }
        match self.admission(env.now, hello) {
            Ok(displaced) => {
                let effects = displaced.map_or(Effects::NONE, |id| self.close(id, CloseReason::Displaced));
                effects.then(self.register(env, id, hello))
            }
            Err(rejection) => self.reject(env, id, rejection),
        }
    }

    /// Whether there is room for one more tunnel, and which one has to make it.
    fn admission(&self, now: Instant, hello: &Hello<'_>) -> Result<Option<TunnelId>, Rejection> {
        match hello.verdict {
            Verdict::Believed => {}
            Verdict::Unproven => return Err(Rejection::Unauthenticated),
            Verdict::Contradicted => return Err(Rejection::IdentityMismatch),
        }
        if self.drain.is_some() {
            return Err(Rejection::Draining);
        }
        let tenant = self.tenant_key(hello.identity.tenant);
        let known = self.registry.tenants.get(tenant);
        let node = known.and_then(|tenant| tenant.node(hello.identity.node)).map(|node| self.registry.node(node));
        let cluster = known.and_then(|tenant| tenant.cluster(hello.identity.cluster));
        let crowded = cluster.filter(|key| self.registry.cluster(*key).tunnels >= self.config.max_tunnels_per_cluster);
        let full = if self.counts.tunnels >= self.config.max_tunnels {
            Rejection::ResponderFull
        } else if known.is_some_and(|tenant| tenant.tunnels >= self.config.max_tunnels_per_tenant) {
            Rejection::TenantFull
        } else if crowded.is_some() {
            Rejection::ClusterFull
        } else if node.is_some_and(|node| node.active() >= self.config.max_tunnels_per_node) {
            Rejection::NodeFull
        } else {
            return Ok(None);
        };
        // A returning node must not be kept out by what is left of itself, where that makes room.
        let corpse = node.and_then(|node| ghosts::longest_unanswered(node, crowded, &self.tunnels, now));
        corpse.map(Some).ok_or(full)
    }

    fn register(&mut self, env: Env, id: TunnelId, hello: &Hello<'_>) -> Effects<Effect> {
        let tenant = self.tenant_key(hello.identity.tenant);
        let member = self.registry.join(id, tenant, &hello.identity, hello.instance);
        let (node, cluster) = (member.node, member.cluster);
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        tunnel.phase = Phase::Settling(member);
        tunnel.heard = env.now;
        self.door.leave(tunnel.source);
        self.counts.handshakes -= 1;
        self.counts.tunnels += 1;
        self.counts.nodes = self.registry.peopled;
        // The node may have brought other tunnels into a cluster that it was not in before.
        self.arm_serve(env.now, Seat::Cluster(cluster));
        let contended = self.haunt(env.now, node, hello.instance);
        // A revtun initiator can take bytes right behind the 200; the first ping shows it at once that we mean it.
        let settle = if hello.instance.is_some() { core::time::Duration::ZERO } else { self.config.settle };
        self.arm(id, env.now.after(settle), Timer::Settle(id));
        if settle.is_zero() {
            self.list(env.now, id);
        }
        let effects = Effects::one(Effect::Accept { tunnel: id });
        if contended { effects.and(Effect::Contended { tunnel: id }) } else { effects }
    }

    fn faulted(&mut self, env: Env, id: TunnelId, rejection: Rejection) -> Effects<Effect> {
        if self.is_handshaking(id) { self.reject(env, id, rejection) } else { self.stale_event() }
    }

    fn reject(&mut self, env: Env, id: TunnelId, rejection: Rejection) -> Effects<Effect> {
        self.tunnels.get_mut(id).expect("the caller has found it").phase = Phase::Rejected;
        self.arm(id, env.now.after(LINGER), Timer::Linger(id));
        Effects::one(Effect::Reject { tunnel: id, rejection })
    }

    fn closed(&mut self, id: TunnelId) -> Effects<Effect> {
        if self.tunnels.get(id).is_none() {
            return self.stale_event();
        }
        self.forget(id);
        self.drained()
    }

    fn tick(&mut self, env: Env) -> Effects<Effect> {
        match self.timers.due(env.now) {
            None => Effects::NONE,
            Some(Timer::HandshakeTimeout(id)) => self.close(id, CloseReason::HandshakeTimeout),
            Some(Timer::Linger(id)) => self.close(id, self.reason_to_linger(id)),
            Some(Timer::Settle(id)) => self.settled(env, id),
            Some(Timer::Ping(id)) => self.ping(env, id),
            Some(Timer::EchoTimeout(id)) => self.close(id, CloseReason::PingTimeout),
            Some(Timer::Silence(id)) => self.close(id, CloseReason::Silent),
            Some(Timer::Retire(id)) => self.retire(env, id),
            Some(Timer::Grace(id)) => self.close(id, CloseReason::GraceOver),
            Some(Timer::Serve(seat)) => self.serve(env, seat),
            Some(Timer::GiveUp(stream)) => self.give_up(stream),
            Some(Timer::Drain) => self.drain_on(env),
        }
    }

    /// Closes a tunnel of our own accord.
    fn close(&mut self, id: TunnelId, reason: CloseReason) -> Effects<Effect> {
        self.forget(id);
        Effects::one(Effect::Close { tunnel: id, reason }).then(self.drained())
    }

    fn forget(&mut self, id: TunnelId) {
        self.unlist(id);
        let departing = self.tunnels.get(id).is_some_and(Tunnel::is_departing);
        let mut tunnel = self.tunnels.remove(id).expect("the caller has found it");
        self.timers.clear(&mut tunnel.alarm);
        match tunnel.phase {
            Phase::Handshaking | Phase::Rejected => {
                self.door.leave(tunnel.source);
                self.counts.handshakes -= 1;
            }
            Phase::Settling(member) | Phase::Idle(member, _) | Phase::InUse(member) | Phase::Draining(member, _) => {
                self.counts.tunnels -= 1;
                self.counts.streams -= member.streams;
                self.registry.leave(id, &member, departing);
                self.counts.nodes = self.registry.peopled;
            }
        }
    }

    fn arm(&mut self, id: TunnelId, at: Instant, timer: Timer) {
        let tunnel = self.tunnels.get_mut(id).expect("timers are armed for living tunnels");
        self.timers.set(&mut tunnel.alarm, at, timer);
    }

    fn is_handshaking(&self, id: TunnelId) -> bool {
        self.tunnels.get(id).is_some_and(|tunnel| matches!(tunnel.phase, Phase::Handshaking))
    }

    fn stale_event(&mut self) -> Effects<Effect> {
        self.counts.stale += 1;
        Effects::NONE
    }
}
