//! One host of the upstream: how many tunnels it has, and how often it speaks.

use core::time::Duration;

use super::trouble::Trouble;
use super::tunnel::Phase;
use super::{Config, Timer};
use crate::timers::Alarm;

/// No responder's pings are waited for longer than this, however rare they seemed to be.
const MAX_PATIENCE: Duration = Duration::from_secs(15 * 60);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Host {
    pub(super) target: u16,
    /// Dialing or handshaking.
    pub(super) pending: u16,
    /// Idle or in use.
    pub(super) up: u16,
    pub(super) draining: u16,
    pub(super) trouble: Trouble,
    /// The time between its last two pings, as far as we know.
    pub(super) cadence: Duration,
    pub(super) alarm: Alarm<Timer>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            target: 0,
            pending: 0,
            up: 0,
            draining: 0,
            trouble: Trouble::NONE,
            cadence: Duration::ZERO,
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

    /// A host in trouble is probed by one dial at a time: a gateway that comes back is not met by a stampede.
    pub(super) const fn may_dial(&self) -> bool {
        !self.trouble.is_serious() || self.pending == 0
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        *self.count(phase) += 1;
    }

    pub(super) fn leave(&mut self, phase: Phase) {
        *self.count(phase) -= 1;
    }

    /// How long a tunnel that is not in use may stay silent.
    ///
    /// Envoy's responders can be set to ping up to every 300 s, so the window follows the pings: three and a half
    /// intervals, and never less than the configured one.
    pub(super) fn patience(&self, config: &Config) -> Duration {
        (self.cadence * 7 / 2).clamp(config.silence, MAX_PATIENCE.max(config.silence))
    }

    /// A ping came `gap` after the one before it.
    pub(super) fn pinged_after(&mut self, gap: Duration) {
        self.cadence = gap.min(MAX_PATIENCE);
    }

    /// The first ping of a tunnel came `gap` after it was accepted. Some responders send that one at once, so it may
    /// show that they are slow and never that they are quick.
    pub(super) fn first_pinged_after(&mut self, gap: Duration) {
        self.cadence = self.cadence.max(gap.min(MAX_PATIENCE));
    }

    /// A tunnel was given up after `waited` without a ping: the next one is given twice that time, for this may be a
    /// slow responder rather than a dead one. Tunnels that fall silent together stretch it once.
    pub(super) fn fell_silent(&mut self, waited: Duration) {
        self.cadence = self.cadence.max((waited * 4 / 7).min(MAX_PATIENCE));
    }

    const fn count(&mut self, phase: Phase) -> &mut u16 {
        match phase {
            Phase::Dialing | Phase::Handshaking => &mut self.pending,
            Phase::Idle { .. } | Phase::InUse { .. } => &mut self.up,
            Phase::Draining => &mut self.draining,
        }
    }
}
