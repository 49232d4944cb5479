//! Waiting, always with an end.

use std::future::Future;
use std::time::Duration;

/// For what should take milliseconds, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(20);

/// For what moves a lot of data.
pub const LATER: Duration = Duration::from_secs(120);

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What `future` gives.
///
/// # Panics
/// If it takes longer than `limit`.
pub async fn within<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it found nothing for `limit`.
pub async fn until<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(limit, what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    })
    .await
}

/// Looks again and again for all of `time`: for what must never happen.
///
/// # Panics
/// If `holds` is false once.
pub async fn throughout(time: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        assert!(holds().await, "{what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
