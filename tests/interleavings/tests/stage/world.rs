//! In place of `runtime/src/world.rs`: a clock that stands still until a model moves it, and a witness of every step.

use std::collections::BTreeSet;
use std::future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use revtun_core::responder::{Effect, Event, Responder};
use revtun_core::{Effects, Env, Instant, Machine, TunnelId};

/// What the files under test need of the world.
pub(crate) trait World: Clone + Send + Sync + Unpin + 'static {
    fn now(&self) -> Instant;
    fn unix_millis(&self) -> u64;
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + Sync;
    fn journal(&self) -> &Witness;

    fn env(&self) -> Env {
        Env { now: self.now(), dice: 1 }
    }
}

const HOUR: u64 = 3_600_000_000_000;

/// The world of one run of a model.
#[derive(Clone, Debug)]
pub(crate) struct Still(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    now: AtomicU64,
    witness: Witness,
}

impl Still {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { now: AtomicU64::new(HOUR), witness: Witness::default() }))
    }

    /// Everything that may take time has taken it.
    pub(crate) fn pass(&self) {
        self.0.now.fetch_add(HOUR, Ordering::Relaxed);
    }
}

impl World for Still {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.now.load(Ordering::Relaxed))
    }

    fn unix_millis(&self) -> u64 {
        0
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        crate::tool::spawn(task);
    }

    /// Time does not pass by itself.
    async fn sleep_until(&self, deadline: Instant) {
        if self.now() < deadline {
            future::pending().await
        }
    }

    fn journal(&self) -> &Witness {
        &self.0.witness
    }
}

/// Sees every step from outside, under the lock of the machine, and asserts what must hold at each.
#[derive(Debug, Default)]
pub(crate) struct Witness(Mutex<Seen>);

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Requests that were given a tunnel.
    pub(crate) assigned: u64,
    /// Requests that gave it back.
    pub(crate) released: u64,
    /// Callers that gave up.
    pub(crate) cancelled: u64,
    closed: BTreeSet<TunnelId>,
}

impl Witness {
    pub(crate) fn seen(&self) -> Seen {
        self.0.lock().expect("no assertion failed").clone()
    }

    pub(crate) fn begin(&self, machine: &Responder) {
        machine.check();
    }

    pub(crate) fn step(&self, machine: &mut Responder, env: Env, event: Event<'_>) -> Effects<Effect> {
        let effects = machine.step(env, event);
        machine.check();
        let mut seen = self.0.lock().expect("no assertion failed");
        match event {
            Event::Released { .. } => seen.released += 1,
            Event::Cancelled { .. } => seen.cancelled += 1,
            Event::Closed { tunnel } => drop(seen.closed.insert(tunnel)),
            Event::Accepted { .. }
            | Event::HandshakeReceived { .. }
            | Event::HandshakeInvalid { .. }
            | Event::Echoed { .. }
            | Event::Heard { .. }
            | Event::Opened { .. }
            | Event::GoawayReceived { .. }
            | Event::ConnectionLost { .. }
            | Event::SettingsReceived { .. }
            | Event::DrainRequested { .. }
            | Event::Tick => {}
        }
        for effect in effects.iter() {
            if let Effect::Assign { tunnel, .. } = effect {
                seen.assigned += 1;
                assert!(!seen.closed.contains(&tunnel), "a closed tunnel was given to a caller");
            }
        }
        assert!(seen.released <= seen.assigned, "a tunnel was given back twice");
        effects
    }
}
