//! Streams of bytes both ways, each direction with an end of its own: HTTP/2 streams behind an accepted CONNECT, connections that
//! were upgraded, TCP connections. And how two of them are joined.
//!
//! Bytes pass as they were read, and are copied only where the system wants a buffer. What one side does not take is not read from
//! the other, save for an HTTP/2 stream, whose window is kept in one piece of memory meanwhile: a window full of small frames would
//! take a hundred times as much.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use http::Response;

use super::activity::{Activity, BodyActivity};
use super::idle_timeout::IdleTimeout;
use crate::world::World;

/// A stream of bytes both ways. All of it is polled by one task.
pub(crate) trait ByteStream: Send {
    /// The next bytes of the peer, of which there is at least one; none behind its last. Not polled again behind that.
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>>;

    /// Ready once all of `bytes` is taken, which is taken from its front.
    fn poll_send(&mut self, task: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>>;

    /// Ready once what was taken is on its way.
    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that nothing more comes; the peer may go on.
    fn poll_finish(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready if the peer has given up the stream although it had sent its last byte.
    fn poll_lost(&mut self, _task: &mut Context<'_>) -> Poll<io::Error> {
        Poll::Pending
    }

    /// Keeps what the peer sends meanwhile in as little memory as it can.
    fn compact(&mut self, _task: &mut Context<'_>) {}

    /// Gives up both directions, so that the peer does not take it for an orderly end.
    fn reset(&mut self, error: &io::Error);
}

/// Any stream.
pub(crate) type BoxStream = Box<dyn ByteStream>;

/// An extension of the response to a CONNECT or to a request for an upgrade: it is accepted, and this is the stream behind it.
#[derive(Clone)]
pub(crate) struct Joined(Arc<ArrayQueue<BoxStream>>);

impl Joined {
    /// Has whoever sends `response` join its stream with `stream`.
    pub(crate) fn insert<B>(response: &mut Response<B>, stream: impl ByteStream + 'static) {
        let place = ArrayQueue::new(1);
        let _displaced = place.force_push(Box::new(stream) as BoxStream);
        response.extensions_mut().insert(Self(Arc::new(place)));
    }

    /// Takes the stream, if there is one.
    pub(crate) fn take<B>(response: &mut Response<B>) -> Option<BoxStream> {
        let Self(stream) = response.extensions_mut().remove()?;
        stream.pop()
    }
}

/// Copies until both directions have ended, or one has failed, which resets both streams. A `timeout` without a byte in either
/// direction is a failure.
pub(crate) async fn join<W: World>(timeout: &IdleTimeout<W>, mut left: BoxStream, mut right: BoxStream) {
    let activity = Activity::new();
    let open = BodyActivity::begin(&activity);
    let copying = timeout.apply(Arc::clone(&activity), copy(&mut *left, &mut *right, &open)).await;
    if let Some(Err(error)) = copying {
        tracing::debug!(%error, "a stream failed");
        left.reset(&error);
        right.reset(&error);
    }
}

async fn copy(left: &mut dyn ByteStream, right: &mut dyn ByteStream, open: &BodyActivity) -> io::Result<()> {
    let (mut there, mut back) = (Direction::default(), Direction::default());
    poll_fn(|task| {
        if open.has_timed_out() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let there = there.poll_copy(task, left, right, open)?;
        let back = back.poll_copy(task, right, left, open)?;
        if there.is_ready() && back.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// One direction of two streams that are joined.
#[derive(Default)]
struct Direction {
    /// Not sent yet.
    bytes: Bytes,
    stage: Stage,
    /// Sent and not flushed.
    is_unflushed: bool,
}

#[derive(Clone, Copy, Default)]
enum Stage {
    #[default]
    Open,
    /// The last byte came.
    Ending,
    Ended,
}

impl Direction {
    fn poll_copy(
        &mut self,
        task: &mut Context<'_>,
        from: &mut dyn ByteStream,
        to: &mut dyn ByteStream,
        open: &BodyActivity,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.stage {
                Stage::Open if self.bytes.is_empty() => match from.poll_recv(task)? {
                    Poll::Ready(Some(bytes)) => {
                        open.progress();
                        self.bytes = bytes;
                    }
                    Poll::Ready(None) => self.stage = Stage::Ending,
                    Poll::Pending => {
                        if self.is_unflushed {
                            ready!(to.poll_flush(task))?;
                            self.is_unflushed = false;
                        }
                        return Poll::Pending;
                    }
                },
                Stage::Open => {
                    let before = self.bytes.len();
                    let sent = to.poll_send(task, &mut self.bytes)?;
                    if self.bytes.len() < before {
                        open.progress();
                        self.is_unflushed = true;
                    }
                    if sent.is_pending() {
                        from.compact(task);
                        return Poll::Pending;
                    }
                }
                Stage::Ending => {
                    ready!(to.poll_finish(task))?;
                    open.progress();
                    self.stage = Stage::Ended;
                }
                Stage::Ended => {
                    return match from.poll_lost(task) {
                        Poll::Ready(error) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Ready(Ok(())),
                    };
                }
            }
        }
    }
}
