//! What must always hold, worked out from the tunnels themselves rather than from the counts kept beside them.

use alloc::collections::BTreeMap;

use super::tunnel::{Phase, Tunnel};
use super::{HostId, Initiator, Timer};
use crate::address::MAX_COUNT;

#[derive(Default)]
struct Seen {
    pending: u16,
    up: u16,
    draining: u16,
}

impl Initiator {
    pub(super) fn check_invariants(&self) {
        let mut armed = 0;
        let mut seen: BTreeMap<HostId, Seen> = self.hosts.keys().map(|host| (*host, Seen::default())).collect();
        for (id, tunnel) in self.tunnels.iter() {
            let seen = seen.get_mut(&tunnel.host).expect("a tunnel's host is known");
            let expected = match tunnel.phase {
                Phase::Dialing => Some(Timer::ConnectTimeout(id)),
                Phase::Handshaking => Some(Timer::HandshakeTimeout(id)),
                Phase::Idle { .. } | Phase::InUse { protocol: super::Protocol::Http2 } => Some(Timer::Silence(id)),
                Phase::InUse { protocol: super::Protocol::Http1 } => None,
                Phase::Draining => Some(Timer::Grace(id)),
            };
            assert_eq!(self.armed(tunnel), expected, "every phase that can get stuck has its timer");
            armed += usize::from(expected.is_some());
            match tunnel.phase {
                Phase::Dialing | Phase::Handshaking => seen.pending += 1,
                Phase::Idle { .. } | Phase::InUse { .. } => seen.up += 1,
                Phase::Draining => seen.draining += 1,
            }
        }
        for (id, host) in &self.hosts {
            let seen = &seen[id];
            assert_eq!((host.pending, host.up, host.draining), (seen.pending, seen.up, seen.draining), "counts agree");
            assert!(host.target <= MAX_COUNT && seen.draining <= self.config.max_draining, "limits hold");
            armed += usize::from(self.check_count(*id, seen));
        }
        if let Some(drain) = &self.drain {
            assert_eq!(drain.over, drain.alarm.get().is_none(), "a drain has its end until it is over");
            assert!(!drain.over || self.tunnels.is_empty(), "a drain that is over leaves no tunnel");
            armed += usize::from(!drain.over);
        }
        assert_eq!(self.timers.len(), armed, "no timer without an owner");
    }

    /// TargetBound and its other half: surplus is being shed, and what is missing is being dialled, unless the host
    /// keeps failing and is probed already. Returns whether the host has a timer.
    fn check_count(&self, id: HostId, seen: &Seen) -> bool {
        let host = &self.hosts[&id];
        let target = if self.drain.is_some() { 0 } else { host.target };
        let live = seen.pending + seen.up;
        let timer = host.alarm.get();
        if let Some(armed) = &timer {
            assert!(self.timers.contains(armed), "an armed alarm is in the table");
        }
        match timer {
            Some((at, Timer::Dial(armed))) => {
                assert!(armed == id && live < target, "a dial is armed only below the target");
                assert!(at >= host.backoff.until(), "the pause after failures is never cut short");
            }
            Some((_, Timer::Shed(armed))) => {
                assert!(armed == id && live > target, "shedding is armed only above the target");
            }
            Some((
                _,
                Timer::ConnectTimeout(_)
                | Timer::HandshakeTimeout(_)
                | Timer::Silence(_)
                | Timer::Grace(_)
                | Timer::DrainEnd,
            )) => panic!("a host's timers are Dial and Shed"),
            None => {
                assert!(live <= target, "surplus is being shed");
                assert!(live == target || (host.backoff.limits_dials() && seen.pending > 0), "gaps are being filled");
                assert!(target > 0 || seen.draining > 0, "a host without target and tunnels is forgotten");
            }
        }
        timer.is_some()
    }

    fn armed(&self, tunnel: &Tunnel) -> Option<Timer> {
        tunnel.alarm.get().map(|armed| {
            assert!(self.timers.contains(&armed), "an armed alarm is in the table");
            armed.1
        })
    }
}
