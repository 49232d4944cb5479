//! The body of a request that comes through a tunnel, over HTTP/1.1 or HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::h2_body::RecvBody;
use crate::error::BoxError;

/// The body of a request that comes through a tunnel, with backpressure: what is not read stays with the responder.
///
/// It ends without an error only if the request is complete; it fails if the client resets it, or if it is idle for longer
/// than [`body_timeout`](crate::http::HttpLimits::body_timeout).
#[derive(Debug)]
pub struct RequestBody(Protocol);

#[derive(Debug)]
enum Protocol {
    Http1(Incoming),
    Http2(RecvBody),
}

impl RequestBody {
    pub(crate) fn http1(body: Incoming) -> Self {
        Self(Protocol::Http1(body))
    }

    pub(crate) fn http2(body: RecvBody) -> Self {
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
