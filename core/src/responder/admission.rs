//! Who may knock: how many connections may be unheard, in all and from one place, and how fast new ones may come.

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use super::Config;
use crate::Instant;
use crate::handshake::Rejection;

/// The span that the rate of new connections is about, and that may be used up at once.
const SECOND: Duration = Duration::from_secs(1);

/// Where a connection comes from, as far as limits are concerned: an IPv4 address, or the first 64 bits of an IPv6
/// address, since whoever has one address there usually has all that begin like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);

impl Source {
    /// The place that `address` belongs to. An IPv4 address written as one of IPv6 is the same place.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_bits() as u64),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

/// What is remembered of those who knock: nothing but what a limit is about, and no place without a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Admission {
    /// Connections without a tunnel, by where they come from: at most as many places as there may be of them.
    pub(super) pending: BTreeMap<Source, u32>,
    /// The bucket of tokens, as the moment at which it will be full again.
    full_at: Instant,
}

impl Admission {
    pub(super) const fn new() -> Self {
        Self { pending: BTreeMap::new(), full_at: Instant::EPOCH }
    }

    /// Takes one more connection from `source`; `pending` are there already.
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

    /// A connection from `source` has become a tunnel, or is gone.
    pub(super) fn release(&mut self, source: Source) {
        let pending = self.pending.get_mut(&source).expect("it has entered");
        *pending -= 1;
        if *pending == 0 {
            self.pending.remove(&source);
        }
    }

    /// The same with the past forgotten: worlds to be searched have no rate.
    pub(super) fn canonical(&self) -> Self {
        Self { pending: self.pending.clone(), full_at: Instant::EPOCH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_slash_64() {
        let of = |text: &str| Source::of(text.parse().expect("an address"));
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::8"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
    }

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
