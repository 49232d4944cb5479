//! Admission of new connections: limits on pending handshakes, in all and per source, and a rate limit.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Config;
use crate::Instant;
use crate::handshake::Rejection;
use crate::source::Source;

/// The window of the rate limit: as many connections as it allows in this time may come in one burst.
const SECOND: Duration = Duration::from_secs(1);

/// Pending handshakes by source, and the state of the rate limit. Sources without a pending handshake are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Admission {
    /// Connections without a tunnel, by source; never more sources than connections.
    pub(super) pending: BTreeMap<Source, u32>,
    /// The token bucket, stored as the moment at which it will be full again.
    full_at: Instant,
}

impl Admission {
    pub(super) const fn new() -> Self {
        Self { pending: BTreeMap::new(), full_at: Instant::EPOCH }
    }

    /// Admits one more connection from `source`, or says why not; `pending` handshakes are under way already.
    pub(super) fn admit(
        &mut self,
        config: &Config,
        now: Instant,
        source: Source,
        pending: u32,
    ) -> Result<(), Rejection> {
        if pending >= config.max_handshakes {
            return Err(Rejection::TooManyHandshakes);
        }
        let of_source = self.pending.get(&source).copied().unwrap_or(0);
        if of_source >= config.max_handshakes_per_source {
            return Err(Rejection::TooManyHandshakesFromSource);
        }
        if config.max_accepts_per_second > 0 {
            let full_at = self.full_at.max(now).after(SECOND / config.max_accepts_per_second);
            if full_at.since(now) > SECOND {
                return Err(Rejection::RateLimited);
            }
            self.full_at = full_at;
        }
        self.pending.insert(source, of_source + 1);
        Ok(())
    }

    /// A connection from `source` has become a tunnel, or was closed.
    pub(super) fn release(&mut self, source: Source) {
        let pending = self.pending.get_mut(&source).expect("it was admitted");
        *pending -= 1;
        if *pending == 0 {
            self.pending.remove(&source);
        }
    }

    /// The same with a full token bucket: searches have no rate limit.
    pub(super) fn canonical(&self) -> Self {
        Self { pending: self.pending.clone(), full_at: Instant::EPOCH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limit_allows_a_burst_of_one_second_and_then_refills() {
        let config = Config { max_accepts_per_second: 4, ..Config::default() };
        let mut admission = Admission::new();
        let mut enter =
            |millis| admission.admit(&config, Instant::EPOCH.after(Duration::from_millis(millis)), Source(1), 0);
        for (now, outcome) in [
            (0, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Rejection::RateLimited)]),
            (
                250,
                [
                    Ok(()),
                    Err(Rejection::RateLimited),
                    Err(Rejection::RateLimited),
                    Err(Rejection::RateLimited),
                    Err(Rejection::RateLimited),
                ],
            ),
            (5_000, [Ok(()), Ok(()), Ok(()), Ok(()), Err(Rejection::RateLimited)]),
        ] {
            assert_eq!([(); 5].map(|()| enter(now)), outcome, "at {now} ms");
        }
    }
}
