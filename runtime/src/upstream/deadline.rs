//! The time until which the body of a response has to be complete.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use revtun_core::Instant;
use revtun_core::grpc::DEADLINE_EXCEEDED;

use crate::http::grpc_trailers;
use crate::world::World;

/// When the body of a response has to be complete, and how it ends if it is not.
pub(super) struct BodyDeadline {
    late: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_grpc: bool,
}

impl BodyDeadline {
    /// A call of gRPC ends with its status, anything else with an error.
    pub(super) fn new<W: World>(world: &W, deadline: Instant, is_grpc: bool) -> Self {
        let world = world.clone();
        Self { late: Box::pin(async move { world.sleep_until(deadline).await }), is_grpc }
    }

    /// Ready with the end of the body once the deadline has passed; wakes this `task` then. Not polled again behind that.
    pub(super) fn poll_end(&mut self, task: &mut Context<'_>) -> Poll<Result<HeaderMap, Late>> {
        ready!(self.late.as_mut().poll(task));
        Poll::Ready(if self.is_grpc {
            Ok(grpc_trailers(DEADLINE_EXCEEDED, "the deadline of the call has passed"))
        } else {
            Err(Late)
        })
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
