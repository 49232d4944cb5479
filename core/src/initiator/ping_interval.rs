//! The observed ping interval of a host, and the liveness timeout of its idle tunnels that follows from it.

use core::time::Duration;

use super::Config;

/// The longest liveness timeout, however long the ping interval seems to be.
const MAX_LIVENESS_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The last two intervals between pings; zero if unknown.
///
/// Envoy's responders can be set to ping up to every 300 s, so the timeout follows the pings. An interrupted path looks
/// like a slow responder once, so one long interval counts less than two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PingInterval {
    last: Duration,
    before: Duration,
}

impl PingInterval {
    /// How long a tunnel may stay silent: three and a half times the shorter of the two, a fifth more than the last
    /// (responders put up to 15 % on top), and never less than the configured time.
    pub(super) fn liveness_timeout(self, config: &Config) -> Duration {
        let usual = self.last.min(self.before) * 7 / 2;
        usual.max(self.last * 6 / 5).clamp(config.silence, MAX_LIVENESS_TIMEOUT.max(config.silence))
    }

    /// Records a ping that came `gap` after the one before it.
    pub(super) fn record(&mut self, gap: Duration) {
        let gap = gap.min(MAX_LIVENESS_TIMEOUT);
        self.before = if self.last.is_zero() { gap } else { self.last };
        self.last = gap;
    }

    /// Records the first ping of a tunnel, `gap` after it was accepted. Some responders send that one at once, so it
    /// can only lengthen the interval.
    pub(super) fn record_first(&mut self, gap: Duration) {
        if gap > self.last {
            self.record(gap);
        }
    }

    /// Records that a tunnel timed out after `waited` without a ping, while the interval was unknown: the next one gets
    /// twice that time, for the responder may be slow rather than dead. Tunnels that time out together double it once.
    pub(super) fn record_timeout(&mut self, waited: Duration) {
        let interval = (waited * 4 / 7).min(MAX_LIVENESS_TIMEOUT);
        (self.last, self.before) = (self.last.max(interval), self.before.max(interval));
    }
}
