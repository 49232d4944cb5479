//! The bodies of proxied requests and responses. That of a response holds the lease of its tunnel.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use revtun_core::responder::retry::{LINGERING_CLOSE, LINGERING_CLOSE_BYTES};

use crate::error::BoxError;
use crate::http::{BodyActivity, RecvBody, TimeoutBody};
use crate::responder::shared::Lease;
use crate::world::World;

/// Takes a body of which the rest is not needed.
type Drain = Box<dyn FnOnce(Incoming) + Send + Sync>;

/// The body of a caller's request.
pub(super) struct DownstreamBody {
    caller: Option<(Incoming, Drain)>,
    activity: BodyActivity,
}

impl DownstreamBody {
    /// Wraps `caller`. Dropped before its end, the rest is read for a while by a task of `world`, and discarded.
    pub(super) fn new<W: World>(caller: Incoming, world: &W) -> Self {
        if caller.is_end_stream() {
            return Self { caller: None, activity: BodyActivity::NONE };
        }
        let (activity, world) = (BodyActivity::of(&caller), world.clone());
        let drain: Drain = Box::new(move |caller| world.spawn(read_and_discard(world.clone(), caller)));
        Self { caller: Some((caller, drain)), activity }
    }
}

impl Body for DownstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.caller {
            Some((caller, _)) => {
                let frame = ready!(Pin::new(caller).poll_frame(task));
                self.activity.progress();
                Poll::Ready(frame)
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.caller.as_ref().is_none_or(|(caller, _)| caller.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.caller.as_ref().map_or(SizeHint::with_exact(0), |(caller, _)| caller.size_hint())
    }
}

impl Drop for DownstreamBody {
    fn drop(&mut self) {
        if let Some((caller, drain)) = self.caller.take().filter(|(caller, _)| !caller.is_end_stream()) {
            drain(caller);
        }
    }
}

/// Reads the rest of a request that has its response already, so that its caller gets to read that.
async fn read_and_discard<W: World>(world: W, mut caller: Incoming) {
    let deadline = world.sleep_until(world.now().after(LINGERING_CLOSE));
    let read = async {
        let mut left = LINGERING_CLOSE_BYTES;
        while let Some(Ok(frame)) = caller.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    };
    tokio::select! {
        biased;
        () = read => {}
        () = deadline => {}
    }
}

/// The body of a response from a tunnel. It holds the lease until it ends.
pub(super) struct LeasedBody<W: World> {
    body: TimeoutBody<RecvBody>,
    /// The body failed; the error is returned by the next poll.
    failure: Option<BoxError>,
    _lease: Arc<Lease<W>>,
}

impl<W: World> LeasedBody<W> {
    /// Wraps `body` from the tunnel of `lease`.
    pub(super) fn new(body: RecvBody, lease: Arc<Lease<W>>) -> Self {
        Self { body: TimeoutBody::new(body), failure: None, _lease: lease }
    }
}

impl<W: World> Body for LeasedBody<W> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(task)) {
            // With an error hyper drops what it has not written yet, which may include the head of the response. The next
            // poll comes after a write.
            Some(Err(failure)) => {
                self.failure = Some(failure);
                task.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
