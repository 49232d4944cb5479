//! Where hosts show what they have, and find what they are told to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The board that a scenario and its hosts have in common. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Notices>>);

/// What stands on the board.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// What the initiator has.
    pub initiator: InitiatorView,
    /// What the responder has.
    pub responder: ResponderView,
    /// For the responder: drain with this grace.
    pub drain: Option<Duration>,
    /// For the caller: send so many requests, one after the other.
    pub requests: u32,
    /// From the caller: what came of each request.
    pub answers: Vec<String>,
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

/// How many tunnels a responder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponderView {
    /// Accepted and not closed.
    pub tunnels: u32,
    /// The drain of everything is over.
    pub drained: bool,
}

impl Board {
    /// Looks at the board, or changes it. Not to be held across an await.
    pub fn notices(&self) -> MutexGuard<'_, Notices> {
        // A panic elsewhere has been told already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
