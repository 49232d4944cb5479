//! The body of an answer, which keeps the lease for as long as it flows.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use revtun_core::responder::retry::{LINGERING_CLOSE, LINGERING_CLOSE_BYTES};

use crate::body::Received;
use crate::initiator::BoxError;
use crate::responder::lease::Lease;
use crate::still::{Moving, Pace};
use crate::world::World;

/// What takes the rest of a body that nobody wants.
type Rest = Box<dyn FnOnce(Incoming) + Send + Sync>;

/// What a caller sends through a tunnel.
pub(super) struct RequestBody {
    caller: Option<(Incoming, Rest)>,
    pace: Pace,
}

impl RequestBody {
    /// What `caller` sends. If it is dropped before its end, the rest goes on in `world` for a while: to nobody.
    pub(super) fn of<W: World>(caller: Incoming, world: &W) -> Self {
        if caller.is_end_stream() {
            return Self { caller: None, pace: Pace::NONE };
        }
        let (pace, world) = (Pace::of(&caller), world.clone());
        let rest: Rest = Box::new(move |caller| world.spawn(throw_away(world.clone(), caller)));
        Self { caller: Some((caller, rest)), pace }
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
            Some((caller, _)) => {
                let frame = ready!(Pin::new(caller).poll_frame(task));
                self.pace.moved();
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some((caller, rest)) = self.caller.take().filter(|(caller, _)| !caller.is_end_stream()) {
            rest(caller);
        }
    }
}

/// Reads the rest of a request that was answered already, so that its caller gets to hear the answer.
async fn throw_away<W: World>(world: W, mut caller: Incoming) {
    let late = world.sleep_until(world.now().after(LINGERING_CLOSE));
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
        () = late => {}
    }
}

/// What comes back through a tunnel.
pub(super) struct ResponseBody<W: World> {
    received: Moving<Received>,
    /// It has broken off, which is said with the next turn.
    broken: Option<BoxError>,
    _lease: Arc<Lease<W>>,
}

impl<W: World> ResponseBody<W> {
    /// `received` through the tunnel of `lease`.
    pub(super) fn of(received: Received, lease: Arc<Lease<W>>) -> Self {
        Self { received: Moving::of(received), broken: None, _lease: lease }
    }
}

impl<W: World> Body for ResponseBody<W> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        match ready!(Pin::new(&mut self.received).poll_frame(task)) {
            // With an error hyper drops what it has not written yet, and that may be the head of the answer: the caller
            // would not even learn that there was one.
            Some(Err(broken)) => {
                self.broken = Some(broken);
                task.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }
}
