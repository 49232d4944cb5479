//! The body of a request that comes through a tunnel, over HTTP/1.1 or HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::activity::{Activity, TimeoutBody};
use super::h2_body::RecvBody;
use crate::error::BoxError;

/// The body of a request that comes through a tunnel, with backpressure: what is not read stays with the responder.
///
/// It ends without an error only if the request is complete; it fails if the client resets it, or if it is idle for longer
/// than [`body_timeout`](crate::http::HttpLimits::body_timeout).
#[derive(Debug)]
pub struct RequestBody {
    body: TimeoutBody<Protocol>,
    activity: Arc<Activity>,
    /// It came over HTTP/2.
    takes_interim: bool,
    /// Reading gives the client leave to send the body.
    continues: bool,
}

#[derive(Debug)]
enum Protocol {
    Http1(Incoming),
    Http2(RecvBody),
    /// There is none.
    Ended,
}

impl RequestBody {
    pub(crate) fn http1(body: Incoming, activity: &Arc<Activity>) -> Self {
        // hyper sends 100 Continue when the body is read.
        let body = TimeoutBody::new(Protocol::Http1(body), activity);
        Self { body, activity: Arc::clone(activity), takes_interim: false, continues: false }
    }

    /// No body, for a request that had none.
    pub(crate) fn ended() -> Self {
        let activity = Activity::new();
        let body = TimeoutBody::new(Protocol::Ended, &activity);
        Self { body, activity, takes_interim: false, continues: false }
    }

    pub(crate) fn http2(body: RecvBody, activity: &Arc<Activity>) -> Self {
        let body = TimeoutBody::new(Protocol::Http2(body), activity);
        Self { body, activity: Arc::clone(activity), takes_interim: true, continues: true }
    }

    /// From now on it is not reading that gives the client leave to send the body, but [`Activity::want_body`]. False if it is
    /// the HTTP library that gives it.
    pub(crate) fn defer_continue(&mut self) -> bool {
        std::mem::take(&mut self.continues)
    }

    /// What the request reports to, if interim responses can be passed on.
    pub(crate) fn activity(&self) -> Option<Arc<Activity>> {
        self.takes_interim.then(|| Arc::clone(&self.activity))
    }

    /// Gives the request an idle timeout of its own, see [`Activity::set_idle_timeout`].
    pub(crate) fn set_idle_timeout(&self, timeout: Option<Duration>) {
        self.activity.set_idle_timeout(timeout);
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.continues {
            self.activity.want_body();
        }
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Body for Protocol {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Http1(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Self::Http2(body) => Pin::new(body).poll_frame(task).map_err(Into::into),
            Self::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
            Self::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
            Self::Ended => SizeHint::with_exact(0),
        }
    }
}
