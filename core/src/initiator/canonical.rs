//! States that differ only in what nobody can observe, made equal: for exhaustive search.

use super::drain::Drain;
use super::host::Host;
use super::tunnel::{Phase, Tunnel};
use super::{HostId, Initiator, Timer};
use crate::canonical::rebase;
use crate::table::bare;
use crate::timers::{Alarm, Timers};
use crate::{Instant, TunnelId};

/// Every moment that a state holds, by what happened then or will. Ids are in their first generation.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The timer fires.
    Alarm(Timer),
    /// The tunnel was dialled.
    Dialed(TunnelId),
    /// The tunnel was accepted.
    Accepted(TunnelId),
    /// The tunnel was last heard.
    Heard(TunnelId),
    /// The host last failed.
    Failed(HostId),
    /// The host may be dialled again.
    Pause(HostId),
}

impl Initiator {
    /// This state with every moment counted from `now`, every generation forgotten and every counter at zero. The
    /// result is a legal state of the machine at [`CANONICAL_NOW`](crate::CANONICAL_NOW), so a search may go on
    /// from it.
    #[doc(hidden)]
    #[must_use]
    pub fn canonical(&self, now: Instant) -> Self {
        self.retimed(|_, at| rebase(at, now))
    }

    /// This state with every moment where `clock` puts it, every generation forgotten and every counter at zero: what
    /// the same steps on another schedule would have led to.
    #[doc(hidden)]
    #[must_use]
    pub fn retimed(&self, clock: impl FnMut(Moment, Instant) -> Instant) -> Self {
        let mut to = Retiming { clock, timers: Timers::new() };
        let tunnels = self.tunnels.map_canonical(|id, tunnel| to.tunnel(id, tunnel));
        let hosts = self.hosts.iter().map(|(id, host)| (*id, to.host(*id, host))).collect();
        let drain = self.drain.map(|drain| Drain { alarm: to.alarm(&drain.alarm), over: drain.over });
        Self { config: self.config, hosts, tunnels, timers: to.timers, drain, stale: 0 }
    }
}

struct Retiming<C> {
    clock: C,
    timers: Timers<Timer>,
}

impl<C: FnMut(Moment, Instant) -> Instant> Retiming<C> {
    fn tunnel(&mut self, id: TunnelId, tunnel: &Tunnel) -> Tunnel {
        let phase = match tunnel.phase {
            Phase::Idle { accepted, pings, revtun } => {
                Phase::Idle { accepted: (self.clock)(Moment::Accepted(id), accepted), pings, revtun }
            }
            other @ (Phase::Dialing | Phase::Handshaking | Phase::InUse { .. } | Phase::Draining) => other,
        };
        let dialed = (self.clock)(Moment::Dialed(id), tunnel.dialed);
        let heard = (self.clock)(Moment::Heard(id), tunnel.heard);
        Tunnel { host: tunnel.host, phase, dialed, heard, alarm: self.alarm(&tunnel.alarm) }
    }

    fn host(&mut self, id: HostId, host: &Host) -> Host {
        let backoff = host.backoff.retimed(id, &mut self.clock);
        Host { backoff, alarm: self.alarm(&host.alarm), ..host.clone() }
    }

    fn alarm(&mut self, alarm: &Alarm<Timer>) -> Alarm<Timer> {
        let mut moved = Alarm::OFF;
        if let Some((at, timer)) = alarm.get() {
            let timer = bare_timer(timer);
            self.timers.set(&mut moved, (self.clock)(Moment::Alarm(timer), at), timer);
        }
        moved
    }
}

fn bare_timer(timer: Timer) -> Timer {
    match timer {
        Timer::Dial(_) | Timer::Shed(_) | Timer::DrainEnd => timer,
        Timer::ConnectTimeout(id) => Timer::ConnectTimeout(bare(id)),
        Timer::HandshakeTimeout(id) => Timer::HandshakeTimeout(bare(id)),
        Timer::Silence(id) => Timer::Silence(bare(id)),
        Timer::Grace(id) => Timer::Grace(bare(id)),
    }
}
