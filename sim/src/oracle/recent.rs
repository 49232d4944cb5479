//! How often something happened lately, by where it did.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::net::Place;

/// Counts what happened within one length of time.
pub(super) struct Recent {
    window: Duration,
    times: BTreeMap<Place, VecDeque<Duration>>,
    most: usize,
}

impl Recent {
    /// Within `window`.
    pub(super) const fn within(window: Duration) -> Self {
        Self { window, times: BTreeMap::new(), most: 0 }
    }

    /// It happened at `place` once more. Returns how often it has lately.
    pub(super) fn add(&mut self, at: Duration, place: Place) -> usize {
        let times = self.times.entry(place).or_default();
        times.push_back(at);
        while times.front().is_some_and(|first| *first + self.window <= at) {
            times.pop_front();
        }
        self.most = self.most.max(times.len());
        times.len()
    }

    /// The most that it ever was, as a share of `bound`.
    pub(super) fn share_of(&self, bound: usize) -> f64 {
        let float = |count| u32::try_from(count).map_or(f64::MAX, f64::from);
        float(self.most) / float(bound)
    }
}
