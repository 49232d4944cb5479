//! When a tunnel has to go because what proved its identity ends: a certificate, a token.

use core::time::Duration;

use crate::backoff::jitter;
use crate::{Env, Instant};

/// What becomes of such a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lapse {
    /// When it gets its GOAWAY, so that the initiator can replace it by one with a newer proof.
    pub drain_at: Instant,
    /// How long its streams may go on from then, which is until the proof ends.
    pub grace: Duration,
}

impl Lapse {
    /// For a proof that lasts for so long from now on, where draining tunnels have `drain_grace`.
    ///
    /// The lead is that grace, but at most half of what is left: whoever comes back with the same proof is let in again, and
    /// must not be drained at once. It is shortened by up to a half, so that not all tunnels of one certificate go together.
    #[must_use]
    pub fn of(env: Env, lasts: Duration, drain_grace: Duration) -> Self {
        let longest = drain_grace.min(lasts / 2);
        let lead = longest - jitter(longest / 2, env.dice);
        Self { drain_at: env.now.after(lasts - lead), grace: lead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(600);

    fn lapse(lasts: Duration, dice: u64) -> (Duration, Duration) {
        let env = Env { now: Instant::from_nanos(7), dice };
        let lapse = Lapse::of(env, lasts, GRACE);
        (lapse.drain_at.since(env.now), lapse.grace)
    }

    #[test]
    fn a_tunnel_is_drained_ahead_of_the_end_and_never_later() {
        let hour = Duration::from_secs(3600);
        assert_eq!(lapse(hour, 0), (hour - GRACE, GRACE));
        assert_eq!(lapse(hour, u64::MAX), (hour - GRACE / 2, GRACE / 2));
        for dice in [0, 1, u64::MAX / 3, u64::MAX] {
            for lasts in [0, 1, 7, 1_000, 1_000_000_000, u64::MAX / 2].map(Duration::from_nanos) {
                let (drain_in, grace) = lapse(lasts, dice);
                assert_eq!(drain_in + grace, lasts);
                assert!(drain_in >= lasts / 2 && grace <= GRACE);
            }
        }
    }
}
