//! The bodies of proxied requests and responses. That of a response holds the lease of its tunnel.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use revtun_core::responder::retry::{LINGERING_CLOSE, LINGERING_CLOSE_BYTES};

use crate::error::BoxError;
use crate::http::{Activity, BodyActivity, RecvBody};
use crate::responder::shared::Lease;
use crate::world::World;

/// Takes a body of which the rest is not needed.
type Drain<B> = Box<dyn FnOnce(B) + Send + Sync>;

/// The body of a caller's request.
pub(in crate::responder) struct DownstreamBody<B: Body> {
    caller: Option<(B, Option<Drain<B>>)>,
    activity: BodyActivity,
}

impl<B: Body> DownstreamBody<B> {
    /// The body of a request at the egress listener, which reports to `activity`. Dropped before its end, the rest is read for a
    /// while by a task of `world`, and discarded.
    pub(super) fn lingering<W: World>(caller: B, activity: &Arc<Activity>, world: &W) -> Self
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
    {
        Self::wrap(caller, activity, || {
            let world = world.clone();
            Some(Box::new(move |caller| world.spawn(read_and_discard(world.clone(), caller))))
        })
    }

    /// A body that may be dropped before its end.
    pub(in crate::responder) fn new(caller: B, activity: &Arc<Activity>) -> Self {
        Self::wrap(caller, activity, || None)
    }

    fn wrap(caller: B, activity: &Arc<Activity>, drain: impl FnOnce() -> Option<Drain<B>>) -> Self {
        if caller.is_end_stream() {
            return Self { caller: None, activity: BodyActivity::NONE };
        }
        let activity = BodyActivity::of(&caller, activity);
        Self { caller: Some((caller, drain())), activity }
    }
}

impl<B: Body> DownstreamBody<B> {
    /// Drops a body that its caller has no leave to send, or that is none.
    pub(super) fn discard(mut self) {
        self.caller = None;
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for DownstreamBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Self { caller, activity } = &mut *self;
        match caller {
            Some((caller, _)) => {
                activity.want_body();
                let frame = ready!(Pin::new(caller).poll_frame(task));
                activity.progress();
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

impl<B: Body> Drop for DownstreamBody<B> {
    fn drop(&mut self) {
        if let Some((caller, Some(drain))) = self.caller.take().filter(|(caller, _)| !caller.is_end_stream()) {
            drain(caller);
        }
    }
}

/// Reads the rest of a request that has its response already, so that its caller gets to read that.
async fn read_and_discard<W: World>(world: W, mut caller: impl Body<Data = Bytes> + Unpin) {
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

/// The body of a response from a tunnel, with backpressure: what is not read stays with the initiator. Dropped before its end, it
/// cancels the request.
///
/// It ends without an error only if the response is complete.
// It holds the lease until it ends.
pub struct LeasedBody<W: World> {
    body: RecvBody,
    _lease: Option<Arc<Lease<W>>>,
}

impl<W: World> LeasedBody<W> {
    /// Wraps `body` from the tunnel of `lease`, unless something else holds that.
    pub(super) fn new(body: RecvBody, lease: Option<Arc<Lease<W>>>) -> Self {
        Self { body, _lease: lease }
    }
}

impl<W: World> Body for LeasedBody<W> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(task).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
