//! Admission of new connections: limits on pending handshakes, in all and per source, and a rate limit.
//!
//! Strangers who connect and say nothing must keep nobody out. So when nearly as many handshakes are pending as may be, each
//! new one ends another early: a random one of the source that has most of them, whoever that is. This is OpenSSH's idea of
//! random early drop, except that it does not hit those who have few. Sources are compared by IPv4 address or by /48 network of
//! IPv6, within the fullest of those by /56, and within that by /64: whoever owns a large network gets no more than one address
//! does.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::{CloseReason, Config};
use crate::handshake::Rejection;
use crate::source::Source;
use crate::{Instant, TunnelId};

/// The window of the rate limit: as many connections as it allows in this time may come in one burst.
const SECOND: Duration = Duration::from_secs(1);

/// Handshakes are dropped early when this part of their limit is left.
const RESERVE: u32 = 8;

/// Pending handshakes by source, and the state of the rate limit. Sources without a pending handshake are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Admission {
    /// Connections without a tunnel, by source; never more sources than connections.
    pub(super) pending: BTreeMap<Source, BTreeSet<TunnelId>>,
    /// Those that are dropped early, and are not among the others any more. They end with the next ticks.
    pub(super) dropped: BTreeSet<TunnelId>,
    /// How many are pending from each IPv4 address or /48 network.
    networks: BTreeMap<Network, u32>,
    /// The same, fewest first.
    by_count: BTreeSet<(u32, Network)>,
    /// How many are pending from each /56 network of IPv6.
    sites: BTreeMap<Site, u32>,
    /// The token bucket, stored as the moment at which it will be full again.
    full_at: Instant,
    /// Another one, for sources without a pending handshake.
    quiet_full_at: Instant,
}

/// An IPv4 address, or a /48 network of IPv6, by the first source that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Network(u64);

/// A /56 network of IPv6, by the first source that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Site(u64);

impl Network {
    const fn of(source: Source) -> Self {
        if is_ipv4(source) { Self(source.0) } else { Self(source.0 & !0xffff) }
    }

    const fn last(self) -> u64 {
        if is_ipv4(Source(self.0)) { self.0 } else { self.0 | 0xffff }
    }
}

impl Site {
    const fn of(source: Source) -> Self {
        if is_ipv4(source) { Self(source.0) } else { Self(source.0 & !0xff) }
    }

    const fn last(self) -> u64 {
        if is_ipv4(Source(self.0)) { self.0 } else { self.0 | 0xff }
    }
}

/// No IPv6 address that anybody may connect from begins with 32 zeros.
const fn is_ipv4(source: Source) -> bool {
    source.0 >> 32 == 0
}

impl Admission {
    pub(super) const fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            dropped: BTreeSet::new(),
            networks: BTreeMap::new(),
            by_count: BTreeSet::new(),
            sites: BTreeMap::new(),
            full_at: Instant::EPOCH,
            quiet_full_at: Instant::EPOCH,
        }
    }

    /// Whether there may be one more connection from `source`, or why not; `pending` handshakes are under way already.
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
        let of_source = self.pending.get(&source).map_or(0, BTreeSet::len);
        if of_source >= config.max_handshakes_per_source as usize {
            return Err(Rejection::TooManyHandshakesFromSource);
        }
        if config.max_accepts_per_second > 0 {
            let refill = SECOND / config.max_accepts_per_second;
            // Sources that are busy already cannot use up what quiet ones need.
            let taken =
                take(&mut self.full_at, now, refill) || of_source == 0 && take(&mut self.quiet_full_at, now, refill);
            if !taken {
                return Err(Rejection::RateLimited);
            }
        }
        Ok(())
    }

    /// A connection from `source` was admitted.
    pub(super) fn enter(&mut self, source: Source, id: TunnelId) {
        self.pending.entry(source).or_default().insert(id);
        let (network, site) = (Network::of(source), Site::of(source));
        let count = self.networks.entry(network).or_default();
        self.by_count.remove(&(*count, network));
        *count += 1;
        self.by_count.insert((*count, network));
        *self.sites.entry(site).or_default() += 1;
    }

    /// A connection from `source` has become a tunnel, or was closed.
    pub(super) fn release(&mut self, source: Source, id: TunnelId) {
        if self.dropped.remove(&id) {
            return;
        }
        let ids = self.pending.get_mut(&source).expect("it was admitted");
        ids.remove(&id);
        if ids.is_empty() {
            self.pending.remove(&source);
        }
        let (network, site) = (Network::of(source), Site::of(source));
        let count = self.networks.get_mut(&network).expect("it was admitted");
        self.by_count.remove(&(*count, network));
        *count -= 1;
        if *count == 0 {
            self.networks.remove(&network);
        } else {
            self.by_count.insert((*count, network));
        }
        let count = self.sites.get_mut(&site).expect("it was admitted");
        *count -= 1;
        if *count == 0 {
            self.sites.remove(&site);
        }
    }

    /// The handshake that has to end, if there are so many that one has to: `pending` are under way. A source that has only
    /// one is left alone.
    pub(super) fn drop_early(&mut self, config: &Config, dice: u64, pending: u32) -> Option<TunnelId> {
        let room = config.max_handshakes / RESERVE;
        let dropped = u32::try_from(self.dropped.len()).unwrap_or(u32::MAX);
        if pending.saturating_sub(dropped) <= config.max_handshakes - room {
            return None;
        }
        let (_, network) = self.by_count.last().filter(|(count, _)| *count > 1)?;
        let sites = self.sites.range(Site(network.0)..=Site(network.last()));
        let (site, _) = sites.max_by_key(|(_, count)| **count).expect("a network with handshakes has a site");
        let sources = self.pending.range(Source(site.0)..=Source(site.last()));
        let (source, ids) = sources.max_by_key(|(_, ids)| ids.len()).expect("a site with handshakes has a source");
        let (source, id) = (*source, any(ids, dice));
        self.release(source, id);
        self.dropped.insert(id);
        Some(id)
    }

    /// Why a handshake is closed whose time is over.
    pub(super) fn timeout_reason(&self, id: TunnelId) -> CloseReason {
        if self.dropped.contains(&id) { CloseReason::HandshakeDropped } else { CloseReason::HandshakeTimeout }
    }

    /// The same with ids of the first generation and full token buckets: searches have no rate limit.
    pub(super) fn canonical(&self, bare: impl Fn(TunnelId) -> TunnelId) -> Self {
        let ids = |ids: &BTreeSet<TunnelId>| ids.iter().map(|id| bare(*id)).collect();
        Self {
            pending: self.pending.iter().map(|(source, pending)| (*source, ids(pending))).collect(),
            dropped: ids(&self.dropped),
            full_at: Instant::EPOCH,
            quiet_full_at: Instant::EPOCH,
            ..self.clone()
        }
    }
}

/// Takes one token from the bucket that will be full again at `full_at`, if there is one.
fn take(full_at: &mut Instant, now: Instant, refill: Duration) -> bool {
    let full = (*full_at).max(now).after(refill);
    let there_is_one = full.since(now) <= SECOND;
    if there_is_one {
        *full_at = full;
    }
    there_is_one
}

/// One of `ids`, by the dice: the first behind a random slot.
fn any(ids: &BTreeSet<TunnelId>, dice: u64) -> TunnelId {
    let some = "a source that is known has handshakes";
    let (first, last) = (ids.first().expect(some).slot() as u64, ids.last().expect(some).slot() as u64);
    let slot = u32::try_from(first + dice % (last - first + 1)).expect("slots are numbers of 32 bits");
    *ids.range(TunnelId::new(slot, 0)..).next().expect("the last slot is not passed over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limit_allows_a_burst_of_one_second_and_then_refills() {
        let config = Config { max_accepts_per_second: 4, ..Config::default() };
        let mut admission = Admission::new();
        admission.enter(Source(1), TunnelId::new(0, 0));
        let mut enter =
            |millis| admission.admit(&config, Instant::EPOCH.after(Duration::from_millis(millis)), Source(1), 1);
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

    /// How many of `ticks` drop one of each source, `pending` of which each has.
    fn drops(pending: &[(u64, u32)]) -> BTreeMap<Source, u32> {
        let total: u32 = pending.iter().map(|(_, count)| count).sum();
        let config = Config { max_handshakes: total, ..Config::default() };
        let mut admission = Admission::new();
        let mut sources = BTreeMap::new();
        for (source, count) in pending {
            for _ in 0..*count {
                let id = TunnelId::new(u32::try_from(sources.len()).expect("few"), 0);
                admission.enter(Source(*source), id);
                sources.insert(id, Source(*source));
            }
        }
        let mut drops = BTreeMap::new();
        for dice in 0..u64::MAX {
            let Some(id) = admission.drop_early(&config, dice.wrapping_mul(0x9E37_79B9), total) else { break };
            *drops.entry(sources[&id]).or_default() += 1;
        }
        let left: u32 = admission.networks.values().sum();
        assert_eq!(left, admission.by_count.iter().map(|(count, _)| count).sum::<u32>());
        assert_eq!(left, admission.sites.values().sum::<u32>());
        assert_eq!(left as usize, admission.pending.values().map(BTreeSet::len).sum::<usize>());
        drops
    }

    #[test]
    fn only_the_fullest_source_loses_handshakes() {
        assert_eq!(drops(&[(1, 70), (2, 5), (3, 5)]), BTreeMap::from([(Source(1), 10)]));
        assert_eq!(drops(&[(1, 40), (2, 39), (3, 1)]), BTreeMap::from([(Source(1), 5), (Source(2), 5)]));
        assert_eq!(drops(&(0..80).map(|source| (source, 1)).collect::<alloc::vec::Vec<_>>()), BTreeMap::new());
    }

    #[test]
    fn networks_of_ipv6_are_compared_as_a_whole() {
        const NET: u64 = 0x2001_0db8_0001_0000;
        const OTHER: u64 = 0x2001_0db8_0002_0000;
        // One address in each of 70 networks of a /48; within it a /56 with most of them, and in that a /64.
        let mut pending: alloc::vec::Vec<_> = (0..40).map(|subnet| (NET + (subnet << 8), 1)).collect();
        pending.extend([(NET + 0xff00, 3), (NET + 0xff01, 17), (OTHER, 20)]);
        assert_eq!(drops(&pending), BTreeMap::from([(Source(NET + 0xff01), 10)]));
    }

    #[test]
    fn a_busy_source_cannot_use_up_the_rate_of_quiet_ones() {
        let config = Config { max_accepts_per_second: 4, ..Config::default() };
        let mut admission = Admission::new();
        admission.enter(Source(1), TunnelId::new(0, 0));
        let mut come = |source| admission.admit(&config, Instant::EPOCH, Source(source), 1).is_ok();
        assert_eq!([1; 6].map(&mut come), [true, true, true, true, false, false]);
        assert_eq!([2, 3, 4, 5, 6].map(&mut come), [true, true, true, true, false]);
    }
}
