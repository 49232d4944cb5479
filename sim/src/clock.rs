//! What time it is in the simulation of this thread.

use std::cell::Cell;
use std::time::Duration;

use tokio::runtime::Handle;

/// What every simulation calls the time of its beginning, in seconds since 1970.
pub const EPOCH: Duration = Duration::from_secs(1_800_000_000);

thread_local! {
    static BEGUN: Cell<Option<tokio::time::Instant>> = const { Cell::new(None) };
    static LATEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Begins the time of a simulation. To be called within its runtime, whose clock stands still.
#[expect(clippy::disallowed_methods, reason = "the simulated clock")]
pub fn begin() {
    BEGUN.set(Some(tokio::time::Instant::now()));
    LATEST.set(Duration::ZERO);
}

/// The time since then. It stands still while the runtime goes down.
#[must_use]
pub fn now() -> Duration {
    if let (Some(begun), Ok(_)) = (BEGUN.get(), Handle::try_current()) {
        LATEST.set(begun.elapsed());
    }
    LATEST.get()
}

/// Waits until `moment`.
#[expect(clippy::disallowed_methods, reason = "the simulated clock")]
pub async fn sleep_until(moment: Duration) {
    let left = moment.saturating_sub(now());
    if left > Duration::ZERO {
        tokio::time::sleep(left).await;
    }
}
