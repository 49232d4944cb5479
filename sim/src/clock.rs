//! The clock of the simulation of this thread.

use std::cell::Cell;
use std::time::Duration;

use tokio::runtime::Handle;

/// The Unix time at which every simulation begins.
pub const EPOCH: Duration = Duration::from_secs(1_800_000_000);

thread_local! {
    static BEGUN: Cell<Option<tokio::time::Instant>> = const { Cell::new(None) };
    static LATEST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Starts the clock. To be called within the simulation's runtime, whose own clock is paused.
#[expect(clippy::disallowed_methods, reason = "the simulated clock")]
pub fn begin() {
    BEGUN.set(Some(tokio::time::Instant::now()));
    LATEST.set(Duration::ZERO);
}

/// The time since [`begin`]. It stands still while the runtime shuts down.
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
