//! What loom offers, by the names that the stage knows.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex as Still;

pub(crate) use loom::future::block_on;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use loom::sync::{Mutex, MutexGuard};
use loom::thread::JoinHandle;

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
    builder.check(move || {
        let outcome = format!("{:?}", model());
        *tally.lock().expect("no model panics here").entry(outcome).or_default() += 1;
    });
    let outcomes = outcomes.lock().expect("no model panicked");
    println!("orders: {} {outcomes:?}", outcomes.values().sum::<u64>());
    assert!(outcomes.len() > 1, "the order of threads makes no difference: {outcomes:?}");
}
