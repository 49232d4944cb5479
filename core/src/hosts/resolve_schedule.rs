//! When a name is resolved again.

use core::time::Duration;

use crate::backoff::{Backoff, jitter};
use crate::initiator::Config;
use crate::{Env, Instant};

/// When one name is resolved again: at intervals, and sooner while that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResolveSchedule {
    interval: Duration,
    backoff: Backoff,
    /// Failures in a row.
    failures: u32,
}

impl ResolveSchedule {
    /// Every [`Config::resolve_interval`].
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let interval = config.resolve_interval;
        let backoff = Backoff { base: config.backoff_base.min(interval), cap: interval };
        Self { interval, backoff, failures: 0 }
    }

    /// When to resolve it again after an answer that came `now`.
    pub fn resolved(&mut self, now: Instant) -> Instant {
        self.failures = 0;
        now.after(self.interval)
    }

    /// When to try again after a failure: half of a step that doubles up to the interval, and up to as much again at random.
    pub fn failed(&mut self, env: Env) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let half = self.backoff.step(self.failures) / 2;
        env.now.after(half + jitter(half, env.dice))
    }
}
