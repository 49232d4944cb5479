//! Draining tunnels: those that received GOAWAY, those above the target, and all of them at the end.

use core::time::Duration;

use super::host_backoff::Failure;
use super::tunnel::Phase;
use super::{CloseReason, Effect, Initiator, Timer};
use crate::timers::Alarm;
use crate::{Effects, Env, TunnelId};

/// The drain of everything: the target is zero for every host, and what is left at the end is closed, one a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Drain {
    pub(super) alarm: Alarm<Timer>,
    /// Whether `Drained` was reported.
    pub(super) over: bool,
}

impl Initiator {
    pub(super) fn goaway_received(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get(id) else { return self.stale_event() };
        match tunnel.phase {
            Phase::Idle { .. } | Phase::InUse { .. } => {
                if tunnel.is_flap(env.now) {
                    self.record_failure(env, id, Failure::Flapping, None);
                }
                self.start_draining(env, id)
            }
            Phase::Dialing | Phase::Handshaking | Phase::Draining => self.stale_event(),
        }
    }

    pub(super) fn drain_requested(&mut self, env: Env, grace: Duration) -> Effects<Effect> {
        let until = env.now.after(grace);
        let drain = self.drain.get_or_insert(Drain { alarm: Alarm::OFF, over: false });
        match drain.alarm.get() {
            Some((earlier, _)) if earlier <= until => {}
            Some(_) | None if drain.over => {}
            Some(_) | None => self.timers.set(&mut drain.alarm, until, Timer::DrainEnd),
        }
        // With the target at zero for every host, each arms its own shedding; hosts without tunnels are forgotten
        // without a word, since there is no room for one `Forget` each and nobody needs their ids again.
        let hosts: alloc::vec::Vec<_> = self.hosts.keys().copied().collect();
        for host in hosts {
            let _forgotten = self.reconcile(env.now, host);
        }
        Effects::NONE
    }

    /// The tunnel takes no part in the count any more; what it carries may finish.
    pub(super) fn start_draining(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let tunnel = self.tunnels.get_mut(id).expect("the caller has found it");
        let host = self.hosts.get_mut(&tunnel.host).expect("a tunnel's host outlives it");
        host.leave(tunnel.phase);
        tunnel.phase = Phase::Draining;
        host.enter(tunnel.phase);
        self.timers.set(&mut tunnel.alarm, env.now.after(self.config.drain_grace), Timer::Grace(id));
        // A responder that sends GOAWAY again and again must not accumulate draining tunnels here.
        if host.draining > self.config.max_draining {
            return self.close(env, id, CloseReason::Surplus);
        }
        let host = tunnel.host;
        self.reconcile(env.now, host)
    }

    pub(super) fn drain_end(&mut self, env: Env) -> Effects<Effect> {
        let (left, _) = self.tunnels.iter().next().expect("a drain without tunnels is over and has no timer");
        let drain = self.drain.as_mut().expect("its timer is armed");
        self.timers.set(&mut drain.alarm, env.now, Timer::DrainEnd);
        self.close(env, left, CloseReason::Drained)
    }

    /// Reports `Drained` once, when no tunnel is left.
    pub(super) fn drained(&mut self) -> Effects<Effect> {
        match &mut self.drain {
            Some(drain) if !drain.over && self.tunnels.is_empty() => {
                drain.over = true;
                self.timers.clear(&mut drain.alarm);
                Effects::one(Effect::Drained)
            }
            Some(_) | None => Effects::NONE,
        }
    }
}
