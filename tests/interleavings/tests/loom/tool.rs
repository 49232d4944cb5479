//! What loom offers, by the names that the stage knows.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex as Still;

pub(crate) use loom::future::block_on;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use loom::sync::{Mutex, MutexGuard};
use loom::thread::JoinHandle;
use tracing_subscriber::EnvFilter;

/// Runs `task` in a thread of its own.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    loom::thread::spawn(move || block_on(task))
}

/// Runs `model` in every order in which threads interrupt each other at most `interruptions` times, and prints how
/// often it came to which outcome. It has to come to more than one: else the order would not matter.
pub(crate) fn explore<T: Debug>(interruptions: usize, model: impl Fn() -> T + Sync + Send + 'static) {
    let outcomes = std::sync::Arc::new(Still::new(BTreeMap::<String, u64>::new()));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.max_branches = 20_000;
    let tally = std::sync::Arc::clone(&outcomes);
    // The default model of loom listens to itself if it is asked to; one with bounds of its own has to be told.
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_env("LOOM_LOG"))
        .without_time()
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(log, || {
        builder.check(move || {
            let outcome = format!("{:?}", model());
            *tally.lock().expect("no model panics here").entry(outcome).or_default() += 1;
        });
    });
    let outcomes = outcomes.lock().expect("no model panicked");
    crate::figures::tell(format_args!("orders: {} {outcomes:?}", outcomes.values().sum::<u64>()));
    assert!(outcomes.len() > 1, "the order of threads makes no difference: {outcomes:?}");
}
