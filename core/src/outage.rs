//! What is said of something that fails again and again: each change, and now and then a reminder.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Instant;

/// After so long an outage is mentioned again.
const REMINDER: Duration = Duration::from_secs(10 * 60);

/// Different reasons that are told apart within one outage: some failures take turns.
const MAX_REASONS: usize = 4;

/// Failures in a row, and what was said of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outage {
    since: Instant,
    failures: u64,
    reason: Box<str>,
    said: Vec<Box<str>>,
    said_at: Instant,
}

impl Outage {
    /// The first failure, which is news.
    #[must_use]
    pub fn begin(now: Instant, reason: &str) -> Self {
        Self { since: now, failures: 1, reason: reason.into(), said: [reason.into()].into(), said_at: now }
    }

    /// One more failure. Returns whether it is news: its reason was not given yet, or the last news is ten minutes old.
    pub fn failed(&mut self, now: Instant, reason: &str) -> bool {
        self.failures = self.failures.saturating_add(1);
        if *self.reason != *reason {
            self.reason = reason.into();
        }
        let fresh = self.said.len() < MAX_REASONS && self.said.iter().all(|said| **said != *reason);
        if fresh {
            self.said.push(reason.into());
        }
        let is_news = fresh || now.since(self.said_at) >= REMINDER;
        if is_news {
            self.said_at = now;
        }
        is_news
    }

    /// When it began.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// How many failures there were.
    #[must_use]
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Why the last one failed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Notes a failure. Returns whether it is news: see [`Outage::failed`].
pub fn failed(outage: &mut Option<Outage>, now: Instant, reason: &str) -> bool {
    match outage {
        Some(outage) => outage.failed(now, reason),
        None => {
            *outage = Some(Outage::begin(now, reason));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_secs(seconds))
    }

    #[test]
    fn changes_are_news_and_repetitions_are_not() {
        let mut outage = None;
        let reasons = ["refused", "refused", "timeout", "refused", "timeout", "reset"];
        let news = reasons.map(|reason| failed(&mut outage, at(1), reason));
        assert_eq!(news, [true, false, true, false, false, true]);
        let outage = outage.expect("it goes on");
        assert_eq!((outage.since(), outage.failures(), outage.reason()), (at(1), 6, "reset"));
    }

    #[test]
    fn what_goes_on_is_mentioned_again() {
        let mut outage = Outage::begin(at(0), "refused");
        let news: Vec<u64> = (1..=3_000).filter(|second| outage.failed(at(*second), "refused")).collect();
        assert_eq!(news, [600, 1_200, 1_800, 2_400, 3_000]);
    }

    #[test]
    fn reasons_without_end_are_not_all_told() {
        let mut outage = Outage::begin(at(0), "0");
        let news = (1..100_000_u32).filter(|number| outage.failed(at(0), &alloc::format!("{number}"))).count();
        assert_eq!(news, MAX_REASONS - 1);
        assert_eq!(outage.said.len(), MAX_REASONS);
    }
}
