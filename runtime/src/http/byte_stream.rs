//! Streams of bytes both ways, each direction with an end of its own: HTTP/2 streams behind an accepted CONNECT, connections that
//! were upgraded, TCP connections. And how two of them are joined.
//!
//! Bytes pass as they were read, and are copied only where the system wants a buffer. What one side does not take is not read from
//! the other, save for an HTTP/2 stream, whose window is kept in one piece of memory meanwhile: a window full of small frames would
//! take a hundred times as much.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use http::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::activity::{Activity, BodyActivity};
use super::h2_body::poll_send_capacity;
use super::idle_timeout::IdleTimeout;
use crate::sync::Mutex;
use crate::world::World;

/// The fewest and the most bytes that are read at once from a connection.
const READ: (usize, usize) = (2 * 1024, 128 * 1024);

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
pub(crate) struct Joined(Arc<Mutex<Option<BoxStream>>>);

impl Joined {
    /// Has whoever sends `response` join its stream with `stream`.
    pub(crate) fn insert<B>(response: &mut Response<B>, stream: impl ByteStream + 'static) {
        response.extensions_mut().insert(Self(Arc::new(Mutex::new(Some(Box::new(stream))))));
    }

    /// Takes the stream, if there is one.
    pub(crate) fn take<B>(response: &mut Response<B>) -> Option<BoxStream> {
        let Self(stream) = response.extensions_mut().remove()?;
        stream.lock().unwrap_or_else(PoisonError::into_inner).take()
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

/// An HTTP/2 stream behind its heads. Dropped, it is reset unless it has ended.
pub(crate) struct Http2Stream<G> {
    recv: RecvStream,
    send: SendStream<Bytes>,
    /// Received, and not taken yet; it still counts in the window.
    held: BytesMut,
    end: Option<io::Result<()>>,
    /// What the stream keeps for as long as it lives.
    _guard: G,
}

impl<G> Http2Stream<G> {
    pub(crate) fn new(recv: RecvStream, send: SendStream<Bytes>, guard: G) -> Self {
        Self { recv, send, held: BytesMut::new(), end: None, _guard: guard }
    }

    /// What comes next on the stream, whose bytes still count in the window.
    fn poll_data(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        Poll::Ready(match ready!(self.recv.poll_data(task)) {
            Some(Ok(data)) => Ok(Some(data)),
            Some(Err(error)) => Err(failed(error)),
            // Trailers mean nothing here, and end it as well.
            None if self.recv.is_end_stream() || ready!(self.recv.poll_trailers(task)).is_ok() => Ok(None),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        })
    }

    /// The peer may send as much again.
    fn release(&mut self, bytes: usize) -> io::Result<()> {
        self.recv.flow_control().release_capacity(bytes).map_err(failed)
    }
}

impl<G: Send> ByteStream for Http2Stream<G> {
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.held.is_empty() {
            let held = self.held.split().freeze();
            self.release(held.len())?;
            return Poll::Ready(Ok(Some(held)));
        }
        if let Some(end) = self.end.take() {
            return Poll::Ready(end.map(|()| None));
        }
        loop {
            match ready!(self.poll_data(task))? {
                Some(data) if data.is_empty() => {}
                Some(data) => {
                    self.release(data.len())?;
                    return Poll::Ready(Ok(Some(data)));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn poll_send(&mut self, task: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>> {
        if let Poll::Ready(reason) = self.send.poll_reset(task) {
            return Poll::Ready(Err(lost(reason)));
        }
        if ready!(poll_send_capacity(bytes.len(), &mut self.send, task)).is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(self.send.send_data(std::mem::take(bytes), false).map_err(failed))
    }

    fn poll_flush(&mut self, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The task of the connection writes by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(failed))
    }

    fn poll_lost(&mut self, task: &mut Context<'_>) -> Poll<io::Error> {
        self.send.poll_reset(task).map(lost)
    }

    fn compact(&mut self, task: &mut Context<'_>) {
        while self.end.is_none() {
            match self.poll_data(task) {
                Poll::Ready(Ok(Some(data))) => self.held.extend_from_slice(&data),
                Poll::Ready(end) => self.end = Some(end.map(|_| ())),
                Poll::Pending => return,
            }
        }
    }

    fn reset(&mut self, error: &io::Error) {
        self.send.send_reset(match error.kind() {
            io::ErrorKind::TimedOut => Reason::CANCEL,
            // RFC 9113 §8.5, unless the failure is one of HTTP/2 already.
            _ => reason_of(error).unwrap_or(Reason::CONNECT_ERROR),
        });
    }
}

fn reason_of(error: &io::Error) -> Option<Reason> {
    error.get_ref()?.downcast_ref::<h2::Error>()?.reason()
}

fn failed(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

fn lost(reason: Result<Reason, h2::Error>) -> io::Error {
    failed(reason.map_or_else(|error| error, h2::Error::from))
}

/// A connection.
pub(crate) struct IoStream<W: World, S> {
    world: W,
    io: S,
    transport: fn(&S) -> &W::Stream,
    buffer: BytesMut,
    /// How many bytes to read at once: more while that many are there.
    size: usize,
}

impl<W: World, S> IoStream<W, S> {
    /// `transport` is the connection below whatever `io` adds to it.
    pub(crate) fn new(world: &W, io: S, transport: fn(&S) -> &W::Stream) -> Self {
        Self { world: world.clone(), io, transport, buffer: BytesMut::new(), size: READ.0 }
    }
}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for IoStream<W, S> {
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.buffer.reserve(self.size);
        let read = ready!(pin!(self.io.read_buf(&mut self.buffer)).poll(task))?;
        self.size = match read {
            0 => return Poll::Ready(Ok(None)),
            full if full >= self.size => (2 * full).clamp(READ.0, READ.1),
            few if few < self.size / 4 => (self.size / 2).max(READ.0),
            _ => self.size,
        };
        Poll::Ready(Ok(Some(self.buffer.split().freeze())))
    }

    fn poll_send(&mut self, task: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>> {
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(task, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => bytes.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_finish(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }

    fn reset(&mut self, _error: &io::Error) {
        // If the system does not do it, the peer sees an end in place of a reset.
        drop(self.world.reset_when_closed((self.transport)(&self.io)));
    }
}

#[cfg(test)]
mod tests;
