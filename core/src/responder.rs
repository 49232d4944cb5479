//! The responder: knows every tunnel and finds one for each request.
//!
//! ```text
//!             Accepted         HandshakeReceived       settled           Opened
//!   (nothing) ────────▶ Handshaking ───────▶ Settling ─────────▶ Idle ───────────▶ InUse
//!                          │      │                               │  ▲ │             │
//!                          │      │ HandshakeInvalid,        Ping │  │ │ no echo     │ silence
//!                 time-out │      │ no room                       ▼  │ ▼             ▼
//!                          ▼      └───▶ Rejected ──▶ (nothing) (an echo)         (nothing)
//!                       (nothing)
//!                                  GOAWAY, lost, drain, newer process:  Idle, InUse ──▶ Draining ──▶ (nothing)
//! ```
//!
//! A tunnel of a revtun initiator skips `Settling`. Which connections are admitted is decided in [`admission`], which
//! tunnel a request takes in [`pick`], over the index of names in [`registry`]; callers without a tunnel wait in
//! [`waiting`]. [`fencing`] drains tunnels of superseded processes, [`drain`] takes tunnels out of use, [`keepalive`]
//! finds dead ones.

mod admission;
mod canonical;
mod config;
mod drain;
mod entry;
mod event;
mod fencing;
mod invariants;
mod keepalive;
mod lapse;
mod name_index;
mod pick;
mod registry;
pub mod retry;
pub mod shutdown;
mod spec_state;
mod tunnel;
mod waiting;

#[doc(hidden)]
pub use canonical::Moment;
pub use config::{Config, HEARD_GRANULARITY};
pub use entry::{ClusterKey, GroupKey, NameKey, NodeKey, TargetKey};
pub use event::{CloseReason, DrainScope, Effect, Event, Handshake, Refusal, StreamId, Target, TargetName, Verdict};
pub use lapse::Lapse;
#[doc(hidden)]
pub use spec_state::{SpecNode, SpecQueue, SpecState, SpecTunnel};
pub use tunnel::{Counts, Stage, TunnelView};

use self::admission::Admission;
use self::drain::Drain;
use self::registry::Registry;
use self::tunnel::{Phase, Tunnel};
use self::waiting::Waiting;
use crate::handshake::Rejection;
use crate::identity::Identity;
pub use crate::source::Source;
use crate::table::Table;
use crate::timers::{Alarm, Timers};
use crate::{Effects, Env, Instant, Machine, TunnelId};

/// How long a rejected peer, or one that received GOAWAY and has no stream left, has to close the connection itself.
const LINGER: core::time::Duration = core::time::Duration::from_secs(1);

/// One responder process. See the module for the picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    config: Config,
    admission: Admission,
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
    /// The peer did not close the connection in time.
    Linger(TunnelId),
    /// The settling time of a new tunnel is over.
    Settle(TunnelId),
    /// It is time to ping.
    Ping(TunnelId),
    /// The ping was not echoed.
    EchoTimeout(TunnelId),
    /// The tunnel in use was not heard.
    Silence(TunnelId),
    /// The tunnel is to be sent GOAWAY.
    Retire(TunnelId),
    /// The tunnel's streams had long enough to finish.
    Grace(TunnelId),
    /// A caller waits and a tunnel has room.
    Serve(TargetKey),
    /// A caller waited too long.
    WaitTimeout(StreamId),
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
            Event::HandshakeReceived { tunnel, handshake } => self.handshake_received(env, tunnel, &handshake),
            Event::HandshakeInvalid { tunnel, rejection } => self.handshake_invalid(env, tunnel, rejection),
            Event::Echoed { tunnel } => self.echoed(env, tunnel),
            Event::Heard { tunnel } => self.heard(env, tunnel),
            Event::Closed { tunnel } => self.closed(tunnel),
            Event::Opened { stream, target } => self.opened(env, stream, &target),
            Event::Released { tunnel } => self.released(env, tunnel),
            Event::Cancelled { stream } => self.cancelled(stream),
            Event::GoawayReceived { tunnel } => self.goaway_received(env, tunnel),
            Event::ConnectionLost { tunnel } => self.connection_lost(env, tunnel),
            Event::SettingsReceived { tunnel, max_concurrent_streams } => {
                self.settings_received(env, tunnel, max_concurrent_streams)
            }
            Event::DrainRequested { scope, grace } => self.drain_requested(env, &scope, grace),
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
            admission: Admission::new(),
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

    /// One tunnel; none if it is not known any more.
    #[must_use]
    pub fn tunnel(&self, tunnel: TunnelId) -> Option<TunnelView<'_>> {
        self.tunnels.get(tunnel).map(|known| known.view(tunnel, &self.registry))
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
            return Effects::one(Effect::RefuseConnection { rejection: Rejection::Draining });
        }
        if let Err(rejection) = self.admission.admit(&self.config, env.now, source, self.counts.handshakes) {
            return Effects::one(Effect::RefuseConnection { rejection });
        }
        let id = self.tunnels.insert(Tunnel { phase: Phase::Handshaking, source, heard: env.now, alarm: Alarm::OFF });
        self.counts.handshakes += 1;
        self.admission.enter(source, id);
        self.arm(id, env.now.after(self.config.handshake_timeout), Timer::HandshakeTimeout(id));
        if let Some(dropped) = self.admission.drop_early(&self.config, env.dice, self.counts.handshakes) {
            self.end_early(env.now, dropped);
        }
        Effects::one(Effect::Admit { tunnel: id })
    }

    /// Lets the timer of a pending handshake be due at once.
    fn end_early(&mut self, now: Instant, id: TunnelId) {
        let (_, timer) = self.tunnels.get(id).and_then(|tunnel| tunnel.alarm.get()).expect("it is pending");
        self.arm(id, now, timer);
    }

    fn handshake_received(&mut self, env: Env, id: TunnelId, handshake: &Handshake<'_>) -> Effects<Effect> {
        if !self.is_handshaking(id) {
            return self.stale_event();
        }
        match self.check_capacity(env.now, handshake) {
            Ok(displaced) => {
                let effects = displaced.map_or(Effects::NONE, |id| self.close(id, CloseReason::Evicted));
                effects.then(self.register(env, id, handshake))
            }
            Err(rejection) => self.reject(env, id, rejection),
        }
    }

    /// Whether there is room for one more tunnel, and which one has to make it.
    fn check_capacity(&self, now: Instant, handshake: &Handshake<'_>) -> Result<Option<TunnelId>, Rejection> {
        match handshake.verdict {
            Verdict::Authenticated => {}
            Verdict::Unauthenticated => return Err(Rejection::Unauthenticated),
            Verdict::Mismatch => return Err(Rejection::IdentityMismatch),
        }
        if self.drain.is_some() {
            return Err(Rejection::Draining);
        }
        let tenant = self.tenant_key(handshake.identity.tenant);
        let known = self.registry.tenants.get(tenant);
        let Identity { node, cluster, .. } = handshake.identity;
        let node = known.and_then(|tenant| tenant.member(node, cluster)).map(|node| self.registry.node(node));
        let cluster = known.and_then(|tenant| tenant.cluster(cluster)).map(|cluster| self.registry.group(cluster));
        let most_of_tenant = self.config.of_tenant(self.config.max_tunnels_per_tenant);
        let full = if self.counts.tunnels >= self.config.max_tunnels {
            Rejection::ResponderFull
        } else if known.is_some_and(|tenant| tenant.tunnels >= most_of_tenant) {
            Rejection::TenantFull
        } else if cluster.is_some_and(|cluster| cluster.tunnels >= self.config.max_tunnels_per_cluster) {
            Rejection::ClusterFull
        } else if node.is_some_and(|node| node.staying() >= self.config.max_tunnels_per_node) {
            Rejection::NodeFull
        } else {
            return Ok(None);
        };
        // A returning node must not be rejected because of stale tunnels of its own: one of them is evicted, where that
        // makes room.
        let stale_tunnel = node.and_then(|node| fencing::longest_unanswered(node, &self.tunnels, now));
        stale_tunnel.map(Some).ok_or(full)
    }

    fn register(&mut self, env: Env, id: TunnelId, handshake: &Handshake<'_>) -> Effects<Effect> {
        let tenant = self.tenant_key(handshake.identity.tenant);
        let member = self.registry.join(id, tenant, &handshake.identity, handshake.instance);
        let node = member.node;
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        tunnel.phase = Phase::Settling(member);
        tunnel.heard = env.now;
        self.admission.release(tunnel.source, id);
        self.counts.handshakes -= 1;
        self.counts.tunnels += 1;
        self.counts.nodes = self.registry.connected_nodes;
        // It may have made a name ambiguous, and callers wait for that.
        self.arm_serve(env.now, TargetKey::Group(self.registry.node(node).name));
        let contended = self.fence(env.now, node, handshake.instance);
        // A revtun initiator can take bytes right behind the 200; the first ping shows it at once that we mean it.
        let is_revtun = handshake.instance.is_some();
        let settle = if is_revtun { core::time::Duration::ZERO } else { self.config.settle };
        self.arm(id, env.now.after(settle), Timer::Settle(id));
        if is_revtun {
            self.list(env.now, id);
        }
        let effects = Effects::one(Effect::Accept { tunnel: id });
        if contended { effects.and(Effect::Contended { tunnel: id }) } else { effects }
    }

    fn handshake_invalid(&mut self, env: Env, id: TunnelId, rejection: Rejection) -> Effects<Effect> {
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
            Some(Timer::HandshakeTimeout(id)) => self.close(id, self.admission.timeout_reason(id)),
            Some(Timer::Linger(id)) => self.close(id, self.linger_reason(id)),
            Some(Timer::Settle(id)) => self.settled(env, id),
            Some(Timer::Ping(id)) => self.ping(env, id),
            Some(Timer::EchoTimeout(id)) => self.close(id, CloseReason::PingTimeout),
            Some(Timer::Silence(id)) => self.close(id, CloseReason::Silent),
            Some(Timer::Retire(id)) => self.retire(env, id),
            Some(Timer::Grace(id)) => self.close(id, self.overdue_reason(id)),
            Some(Timer::Serve(target)) => self.serve(env, target),
            Some(Timer::WaitTimeout(stream)) => self.wait_timeout(stream),
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
        let draining = self.tunnels.get(id).is_some_and(Tunnel::is_draining);
        let mut tunnel = self.tunnels.remove(id).expect("the caller has found it");
        self.timers.clear(&mut tunnel.alarm);
        match tunnel.phase {
            Phase::Handshaking | Phase::Rejected => {
                self.admission.release(tunnel.source, id);
                self.counts.handshakes -= 1;
            }
            Phase::Settling(member) | Phase::Idle(member, _) | Phase::InUse(member) | Phase::Draining(member, _) => {
                self.counts.tunnels -= 1;
                self.counts.streams -= member.streams;
                self.registry.leave(id, &member, draining);
                self.counts.nodes = self.registry.connected_nodes;
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
