//! How much can be asked for.

use std::time::Duration;

/// The most worker threads that can be asked for.
pub(super) const MAX_THREADS: u32 = 1024;
/// The most streams on one tunnel that can be asked for.
pub(super) const MAX_PER_TUNNEL: u32 = 100_000;
/// The most tunnels, handshakes or waiting callers that can be asked for.
pub(super) const MAX_TABLE: u32 = 10_000_000;
/// The most intervals that a ping may stay unanswered.
pub(super) const MAX_MISSES: u32 = 1000;
/// The least and the most bytes of a head, or before HTTP begins, that can be asked for.
pub(super) const MIN_HEAD_BYTES: u32 = 1024;
pub(super) const MAX_HEAD_BYTES: u32 = 1024 * 1024;
/// The least headers that can be asked for: those of a handshake, and some that proxies add.
pub(super) const MIN_HEADERS: u32 = 16;
/// The most headers of a request that can be asked for: the library that holds them takes some 24 000.
pub(super) const MAX_HEADERS_COUNT: u32 = 10_000;
/// The most streams reset at once that can be asked for.
pub(super) const MAX_RESETS: u32 = 10_000;
/// How long requests may go on after SIGTERM, unless an operator says otherwise.
pub(super) const DRAIN_GRACE: Duration = Duration::from_secs(30);

/// The liveness window that belongs to probes every `interval`: three of them and a second, so that one that is lost
/// and one that is late do no harm; `current` if that is longer.
pub(super) fn follow_silence(interval: Duration, current: Duration) -> Duration {
    (interval * 3 + Duration::from_secs(1)).max(current)
}
