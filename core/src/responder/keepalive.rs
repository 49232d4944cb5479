//! Whether a tunnel is alive: pings while it is idle, any byte while it is in use.

use core::time::Duration;

use super::tunnel::{Keepalive, Phase};
use super::{Effect, Responder, Timer};
use crate::backoff::jitter;
use crate::{Effects, Env, Instant, TunnelId};

/// Pings that are due within this time go out together. Ten thousand tunnels wake their responder a hundred times a second
/// then, and not ten times as often.
const BEAT: Duration = Duration::from_millis(10);

impl Responder {
    /// The tunnel was left alone for long enough: it can be used, and is pinged to prove itself.
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
            // Nobody asked, or the tunnel was taken into use meanwhile: a sign of life and no more.
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

/// A little late and never early, so that ten thousand tunnels do not beat as one (reference §3); but in step with those
/// that are due at nearly the same time.
fn next_ping(interval: Duration, env: Env) -> Instant {
    let pause = interval + jitter(interval * 15 / 100, env.dice);
    env.now.after(pause).on_beat(BEAT.min(interval / 100))
}
