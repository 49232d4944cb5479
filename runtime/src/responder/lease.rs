//! What a caller holds while a tunnel carries its request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use revtun_core::TunnelId;
use revtun_core::responder::{Event, Refusal, StreamId};

use super::link::Link;
use super::shared::Shared;
use crate::sync::oneshot;
use crate::world::World;

/// The answer to a caller that wants a tunnel.
pub(super) enum Opening<W: World> {
    /// Here is one.
    Assigned(Lease<W>),
    /// There is none yet.
    Waiting(Waiting<W>),
    /// There is none.
    Refused(Refusal),
}

/// The right to send one request through a tunnel. Dropping it tells the machine that the request is over.
pub(super) struct Lease<W: World> {
    shared: Arc<Shared<W>>,
    tunnel: TunnelId,
    link: Arc<Link>,
}

impl<W: World> Lease<W> {
    pub(super) fn new(shared: Arc<Shared<W>>, tunnel: TunnelId, link: Arc<Link>) -> Self {
        Self { shared, tunnel, link }
    }

    pub(super) fn tunnel(&self) -> TunnelId {
        self.tunnel
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }
}

impl<W: World> Drop for Lease<W> {
    fn drop(&mut self) {
        let _none_for_us = self.shared.step(Event::Released { tunnel: self.tunnel });
    }
}

/// A caller that waits for a tunnel. Dropping it gives up the wait, and the lease if one was on the way.
pub(super) struct Waiting<W: World> {
    shared: Arc<Shared<W>>,
    stream: StreamId,
    answered: oneshot::Receiver<Result<Lease<W>, Refusal>>,
}

impl<W: World> Waiting<W> {
    pub(super) fn new(
        shared: Arc<Shared<W>>,
        stream: StreamId,
        answered: oneshot::Receiver<Result<Lease<W>, Refusal>>,
    ) -> Self {
        Self { shared, stream, answered }
    }
}

impl<W: World> Future for Waiting<W> {
    type Output = Result<Lease<W>, Refusal>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answered).poll(task);
        answer.map(|answer| answer.expect("the machine answers everybody who waits"))
    }
}

impl<W: World> Drop for Waiting<W> {
    fn drop(&mut self) {
        self.shared.abandon(self.stream);
    }
}
