//! The body of an answer, which keeps the lease for as long as it flows.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use revtun_core::responder::retry::{LINGER, LINGER_BYTES};

use crate::responder::lease::Lease;
use crate::still::Pace;
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
pub(super) struct ResponseBody<W: World> {
    stream: RecvStream,
    /// Bytes that are still to come, if the answer said how many.
    left: Option<u64>,
    pace: Pace,
    /// It has broken off, which is said with the next turn.
    broken: Option<Broken>,
    _lease: Arc<Lease<W>>,
}

impl<W: World> ResponseBody<W> {
    /// The body of an answer with `headers` that came through the tunnel of `lease`.
    pub(super) fn of(stream: RecvStream, headers: &HeaderMap, lease: Arc<Lease<W>>) -> Self {
        let left = if stream.is_end_stream() { Some(0) } else { announced(headers) };
        let mut body = Self { stream, left, pace: Pace::NONE, broken: None, _lease: lease };
        body.pace = Pace::of(&body);
        body
    }

    fn poll_stream(&mut self, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.pace.is_broken() {
            return Poll::Ready(Some(Err(Broken(None))));
        }
        if let Some(data) = ready!(self.stream.poll_data(task)?) {
            self.pace.moved();
            // The caller has room for it: the next may come.
            self.stream.flow_control().release_capacity(data.len())?;
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(task)?) {
            Some(trailers) => Some(Ok(Frame::trailers(trailers))),
            // Only END_STREAM makes an answer whole.
            None if self.stream.is_end_stream() => None,
            None => Some(Err(Broken(None))),
        })
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl<W: World> Body for ResponseBody<W> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        match ready!(self.poll_stream(task)) {
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
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An answer broke off; so must the caller's.
#[derive(Debug)]
pub(super) struct Broken(Option<h2::Error>);

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        // An Envoy whose service breaks off resets the stream without an error. Passed on to a caller, that would make the
        // answer a whole one.
        Self(Some(error).filter(|error| error.reason() != Some(Reason::NO_ERROR)))
    }
}

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
