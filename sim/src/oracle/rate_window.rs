//! A sliding window of occurrences, by host.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::net::HostId;

/// Counts occurrences within the last `window`, by host.
pub(super) struct RateWindow {
    window: Duration,
    times: BTreeMap<HostId, VecDeque<Duration>>,
    most: usize,
}

impl RateWindow {
    /// For the last `window`.
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, times: BTreeMap::new(), most: 0 }
    }

    /// Adds an occurrence at `host`. Returns how many there are within the window.
    pub(super) fn add(&mut self, at: Duration, host: HostId) -> usize {
        let times = self.times.entry(host).or_default();
        times.push_back(at);
        while times.front().is_some_and(|first| *first + self.window <= at) {
            times.pop_front();
        }
        self.most = self.most.max(times.len());
        times.len()
    }

    /// The largest count so far, as a share of `bound`.
    pub(super) fn share_of(&self, bound: usize) -> f64 {
        let float = |count| u32::try_from(count).map_or(f64::MAX, f64::from);
        float(self.most) / float(bound)
    }
}
