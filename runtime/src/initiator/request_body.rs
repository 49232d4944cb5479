//! The body of a request, in whichever protocol it comes through a tunnel.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::serve::BoxError;
use crate::body::Received;

/// The body of a request that comes through a tunnel, with backpressure: what is not read stays with the responder.
///
/// It ends without an error only if the request has come whole; it breaks off if the caller does, or if it lies still for
/// longer than [`body_timeout`](crate::flow::HttpLimits::body_timeout).
#[derive(Debug)]
pub struct RequestBody(Protocol);

#[derive(Debug)]
enum Protocol {
    Http1(Incoming),
    Http2(Received),
}

impl RequestBody {
    pub(super) fn http1(body: Incoming) -> Self {
        Self(Protocol::Http1(body))
    }

    pub(super) fn http2(body: Received) -> Self {
        Self(Protocol::Http2(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Protocol::Http1(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Protocol::Http2(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Protocol::Http1(body) => body.is_end_stream(),
            Protocol::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Protocol::Http1(body) => body.size_hint(),
            Protocol::Http2(body) => body.size_hint(),
        }
    }
}
