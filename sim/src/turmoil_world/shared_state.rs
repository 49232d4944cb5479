//! What hosts report to the simulation, and what it tells them to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state that the simulation and its hosts share. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct SharedState(Arc<Mutex<State>>);

/// See [`SharedState`].
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The initiator's tunnels.
    pub initiator: InitiatorView,
    /// The responder's tunnels, accepted and not closed.
    pub responder_tunnels: u32,
    /// For the caller: send this many requests, one after the other.
    pub requests: u32,
    /// From the caller: the outcome of each request.
    pub responses: Vec<String>,
}

/// How many tunnels an initiator has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitiatorView {
    /// Dialing or handshaking.
    pub pending: usize,
    /// Idle or in use.
    pub up: usize,
    /// Finishing their streams.
    pub draining: usize,
}

impl SharedState {
    /// Reads the state, or changes it. Not to be held across an await.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere has been reported already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
