//! How often a host's pings come, and so how long a tunnel of its that is not in use may stay silent.

use core::time::Duration;

use super::Config;

/// No responder's pings are waited for longer than this, however rare they seem to be.
const MAX_LIVENESS_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The last two times between two pings, as far as we know; zero if we do not.
///
/// Envoy's responders can be set to ping up to every 300 s, so the window follows the pings. A path that was cut for a
/// moment looks like a slow responder, once; so one long time counts less than two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PingInterval {
    last: Duration,
    before: Duration,
}

impl PingInterval {
    /// How long a tunnel may stay silent: three and a half times the shorter of the two, a fifth more than the last (responders
    /// put up to 15 % on top), and never less than the configured time.
    pub(super) fn liveness_timeout(self, config: &Config) -> Duration {
        let usual = self.last.min(self.before) * 7 / 2;
        usual.max(self.last * 6 / 5).clamp(config.silence, MAX_LIVENESS_TIMEOUT.max(config.silence))
    }

    /// A ping came `gap` after the one before it.
    pub(super) fn record(&mut self, gap: Duration) {
        let gap = gap.min(MAX_LIVENESS_TIMEOUT);
        self.before = if self.last.is_zero() { gap } else { self.last };
        self.last = gap;
    }

    /// The first ping of a tunnel came `gap` after it was accepted. Some responders send that one at once, so it may
    /// show that they are slow and never that they are quick.
    pub(super) fn record_first(&mut self, gap: Duration) {
        if gap > self.last {
            self.record(gap);
        }
    }

    /// A tunnel was given up after `waited` without a ping, before it was known how often they come: the next one is
    /// given twice that time, for this may be a slow responder rather than a dead one. Tunnels that fall silent
    /// together stretch it once.
    pub(super) fn record_timeout(&mut self, waited: Duration) {
        let interval = (waited * 4 / 7).min(MAX_LIVENESS_TIMEOUT);
        (self.last, self.before) = (self.last.max(interval), self.before.max(interval));
    }
}
