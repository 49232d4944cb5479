//! Whether a tunnel is alive: pings while it is idle, any byte while it is in use.

use core::time::Duration;

use super::tunnel::{Keepalive, Phase};
use super::{Effect, Responder, Timer};
use crate::backoff::jitter;
use crate::{Effects, Env, Instant, TunnelId};

/// The granularity of ping timers: pings that are due within this time go out in one wake-up, at most a hundred a
/// second however many tunnels there are.
const PING_GRANULARITY: Duration = Duration::from_millis(10);

impl Responder {
    /// The settling time is over: the tunnel can be used, and is pinged at once.
    pub(super) fn settled(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        self.list(env.now, id);
        self.ping(env, id)
    }

    pub(super) fn ping(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let tunnel = self.tunnels.get_mut(id).expect("a tunnel with a timer lives");
        tunnel.change(|member| Phase::Idle(member, Keepalive::Awaiting { since: env.now }));
        self.arm(id, env.now.after(self.config.echo_timeout), Timer::EchoTimeout(id));
        Effects::one(Effect::Ping { tunnel: id })
    }

    pub(super) fn echoed(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get_mut(id) else { return self.stale_event() };
        match &mut tunnel.phase {
            Phase::Handshaking | Phase::Rejected => return self.stale_event(),
            Phase::Idle(_, keepalive @ Keepalive::Awaiting { .. }) => {
                *keepalive = Keepalive::Resting;
                tunnel.heard = env.now;
                let next = next_ping(self.config.ping_interval, env);
                self.arm(id, next, Timer::Ping(id));
            }
            // An unsolicited echo, or the tunnel was taken into use meanwhile: it only shows that the peer is alive.
            Phase::Settling(_) | Phase::Idle(_, Keepalive::Resting) | Phase::InUse(_) | Phase::Draining(..) => {
                tunnel.heard = env.now;
            }
        }
        Effects::NONE
    }

    pub(super) fn heard(&mut self, env: Env, id: TunnelId) -> Effects<Effect> {
        let Some(tunnel) = self.tunnels.get_mut(id) else { return self.stale_event() };
        match tunnel.phase {
            Phase::Handshaking | Phase::Rejected | Phase::Settling(_) | Phase::Idle(..) => return self.stale_event(),
            Phase::InUse(_) => {
                self.timers.set(&mut tunnel.alarm, env.now.after(self.config.silence), Timer::Silence(id));
            }
            Phase::Draining(..) => {}
        }
        tunnel.heard = env.now;
        Effects::NONE
    }
}

/// When to ping next: up to 15 % later than the interval, never earlier, so that many tunnels are not pinged all at
/// once (reference §3); rounded up, so that those due at nearly the same time share a wake-up.
fn next_ping(interval: Duration, env: Env) -> Instant {
    let pause = interval + jitter(interval * 15 / 100, env.dice);
    env.now.after(pause).round_up(PING_GRANULARITY.min(interval / 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(now: u64, dice: u64, interval: Duration) -> Duration {
        let now = Instant::EPOCH.after(Duration::from_micros(now));
        next_ping(interval, Env { now, dice }).since(now)
    }

    #[test]
    fn pings_that_are_due_at_nearly_the_same_time_go_out_together() {
        let interval = Duration::from_secs(2);
        let moments =
            (1..=20_000).map(|now| next_ping(interval, Env { now: Instant::from_nanos(now * 1_000), dice: 0 }));
        let moments: alloc::collections::BTreeSet<_> = moments.collect();
        assert_eq!(
            moments.into_iter().map(|at| at.as_nanos() / 1_000).collect::<alloc::vec::Vec<_>>(),
            [2_010_000, 2_020_000]
        );
    }

    #[test]
    fn a_ping_is_a_little_late_and_never_early() {
        for interval in [Duration::from_millis(1), Duration::from_secs(2), Duration::from_secs(300)] {
            for now in [0, 1, 9_999, 10_000, 123_456_789] {
                assert!(pause(now, 0, interval) >= interval);
                assert!(pause(now, u64::MAX, interval) <= interval * 116 / 100);
            }
        }
    }
}
