//! The bodies of a request and its answer, which keep the lease for as long as either flows.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use revtun_core::responder::retry::{LINGER, LINGER_BYTES};

use crate::still::Pace;
use crate::world::World;

/// A lease as bodies see it: something to let go of in the end.
pub(super) type Held = Arc<dyn Any + Send + Sync>;

/// What takes the rest of a body that nobody wants.
type Rest = Box<dyn FnOnce(Incoming) + Send + Sync>;

/// What a caller sends through a tunnel.
pub(in crate::responder) struct RequestBody {
    caller: Option<(Incoming, Rest)>,
    pace: Pace,
    held: Option<Held>,
}

impl RequestBody {
    /// What `caller` sends. If it is dropped before its end, the rest goes on in `world` for a while: to nobody.
    pub(super) fn of<W: World>(caller: Incoming, world: &W) -> Self {
        if caller.is_end_stream() {
            return Self::none();
        }
        let (pace, world) = (Pace::of(&caller), world.clone());
        let rest: Rest = Box::new(move |caller| world.spawn(throw_away(world.clone(), caller)));
        Self { caller: Some((caller, rest)), pace, held: None }
    }

    /// Nothing.
    pub(super) fn none() -> Self {
        Self { caller: None, pace: Pace::NONE, held: None }
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

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caller = self.caller.as_ref().map(|(caller, _)| caller);
        f.debug_struct("RequestBody").field("caller", &caller).finish_non_exhaustive()
    }
}

/// Reads the rest of a request that was answered already, so that its caller gets to hear the answer.
async fn throw_away<W: World>(world: W, mut caller: Incoming) {
    let late = world.sleep_until(world.now().after(LINGER));
    let read = async {
        let mut left = LINGER_BYTES;
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
#[derive(Debug)]
pub(super) struct ResponseBody {
    service: Incoming,
    pace: Pace,
    /// It has broken off, which is said with the next turn.
    broken: Option<Broken>,
    _held: Held,
}

impl ResponseBody {
    /// The body of an answer that came through the tunnel of `lease`.
    pub(super) fn of(service: Incoming, lease: Held) -> Self {
        Self { pace: Pace::of(&service), service, broken: None, _held: lease }
    }

    fn poll_service(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.pace.is_broken() {
            return Poll::Ready(Some(Err(Broken(None))));
        }
        let frame = ready!(Pin::new(&mut self.service).poll_frame(task));
        self.pace.moved();
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(Broken(Some(error)))),
            // hyper takes a stream that was reset without an error (an Envoy does that when its service breaks off)
            // for a whole one. Only END_STREAM makes it whole.
            None if self.service.is_end_stream() => None,
            None => Some(Err(Broken(None))),
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        match ready!(self.poll_service(task)) {
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
