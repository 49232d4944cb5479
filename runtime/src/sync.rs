//! Locks, atomics and channels: all that tasks share memory by.
//!
//! `responder/{shared,lease,link,orders}.rs`, `tls/reload.rs` and `counter.rs` take them from here and from nowhere
//! else. So `tests/interleavings` can compile the very files that ship against primitives that try every order of
//! threads, by putting another module in this one's place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use tokio::sync::{Notify, SetOnce, oneshot, watch};
