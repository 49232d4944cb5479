//! States that differ only in what nobody can observe, made equal: for exhaustive search.

use super::drain::Drain;
use super::host::Host;
use super::tunnel::{Phase, Tunnel};
use super::{Initiator, Timer};
use crate::canonical::rebase;
use crate::timers::{Alarm, Timers};
use crate::{Instant, TunnelId};

impl Initiator {
    /// This state with every moment counted from `now`, every generation forgotten and every counter at zero. The
    /// result is a legal state of the machine at [`CANONICAL_NOW`](crate::CANONICAL_NOW), so a search may go on
    /// from it.
    #[doc(hidden)]
    #[must_use]
    pub fn canonical(&self, now: Instant) -> Self {
        let mut timers = Timers::new();
        let mut moved = |alarm: &Alarm<Timer>| {
            let mut moved = Alarm::OFF;
            if let Some((at, timer)) = alarm.get() {
                timers.set(&mut moved, rebase(at, now), bare(timer));
            }
            moved
        };
        let tunnels = self.tunnels.map_canonical(|tunnel| Tunnel {
            host: tunnel.host,
            phase: match tunnel.phase {
                Phase::Idle { accepted, proven, revtun } => {
                    Phase::Idle { accepted: rebase(accepted, now), proven, revtun }
                }
                other @ (Phase::Dialing | Phase::Handshaking | Phase::InUse { .. } | Phase::Draining) => other,
            },
            dialed: rebase(tunnel.dialed, now),
            heard: rebase(tunnel.heard, now),
            alarm: moved(&tunnel.alarm),
        });
        let hosts = self.hosts.iter();
        let hosts = hosts
            .map(|(id, host)| {
                (*id, Host { trouble: host.trouble.canonical(now), alarm: moved(&host.alarm), ..host.clone() })
            })
            .collect();
        let drain = self.drain.map(|drain| Drain { alarm: moved(&drain.alarm), over: drain.over });
        Self { config: self.config, hosts, tunnels, timers, drain, stale: 0 }
    }
}

fn bare(timer: Timer) -> Timer {
    let bare = |id: TunnelId| TunnelId::new(u32::try_from(id.slot()).expect("slots are counted in 32 bits"), 0);
    match timer {
        Timer::Dial(_) | Timer::Shed(_) | Timer::DrainEnd => timer,
        Timer::ConnectTimeout(id) => Timer::ConnectTimeout(bare(id)),
        Timer::HandshakeTimeout(id) => Timer::HandshakeTimeout(bare(id)),
        Timer::Silence(id) => Timer::Silence(bare(id)),
        Timer::Grace(id) => Timer::Grace(bare(id)),
    }
}
