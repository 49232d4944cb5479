//! The initiator: keeps a target number of tunnels to every host of one upstream.
//!
//! ```text
//!             Dial          Connected             Accepted          Used
//!   (nothing) ────▶ Dialing ─────────▶ Handshaking ────────▶ Idle ───────▶ InUse
//!                      │                    │                  │             │
//!                      │ time-out           │ time-out         │ silence     │ silence
//!                      │ Closed             │ Refused, Closed  │ Closed      │ Closed
//!                      ▼                    ▼                  ▼             ▼
//!                   (nothing) ◀─────────────────────────────────────────────────┐
//!                                                              │             │   │ Closed
//!                             peer's GOAWAY, surplus, drain    └──▶ Draining ◀┘───┘ grace over
//! ```
//!
//! Everything about the number of tunnels of a host is decided in one place, [`Initiator::reconcile`], which arms at
//! most one timer for the host: dial one more, or shed one. A tunnel that leaves is replaced at once; what happens
//! after failures is in [`host_backoff`], the liveness timeout of idle tunnels in [`ping_interval`], and draining in
//! [`drain`].

mod canonical;
mod config;
mod drain;
mod event;
mod host;
mod host_backoff;
mod invariants;
mod ping_interval;
mod spec_state;
mod tunnel;

#[doc(hidden)]
pub use canonical::Moment;
pub use config::{Config, HEARD_GRANULARITY};
pub use event::{Cause, CloseReason, Effect, Event, HostId, Protocol};
pub use host::Targets;
#[doc(hidden)]
pub use spec_state::{SpecState, SpecTunnel};
pub use tunnel::{Stage, TunnelView};

use alloc::collections::BTreeMap;
use core::cmp::Ordering;
use core::time::Duration;

use self::drain::Drain;
use self::host::Host;
use self::host_backoff::Failure;
use self::tunnel::{Phase, Pings, Tunnel};
use crate::address::MAX_COUNT;
use crate::handshake::Answer;
use crate::table::Table;
use crate::timers::{Alarm, Timers};
use crate::{Effects, Env, Instant, Machine, TunnelId};

/// One upstream's tunnels. See the module for the picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Initiator {
    config: Config,
    hosts: BTreeMap<HostId, Host>,
    tunnels: Table<TunnelId, Tunnel>,
    timers: Timers<Timer>,
    drain: Option<Drain>,
    stale: u64,
}

/// Why the machine wants to be woken; each is an action of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The host has fewer tunnels than its target.
    Dial(HostId),
    /// The host has more tunnels than its target.
    Shed(HostId),
    /// The dial takes too long.
    ConnectTimeout(TunnelId),
    /// The answer takes too long.
    HandshakeTimeout(TunnelId),
    /// The tunnel was not heard for too long.
    Silence(TunnelId),
    /// The tunnel's streams had long enough to finish.
    Grace(TunnelId),
    /// The drain of everything had long enough.
    DrainEnd,
}

impl Machine for Initiator {
    type Event<'a> = Event;
    type Effect = Effect;
    const TICK: Event = Event::Tick;

    fn step(&mut self, env: Env, event: Event) -> Effects<Effect> {
        let effects = match event {
            Event::TargetSet { host, count } => self.target_set(env, host, count),
            Event::Connected { tunnel } => self.connected(env, tunnel),
            Event::Answered { tunnel, answer } => self.answered(env, tunnel, answer),
            Event::Heard { tunnel } => self.heard(env, tunnel),
            Event::Used { tunnel, protocol } => self.used(env, tunnel, protocol),
            Event::Closed { tunnel, cause } => self.closed(env, tunnel, cause),
            Event::GoawayReceived { tunnel } => self.goaway_received(env, tunnel),
            Event::DrainRequested { grace } => self.drain_requested(env, grace),
            Event::Tick => self.tick(env),
        };
        effects.then(self.drained())
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| at)
    }

    fn check(&self) {
        self.check_invariants();
    }
}

impl Initiator {
    /// An initiator without hosts.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, hosts: BTreeMap::new(), tunnels: Table::new(), timers: Timers::new(), drain: None, stale: 0 }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Every tunnel, by slot.
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelView> + '_ {
        self.tunnels.iter().map(|(id, tunnel)| tunnel.view(id))
    }

    /// Whether at least one tunnel is up, was heard since it was accepted, and is not being drained.
    ///
    /// Silent tunnels are closed within the liveness window, so a tunnel that counts here was alive that recently.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.tunnels.iter().any(|(_, tunnel)| tunnel.is_proven())
    }

    /// How many events were about a tunnel that is no longer known, or came in a stage where they mean nothing.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }

    /// Which timer fires next: the reason behind [`Machine::deadline`].
    #[must_use]
    pub fn next_timer(&self) -> Option<Timer> {
        self.timers.first().map(|(_, timer)| timer)
    }

    fn target_set(&mut self, env: Env, host: HostId, count: u16) -> Effects<Effect> {
        self.hosts.entry(host).or_default().target = count.min(MAX_COUNT);
        self.reconcile(env.now, host)
    }

    fn connected(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        match self.tunnels.get_mut(id) {
            Some(tunnel) if tunnel.phase == Phase::Dialing => {
                tunnel.phase = Phase::Handshaking;
                let deadline = env.now.after(self.config.handshake_timeout);
                self.timers.set(&mut tunnel.alarm, deadline, Timer::HandshakeTimeout(id));
                Effects::one(Effect::SendHandshake { tunnel: id })
            }
            Some(_) | None => self.stale_event(),
        }
    }

    fn answered(&mut self, env: Env, id: TunnelId, answer: Answer) -> Effects<Effect> {
        match self.tunnels.get(id) {
            Some(tunnel) if tunnel.phase == Phase::Handshaking => {}
            Some(_) | None => return self.stale_event(),
        }
        match answer {
            Answer::Accepted { revtun } => self.accepted(env, id, revtun),
            Answer::Refused { status, retry_after } => {
                let kind = Failure::of_status(status);
                self.fail(env, id, kind, retry_after, CloseReason::Refused(status))
            }
            Answer::Downgraded => self.fail(env, id, Failure::Denied, None, CloseReason::Downgraded),
            Answer::Malformed => self.fail(env, id, Failure::Failing, None, CloseReason::Malformed),
        }
    }

    fn accepted(&mut self, env: Env, id: TunnelId, revtun: bool) -> Effects<Effect> {
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        host.leave(tunnel.phase);
        tunnel.phase = Phase::Idle { accepted: env.now, pings: Pings::None, revtun };
        host.enter(tunnel.phase);
        host.backoff.tunnel_accepted();
        tunnel.heard = env.now;
        let deadline = env.now.after(host.ping_interval.liveness_timeout(&self.config));
        self.timers.set(&mut tunnel.alarm, deadline, Timer::Silence(id));
        let host = tunnel.host;
        Effects::one(Effect::Deliver { tunnel: id }).then(self.reconcile(env.now, host))
    }

    fn heard(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get_mut(id) else { return self.stale_event() };
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        match &mut tunnel.phase {
            Phase::Dialing | Phase::Handshaking => return self.stale_event(),
            Phase::Idle { accepted, pings, .. } => {
                let gap = env.now.since(tunnel.heard);
                *pings = match pings {
                    Pings::None => {
                        host.ping_interval.record_first(gap);
                        Pings::One
                    }
                    Pings::One | Pings::Regular => {
                        host.ping_interval.record(gap);
                        Pings::Regular
                    }
                };
                host.backoff.tunnel_lived(env.now.since(*accepted));
                let deadline = env.now.after(host.ping_interval.liveness_timeout(&self.config));
                self.timers.set(&mut tunnel.alarm, deadline, Timer::Silence(id));
            }
            Phase::InUse { protocol } => {
                host.backoff.tunnel_lived(env.now.since(tunnel.dialed));
                if *protocol == Protocol::Http2 {
                    self.timers.set(&mut tunnel.alarm, env.now.after(self.config.silence), Timer::Silence(id));
                }
            }
            Phase::Draining => {}
        }
        tunnel.heard = env.now;
        let host = tunnel.host;
        self.reconcile(env.now, host)
    }

    fn used(&mut self, env: Env, id: TunnelId, protocol: Protocol) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get_mut(id) else { return self.stale_event() };
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        match tunnel.phase {
            Phase::Idle { accepted, .. } => {
                host.leave(tunnel.phase);
                tunnel.phase = Phase::InUse { protocol };
                host.enter(tunnel.phase);
                host.backoff.tunnel_lived(env.now.since(accepted));
                match protocol {
                    Protocol::Http2 => {
                        self.timers.set(&mut tunnel.alarm, env.now.after(self.config.silence), Timer::Silence(id));
                    }
                    Protocol::Http1 => self.timers.clear(&mut tunnel.alarm),
                }
            }
            // The responder's first request crossed our GOAWAY: it is still served.
            Phase::Draining => {}
            Phase::Dialing | Phase::Handshaking | Phase::InUse { .. } => return self.stale_event(),
        }
        tunnel.heard = env.now;
        let host = tunnel.host;
        self.reconcile(env.now, host)
    }

    fn closed(&mut self, env: Env, id: TunnelId, cause: Cause) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get(id) else { return self.stale_event() };
        let kind = match (tunnel.phase, cause) {
            (Phase::Dialing, Cause::Refused) => Some(Failure::ConnectionRefused),
            (Phase::Dialing, Cause::Lost) | (Phase::Handshaking, Cause::Refused | Cause::Lost) => {
                Some(Failure::Failing)
            }
            (Phase::Idle { .. } | Phase::InUse { .. }, Cause::Refused | Cause::Lost) => {
                tunnel.is_flap(env.now).then_some(Failure::Flapping)
            }
            (Phase::Draining, Cause::Refused | Cause::Lost) => None,
        };
        self.forget(env, id, kind, None)
    }

    fn tick(&mut self, env: Env) -> Effects<Effect> {
        match self.timers.due(env.now) {
            None => Effects::NONE,
            Some(Timer::Dial(host)) => self.dial(env, host),
            Some(Timer::Shed(host)) => self.shed(env, host),
            Some(Timer::ConnectTimeout(id)) => self.fail(env, id, Failure::Failing, None, CloseReason::ConnectTimeout),
            Some(Timer::HandshakeTimeout(id)) => {
                self.fail(env, id, Failure::Failing, None, CloseReason::HandshakeTimeout)
            }
            Some(Timer::Silence(id)) => self.silent(env, id),
            Some(Timer::Grace(id)) => self.close(env, id, CloseReason::Drained),
            Some(Timer::DrainEnd) => self.drain_end(env),
        }
    }

    fn dial(&mut self, env: Env, host_id: HostId) -> Effects<Effect> {
        let host = self.hosts.get_mut(&host_id).expect("a host with a timer is known");
        let phase = Phase::Dialing;
        let id =
            self.tunnels.insert(Tunnel { host: host_id, phase, dialed: env.now, heard: env.now, alarm: Alarm::OFF });
        host.enter(phase);
        let tunnel = self.tunnels.get_mut(id).expect("inserted above");
        self.timers.set(&mut tunnel.alarm, env.now.after(self.config.connect_timeout), Timer::ConnectTimeout(id));
        Effects::one(Effect::Dial { tunnel: id, host: host_id }).then(self.reconcile(env.now, host_id))
    }

    /// One tunnel less: one that is not up yet, else the youngest idle one, else the youngest.
    fn shed(&mut self, env: Env, host: HostId) -> Effects<Effect> {
        let sheddable = self.tunnels.iter().filter(|(_, tunnel)| tunnel.host == host && tunnel.phase.is_live());
        let (id, tunnel) = sheddable
            .max_by_key(|(id, tunnel)| (tunnel.phase.sheds_easily(), tunnel.dialed, *id))
            .expect("shedding is armed while there are more live tunnels than wanted");
        match tunnel.phase {
            Phase::Dialing | Phase::Handshaking | Phase::Idle { revtun: false, .. } => {
                self.close(env, id, CloseReason::Surplus)
            }
            Phase::Idle { revtun: true, .. } | Phase::InUse { .. } => {
                Effects::one(Effect::Goaway { tunnel: id }).then(self.start_draining(env, id))
            }
            Phase::Draining => unreachable!("a draining tunnel is not live"),
        }
    }

    fn silent(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let tunnel = self.tunnels.get(id).expect("a tunnel with a timer is known");
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        match tunnel.phase {
            Phase::Idle { pings, .. } => {
                let (deadline, _) = tunnel.alarm.get().expect("its timer is due");
                // A responder whose ping interval is known and that stopped is not slow.
                if pings != Pings::Regular {
                    // The armed timeout, not the time that passed: a stall of our own says nothing about the responder.
                    host.ping_interval.record_timeout(deadline.since(tunnel.heard));
                }
                if pings.prove() {
                    self.close(env, id, CloseReason::Silent)
                } else {
                    self.fail(env, id, Failure::Failing, None, CloseReason::Silent)
                }
            }
            Phase::InUse { .. } => self.close(env, id, CloseReason::Silent),
            Phase::Dialing | Phase::Handshaking | Phase::Draining => {
                unreachable!("only tunnels that are up are listened to")
            }
        }
    }

    fn close(&mut self, env: Env, id: TunnelId, reason: CloseReason) -> Effects<Effect> {
        Effects::one(Effect::Close { tunnel: id, reason }).then(self.forget(env, id, None, None))
    }

    fn fail(
        &mut self,
        env: Env,
        id: TunnelId,
        kind: Failure,
        retry_after: Option<Duration>,
        reason: CloseReason,
    ) -> Effects<Effect> {
        Effects::one(Effect::Close { tunnel: id, reason }).then(self.forget(env, id, Some(kind), retry_after))
    }

    fn record_failure(&mut self, env: Env, id: TunnelId, kind: Failure, retry_after: Option<Duration>) {
        let tunnel = self.tunnels.get(id).expect("the caller has found it");
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        host.backoff.record_failure(env, &self.config, kind, tunnel.dialed, retry_after);
    }

    fn forget(
        &mut self,
        env: Env,
        id: TunnelId,
        failure: Option<Failure>,
        retry_after: Option<Duration>,
    ) -> Effects<Effect> {
        if let Some(kind) = failure {
            self.record_failure(env, id, kind, retry_after);
        }
        let mut tunnel = self.tunnels.remove(id).expect("the caller has found it");
        self.timers.clear(&mut tunnel.alarm);
        self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it").leave(tunnel.phase);
        self.reconcile(env.now, tunnel.host)
    }

    /// Decides everything about the number of tunnels of one host. Called after whatever may have changed it.
    fn reconcile(&mut self, now: Instant, id: HostId) -> Effects<Effect> {
        let host = self.hosts.get_mut(&id).expect("only known hosts are reconciled");
        let target = if self.drain.is_some() { 0 } else { host.target };
        match host.live().cmp(&target) {
            Ordering::Less if host.may_dial() => {
                self.timers.set(&mut host.alarm, now.max(host.backoff.until()), Timer::Dial(id));
            }
            Ordering::Greater => self.timers.set(&mut host.alarm, now, Timer::Shed(id)),
            Ordering::Less | Ordering::Equal => self.timers.clear(&mut host.alarm),
        }
        if target == 0 && host.is_empty() {
            self.hosts.remove(&id);
            return Effects::one(Effect::Forget { host: id });
        }
        Effects::NONE
    }

    fn stale_event(&mut self) -> Effects<Effect> {
        self.stale += 1;
        Effects::NONE
    }
}
