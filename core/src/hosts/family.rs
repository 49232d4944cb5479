//! Which family of addresses of a name gets the tunnels.

use alloc::collections::BTreeSet;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Instant;
use crate::happy_eyeballs::Family;

/// How long one family is dialled alone. Longer than the delay of RFC 8305 §5 between two connections: a tunnel takes some round
/// trips more, and nobody waits for this one in particular.
const FAMILY_DELAY: Duration = Duration::from_secs(1);

/// Which families of addresses of a name get tunnels: Envoy's setting of that name, with a race in place of its fixed order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupFamily {
    /// Of a name with both, the one to which a tunnel is up first. IPv6 has a start of a second.
    #[default]
    Auto,
    /// IPv4 alone.
    V4Only,
    /// IPv6 alone.
    V6Only,
    /// Both: a host with an address of each gets twice as many tunnels.
    All,
}

impl LookupFamily {
    /// Every one, in the order above.
    pub const ALL: [Self; 4] = [Self::Auto, Self::V4Only, Self::V6Only, Self::All];

    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V4Only => "v4_only",
            Self::V6Only => "v6_only",
            Self::All => "all",
        }
    }

    /// Whether an address counts at all.
    pub(super) fn admits(self, address: &SocketAddr) -> bool {
        match self {
            Self::Auto | Self::All => true,
            Self::V4Only => Family::of(address) == Family::V4,
            Self::V6Only => Family::of(address) == Family::V6,
        }
    }
}

/// The race between the families of one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    /// `first` is dialled, and the other one too after a while.
    Racing {
        first: Family,
        /// When the other one joins; none once it has.
        join_at: Option<Instant>,
        /// The addresses of the first that have failed.
        failed: BTreeSet<SocketAddr>,
    },
    /// This family has a tunnel.
    Settled(Family),
}

impl Choice {
    /// A race that begins `now`.
    pub(super) fn race(first: Family, now: Instant) -> Self {
        Self::Racing { first, join_at: Some(now.after(FAMILY_DELAY)), failed: BTreeSet::new() }
    }

    /// Notes that `address` failed.
    pub(super) fn dial_failed(&mut self, address: SocketAddr) {
        match self {
            Self::Racing { first, failed, join_at: Some(_) } if Family::of(&address) == *first => {
                failed.insert(address);
            }
            Self::Racing { .. } | Self::Settled(_) => {}
        }
    }

    /// Goes on, with `fresh` addresses of both families of which some are `up`.
    pub(super) fn settle(&mut self, now: Instant, fresh: &BTreeSet<SocketAddr>, up: &BTreeSet<SocketAddr>) {
        let has = |family| fresh.iter().any(|address| Family::of(address) == family && up.contains(address));
        match self {
            Self::Settled(family) if has(*family) => {}
            Self::Settled(family) => *self = Self::race(*family, now),
            Self::Racing { first, .. } if has(*first) => *self = Self::Settled(*first),
            Self::Racing { first, .. } if has(first.other()) => *self = Self::Settled(first.other()),
            Self::Racing { first, join_at, failed } => {
                let mut dialled = fresh.iter().filter(|address| Family::of(address) == *first);
                if dialled.all(|address| failed.contains(address)) || join_at.is_some_and(|at| now >= at) {
                    (*join_at, *failed) = (None, BTreeSet::new());
                }
            }
        }
    }

    /// Whether addresses of `family` shall have tunnels.
    pub(super) fn wants(&self, family: Family) -> bool {
        match self {
            Self::Racing { first, join_at, .. } => *first == family || join_at.is_none(),
            Self::Settled(settled) => *settled == family,
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Racing { join_at, .. } => *join_at,
            Self::Settled(_) => None,
        }
    }
}
