//! The body of a response of a service.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::deadline::BodyDeadline;
use super::lease::Lease;
use super::pool::UpstreamResponseBody;
use crate::error::BoxError;
use crate::http::RecvBody;
use crate::world::World;

/// The body of a response of a service.
pub struct ServiceBody<W: World> {
    body: Protocol<W>,
    /// When it has to be complete.
    deadline: Option<BodyDeadline>,
    /// The request is in flight for as long as the body is there.
    _lease: Option<Lease>,
}

enum Protocol<W: World> {
    Http1(UpstreamResponseBody<W>),
    Http2(RecvBody),
    /// Of a connection that is not kept, which another task drives.
    Unpooled(Incoming),
}

impl<W: World> ServiceBody<W> {
    pub(super) const fn http1(body: UpstreamResponseBody<W>) -> Self {
        Self { body: Protocol::Http1(body), deadline: None, _lease: None }
    }

    pub(super) const fn http2(body: RecvBody) -> Self {
        Self { body: Protocol::Http2(body), deadline: None, _lease: None }
    }

    pub(super) const fn unpooled(body: Incoming) -> Self {
        Self { body: Protocol::Unpooled(body), deadline: None, _lease: None }
    }

    /// With the place of its request at the endpoint.
    pub(super) fn leased(self, lease: Lease) -> Self {
        Self { _lease: Some(lease), ..self }
    }

    /// Complete at this time.
    pub(super) fn until(self, deadline: BodyDeadline) -> Self {
        Self { deadline: Some(deadline), ..self }
    }
}

impl<W: World> Body for ServiceBody<W> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(deadline) = &mut this.deadline {
            deadline.check(task)?;
        }
        match &mut this.body {
            Protocol::Http1(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Unpooled(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Http2(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Protocol::Http1(body) => body.is_end_stream(),
            Protocol::Unpooled(body) => body.is_end_stream(),
            Protocol::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Protocol::Http1(body) => body.size_hint(),
            Protocol::Unpooled(body) => body.size_hint(),
            Protocol::Http2(body) => body.size_hint(),
        }
    }
}
