//! Locks, atomics and channels.
//!
//! `responder/{shared,handle,command}.rs`, `tls/reload.rs`, `counter.rs` and `upstream/pool.rs` take them from here and from
//! nowhere else. So
//! `tests/interleavings` can compile the very files that ship against primitives that try every order of threads, by
//! replacing this module.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use tokio::sync::{Notify, SetOnce, oneshot, watch};
