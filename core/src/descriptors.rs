//! How the file descriptors of a process are shared out, so that nobody who connects can take those of others.

/// What the process keeps for itself: its files, timers, signals and listeners, connections that are about to be refused.
const OWN: u32 = 64;
/// What the admin listener gets: a handful of scrapers needs a handful.
const ADMIN: u32 = 32;

/// How many descriptors each part of a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DescriptorShares {
    /// Connections of the admin listener.
    pub admin: u32,
    /// Connections of callers.
    pub callers: u32,
    /// Connections at the tunnel listener whose handshake is not complete.
    pub handshakes: u32,
    /// Tunnels.
    pub tunnels: u32,
}

impl DescriptorShares {
    /// Shares out `limit` descriptors, which is all that the system grants. Callers get as many as they may have by
    /// configuration, `callers`, but at most half of what is left beside the process itself and the admin listener; the
    /// rest is for tunnels, a quarter of it at most for handshakes. Every share is one at least.
    #[must_use]
    pub fn of(limit: u32, callers: u32, handshakes: u32, tunnels: u32) -> Self {
        let own = OWN.min(limit / 4);
        let admin = ADMIN.min(limit / 8).max(1);
        let left = limit.saturating_sub(own).saturating_sub(admin);
        let callers = callers.min(left / 2).max(1);
        let left = left.saturating_sub(callers);
        let handshakes = handshakes.min(left / 4).max(1);
        let tunnels = tunnels.min(left.saturating_sub(handshakes)).max(1);
        Self { admin, callers, handshakes, tunnels }
    }

    /// All of them together.
    #[must_use]
    pub fn sum(&self) -> u32 {
        let Self { admin, callers, handshakes, tunnels } = *self;
        [admin, callers, handshakes, tunnels].into_iter().fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_what_others_need() {
        for limit in (0..2_000).chain([65_536, 1_048_576, u32::MAX]) {
            for wanted in [1, 100, 16_384, u32::MAX] {
                let shares = DescriptorShares::of(limit, wanted, wanted, wanted);
                assert!(shares.admin > 0 && shares.callers > 0 && shares.handshakes > 0 && shares.tunnels > 0);
                if limit >= 64 {
                    assert!(shares.sum() + limit.min(64 * 4) / 4 <= limit, "{limit}: {shares:?}");
                }
                assert!(shares.callers <= wanted && shares.handshakes <= wanted && shares.tunnels <= wanted);
            }
        }
    }

    #[test]
    fn a_small_limit_is_shared_out_and_a_large_one_leaves_every_limit_as_it_is() {
        let of = |limit| DescriptorShares::of(limit, 16_384, 4096, 1_000_000);
        assert_eq!(of(256), DescriptorShares { admin: 32, callers: 80, handshakes: 20, tunnels: 60 });
        assert_eq!(of(1024), DescriptorShares { admin: 32, callers: 464, handshakes: 116, tunnels: 348 });
        assert_eq!(
            of(2_000_000),
            DescriptorShares { admin: 32, callers: 16_384, handshakes: 4096, tunnels: 1_000_000 }
        );
    }
}
