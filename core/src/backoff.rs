//! How long to stay away from a host that failed.

use core::time::Duration;

/// Exponential steps up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Backoff {
    /// The first step.
    pub(crate) base: Duration,
    /// The last one.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The longest pause after the `failures`th failure in a row, counted from one: base, 2·base, 4·base … cap.
    pub(crate) fn step(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// A pause in `0..=longest`, all equally likely. Full jitter: it spreads a herd the most for the least waiting.
pub(crate) fn jitter(longest: Duration, dice: u64) -> Duration {
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let scaled = (u128::from(nanos) * u128::from(dice)) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(scaled).expect("a part is not larger than the whole"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(30) };

    #[test]
    fn steps_double_up_to_the_cap() {
        let steps: alloc::vec::Vec<_> = (1..=8).map(|n| BACKOFF.step(n).as_millis()).collect();
        assert_eq!(steps, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(BACKOFF.step(u32::MAX), BACKOFF.cap);
        assert_eq!(BACKOFF.step(0), BACKOFF.base);
    }

    #[test]
    fn jitter_spans_the_whole_range() {
        let longest = Duration::from_secs(30);
        assert_eq!(jitter(longest, 0), Duration::ZERO);
        assert_eq!(jitter(longest, u64::MAX), longest);
        assert_eq!(jitter(longest, u64::MAX / 2).as_millis(), 14_999);
        assert_eq!(jitter(Duration::MAX, u64::MAX), Duration::from_nanos(u64::MAX));
    }
}
