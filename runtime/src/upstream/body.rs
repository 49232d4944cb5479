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
    /// It was not complete in time.
    Ended,
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
        if let Some(Poll::Ready(end)) = this.deadline.as_mut().map(|deadline| deadline.poll_end(task)) {
            // Dropped, the response is cancelled at the service.
            (this.body, this.deadline) = (Protocol::Ended, None);
            return Poll::Ready(Some(end.map(Frame::trailers).map_err(Into::into)));
        }
        match &mut this.body {
            Protocol::Http1(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Unpooled(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Http2(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Protocol::Http1(body) => body.is_end_stream(),
            Protocol::Unpooled(body) => body.is_end_stream(),
            Protocol::Http2(body) => body.is_end_stream(),
            Protocol::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Protocol::Http1(body) => body.size_hint(),
            Protocol::Unpooled(body) => body.size_hint(),
            Protocol::Http2(body) => body.size_hint(),
            Protocol::Ended => SizeHint::with_exact(0),
        }
    }
}
