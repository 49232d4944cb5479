//! The time until which the body of a response has to be complete.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use revtun_core::Instant;

use crate::world::World;

/// Ends the body of a response at a deadline.
pub(super) struct BodyDeadline(Pin<Box<dyn Future<Output = ()> + Send>>);

impl BodyDeadline {
    pub(super) fn new<W: World>(world: &W, deadline: Instant) -> Self {
        let world = world.clone();
        Self(Box::pin(async move { world.sleep_until(deadline).await }))
    }

    /// Fails if the deadline has passed, and wakes this `task` when it does.
    pub(super) fn check(&mut self, task: &mut Context<'_>) -> Result<(), Late> {
        match self.0.as_mut().poll(task) {
            Poll::Ready(()) => Err(Late),
            Poll::Pending => Ok(()),
        }
    }
}

/// A response took longer than its route or its caller allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was not complete in time")
    }
}

impl Error for Late {}
