//! How much memory a process holds: what its tasks allocated and did not free, as they run, without what the network and the
//! simulator itself take meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};

/// The memory of a process.
#[derive(Debug, Default)]
pub struct MemoryAccount(AtomicI64);

impl MemoryAccount {
    /// Does `work` and adds the memory that it keeps to this account.
    pub fn charge<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut done = None;
        let spent = allocation_counter::measure(|| done = Some(work()));
        self.0.fetch_add(spent.bytes_current, Ordering::Relaxed);
        done.expect("it was done just now")
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

/// Does `work` without adding its memory to any account.
pub fn unaccounted<R>(work: impl FnOnce() -> R) -> R {
    let mut done = None;
    allocation_counter::opt_out(|| done = Some(work()));
    done.expect("it was done just now")
}

/// The same for asynchronous work.
pub async fn unaccounted_async<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| unaccounted(|| work.as_mut().poll(cx))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_and_what_is_freed_is_not() {
        let account = MemoryAccount::default();
        let held = account.charge(|| {
            drop(vec![0_u8; 5_000]);
            unaccounted(|| std::mem::forget(vec![0_u8; 700]));
            vec![0_u8; 1_000]
        });
        assert_eq!(account.bytes(), 1_000);
        account.charge(|| drop(held));
        assert_eq!(account.bytes(), 0);
    }
}
