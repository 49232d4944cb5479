//! The moment that canonical states call now (see [`Initiator::canonical`](crate::initiator::Initiator::canonical)).

use core::time::Duration;

use crate::Instant;

/// "Now" of every canonical state: late enough that the past has room before it.
#[doc(hidden)]
pub const CANONICAL_NOW: Instant = Instant::from_nanos(3_600_000_000_000);

/// Nothing cares how long ago something was beyond this: no silence is waited for longer than a quarter of an hour.
const LONG_AGO: Duration = Duration::from_secs(16 * 60);

/// `at`, as seen from `now`, moved to where canonical states have their now.
pub(crate) fn rebase(at: Instant, now: Instant) -> Instant {
    if at >= now {
        return CANONICAL_NOW.after(at.since(now));
    }
    let ago = now.since(at).min(LONG_AGO);
    Instant::EPOCH.after(CANONICAL_NOW.since(Instant::EPOCH) - ago)
}
