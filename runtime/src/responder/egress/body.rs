//! The bodies of a request and its answer, which keep the lease for as long as either flows.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// A lease as bodies see it: something to let go of in the end.
pub(super) type Held = Arc<dyn Any + Send + Sync>;

/// What a caller sends through a tunnel.
#[derive(Debug)]
pub(in crate::responder) struct RequestBody {
    caller: Option<Incoming>,
    held: Option<Held>,
}

impl RequestBody {
    /// What `caller` sends.
    pub(super) fn of(caller: Incoming) -> Self {
        Self { caller: (!caller.is_end_stream()).then_some(caller), held: None }
    }

    /// Nothing.
    pub(super) fn none() -> Self {
        Self { caller: None, held: None }
    }

    /// Keeps `lease` until the end of the body, in place of an earlier one.
    pub(super) fn hold(&mut self, lease: Held) {
        self.held = Some(lease);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.caller {
            Some(caller) => Pin::new(caller).poll_frame(task),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.caller.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.caller.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}

/// What comes back through a tunnel.
#[derive(Debug)]
pub(super) struct ResponseBody {
    service: Incoming,
    _held: Held,
}

impl ResponseBody {
    /// The body of an answer that came through the tunnel of `lease`.
    pub(super) fn of(service: Incoming, lease: Held) -> Self {
        Self { service, _held: lease }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.service).poll_frame(task)) {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(Broken(Some(error)))),
            // hyper takes a stream that was reset without an error (an Envoy does that when its service breaks off)
            // for a whole one. Only END_STREAM makes it whole.
            None if self.service.is_end_stream() => None,
            None => Some(Err(Broken(None))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.service.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.service.size_hint()
    }
}

/// An answer broke off; so must the caller's.
#[derive(Debug)]
pub(super) struct Broken(Option<hyper::Error>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off in the tunnel")
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}
