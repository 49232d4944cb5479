//! One host of the upstream: how many tunnels it has.

use super::host_backoff::HostBackoff;
use super::ping_interval::PingInterval;
use super::tunnel::Phase;
use super::{HostId, Initiator, Timer};
use crate::Instant;
use crate::timers::Alarm;

/// What an initiator is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Targets {
    /// Hosts with at least one tunnel.
    pub hosts: u32,
    /// Tunnels.
    pub tunnels: u32,
}

impl Initiator {
    /// How many hosts are wanted, and how many tunnels to all of them together. None while everything is drained.
    #[must_use]
    pub fn targets(&self) -> Targets {
        let targets = self.hosts.values().map(|host| u32::from(host.target)).filter(|target| *target > 0);
        let targets = targets.filter(|_| self.drain.is_none());
        targets.fold(Targets::default(), |sum, target| Targets { hosts: sum.hosts + 1, tunnels: sum.tunnels + target })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Host {
    pub(super) target: u16,
    /// Dialing or handshaking.
    pub(super) pending: u16,
    /// Idle or in use.
    pub(super) up: u16,
    pub(super) draining: u16,
    pub(super) backoff: HostBackoff,
    pub(super) ping_interval: PingInterval,
    pub(super) alarm: Alarm<Timer>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            target: 0,
            pending: 0,
            up: 0,
            draining: 0,
            backoff: HostBackoff::NONE,
            ping_interval: PingInterval::default(),
            alarm: Alarm::OFF,
        }
    }
}

impl Host {
    pub(super) const fn live(&self) -> u16 {
        self.pending + self.up
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pending + self.up + self.draining == 0
    }

    /// A host that keeps failing is probed by one dial at a time: a recovering responder is not met by all dials at
    /// once.
    pub(super) const fn may_dial(&self) -> bool {
        !self.backoff.limits_dials() || self.pending == 0
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        *self.count(phase) += 1;
    }

    pub(super) fn leave(&mut self, phase: Phase) {
        *self.count(phase) -= 1;
    }

    const fn count(&mut self, phase: Phase) -> &mut u16 {
        match phase {
            Phase::Dialing | Phase::Handshaking => &mut self.pending,
            Phase::Idle { .. } | Phase::InUse { .. } => &mut self.up,
            Phase::Draining => &mut self.draining,
        }
    }
}

impl Initiator {
    /// Whether the host has a tunnel that was accepted and is not being drained.
    #[must_use]
    pub fn is_up(&self, host: HostId) -> bool {
        self.hosts.get(&host).is_some_and(|host| host.up > 0)
    }

    /// When the host is dialled next; none while that is not decided: it has what it shall have, or a dial is under way.
    #[must_use]
    pub fn next_dial(&self, host: HostId) -> Option<Instant> {
        let (at, timer) = self.hosts.get(&host)?.alarm.get()?;
        matches!(timer, Timer::Dial(_)).then_some(at)
    }
}
