//! How often something may happen: a token bucket, as a pure answer to a question that no machine has to remember.

use core::time::Duration;

use crate::Instant;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// So many times at once, after a rest of `burst` times `refill`. With none, nothing passes ever.
    pub burst: u32,
    /// From then on once in this time.
    pub refill: Duration,
}

/// What is left of a burst: eight bytes, to be kept wherever that is convenient, in an atomic for example.
///
/// It is the moment at which the bucket is full again (the generic cell rate algorithm, ITU-T I.371).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bucket(Instant);

impl Bucket {
    /// A whole burst is left.
    pub const FULL: Self = Self(Instant::EPOCH);

    /// A bucket that [`Self::as_nanos`] told of.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(Instant::from_nanos(nanos))
    }

    /// The bucket as a number.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.as_nanos()
    }

    /// What is left if it happens once more `now`; none if it may not.
    #[must_use]
    pub fn take(self, now: Instant, rate: Rate) -> Option<Self> {
        let full = self.0.max(now).after(rate.refill);
        (full.since(now) <= rate.refill.saturating_mul(rate.burst) && rate.burst > 0).then_some(Self(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, refill: Duration::from_secs(10) };

    /// How many of `tries` at `second` pass.
    fn pass(bucket: &mut Bucket, second: u64, tries: u32) -> u32 {
        let now = Instant::EPOCH.after(Duration::from_secs(second));
        let mut passed = 0;
        for _ in 0..tries {
            if let Some(left) = bucket.take(now, RATE) {
                *bucket = left;
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn a_burst_passes_then_one_in_each_time() {
        let mut bucket = Bucket::FULL;
        let passed: [u32; 7] = [0, 1, 9, 10, 19, 20, 30].map(|second| pass(&mut bucket, second, 100));
        assert_eq!(passed, [3, 0, 0, 1, 0, 1, 1]);
    }

    #[test]
    fn a_rest_gives_the_burst_back_and_no_more() {
        for (rest, passed) in [(0, 0), (10, 1), (25, 2), (30, 3), (1_000_000, 3)] {
            let mut bucket = Bucket::FULL;
            assert_eq!(pass(&mut bucket, 50, 100), 3);
            assert_eq!(pass(&mut bucket, 50 + rest, 100), passed, "after {rest} s");
        }
    }

    #[test]
    fn in_the_long_run_no_more_passes_than_the_rate_says() {
        let mut bucket = Bucket::FULL;
        let passed: u32 = (0..86_400).map(|second| pass(&mut bucket, second, 7)).sum();
        assert_eq!(passed, 3 + 8_639);
    }

    #[test]
    fn no_burst_lets_nothing_pass_and_the_end_of_time_is_no_overflow() {
        assert_eq!(Bucket::FULL.take(Instant::EPOCH, Rate { burst: 0, ..RATE }), None);
        let late = Instant::from_nanos(u64::MAX);
        assert_eq!(Bucket::FULL.take(late, RATE).map(Bucket::as_nanos), Some(u64::MAX));
        let endless = Rate { burst: u32::MAX, refill: Duration::MAX };
        assert!(Bucket::FULL.take(Instant::EPOCH, endless).is_some());
    }

    #[test]
    fn a_bucket_is_a_number() {
        let bucket = Bucket::FULL.take(Instant::from_nanos(7), RATE).expect("it is full");
        assert_eq!(Bucket::from_nanos(bucket.as_nanos()), bucket);
    }
}
