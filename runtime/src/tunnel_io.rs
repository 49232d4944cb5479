//! The byte stream of a tunnel in use, at either end.
//!
//! ```text
//!   stream ──▶ late echoes taken out ──▶ frames watched ──▶ HTTP        Notice::{Heard, GoawayReceived}
//!   stream ◀──────────── a GOAWAY put in between two frames ◀── HTTP    GoawayOrder::give
//! ```
//!
//! It adds what the HTTP libraries cannot: a client of theirs never sends GOAWAY, and neither end tells when a
//! byte or a GOAWAY came. Payloads are passed through untouched and uncopied.
//!
//! Where a slow path is full of data, a PING waits behind it for longer than a tunnel may be silent. So it is a sign of
//! life as well when a path that was full takes more: the peer has acknowledged something.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use revtun_core::h2frame::{FrameScanner, GOAWAY_NO_ERROR};
use revtun_core::initiator::{self, Protocol};
use revtun_core::rping::PingFilter;
use revtun_core::{Instant, responder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::behind::Behind;
use crate::tls::{ByteCounts, MaybeTlsStream};
use crate::world::World;

/// Notices that wait for the tunnel's task: one `Heard`, and room that only `GoawayReceived` takes.
const NOTICES: usize = 2;

/// What a tunnel's stream noticed, for the task that reports to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// At least one byte came, or was taken by the peer after a time in which none could be sent. At most once every
    /// `HEARD_GRANULARITY` of the machine.
    Heard,
    /// The peer sent an HTTP/2 GOAWAY. Once.
    GoawayReceived,
}

/// Puts one GOAWAY into what is sent. Dropped, it does nothing.
#[derive(Debug)]
pub struct GoawayOrder(oneshot::Sender<()>);

impl GoawayOrder {
    /// Sends GOAWAY (last stream 0, no error) as soon as no frame is under way.
    pub fn give(self) {
        // A stream that is gone already needs no GOAWAY.
        let _ = self.0.send(());
    }
}

/// The stream. Reading and writing must be polled by one task, as the HTTP libraries do.
#[derive(Debug)]
pub struct TunnelIo<W, S> {
    world: W,
    stream: Behind<MaybeTlsStream<S>>,
    inbound: Inbound,
    outbound: Option<Outbound>,
    /// The last that was to be sent found no room.
    full: bool,
    /// What had moved by then, below TLS.
    moved: ByteCounts,
}

impl<W: World, S> TunnelIo<W, S> {
    /// The initiator's end: serves `protocol`; `first` are the bytes that gave it away, read before.
    pub fn serving(
        world: &W,
        stream: MaybeTlsStream<S>,
        protocol: Protocol,
        first: Bytes,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let scanner = match protocol {
            Protocol::Http2 => Some(FrameScanner::client()),
            Protocol::Http1 => None,
        };
        let (inbound, notices) = Inbound::new(initiator::HEARD_GRANULARITY, scanner);
        let moved = stream.byte_counts();
        let stream = Behind::replaying(stream, first);
        (Self { world: world.clone(), stream, inbound, outbound: None, full: false, moved }, notices)
    }

    /// The responder's end: sends HTTP/2 requests. `echoes` has seen all that was read so far; echoes of late pings
    /// are still taken out.
    pub fn requesting(
        world: &W,
        stream: MaybeTlsStream<S>,
        echoes: PingFilter,
    ) -> (Self, mpsc::Receiver<Notice>, GoawayOrder) {
        let scanner = Some(FrameScanner::server());
        let (inbound, notices) = Inbound::new(responder::HEARD_GRANULARITY, scanner);
        let moved = stream.byte_counts();
        let stream = Behind::past(stream, echoes);
        let (order, ordered) = oneshot::channel();
        let outbound = Some(Outbound { scanner: FrameScanner::client(), goaway: Goaway::Awaited(ordered) });
        (Self { world: world.clone(), stream, inbound, outbound, full: false, moved }, notices, GoawayOrder(order))
    }
}

impl<W: World, S> TunnelIo<W, S> {
    /// Sends something by `send`, and listens for whether the peer takes it.
    fn sending<T>(
        &mut self,
        send: impl FnOnce(&mut Behind<MaybeTlsStream<S>>, Option<&mut Outbound>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let sent = send(&mut self.stream, self.outbound.as_mut());
        self.listen();
        self.full = sent.is_pending();
        sent
    }

    /// Takes note of signs of life below TLS, which holds back what has come or gone in part. That bytes are taken says
    /// nothing of the peer unless the path was full before.
    fn listen(&mut self) {
        let before = std::mem::replace(&mut self.moved, self.stream.get_ref().byte_counts());
        let taken = self.full && self.moved.sent != before.sent;
        if taken || self.moved.received != before.received {
            self.inbound.hear(|| self.world.now());
        }
    }
}

/// Nothing in here is pinned; a stream that must be is pinned by its owner.
impl<W, S: Unpin> Unpin for TunnelIo<W, S> {}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TunnelIo<W, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.listen();
        ready!(read)?;
        this.inbound.watch(&buf.filled()[before..], || this.world.now());
        Poll::Ready(Ok(()))
    }
}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TunnelIo<W, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().sending(|stream, outbound| {
            let Some(outbound) = outbound else { return Pin::new(stream).poll_write(cx, buf) };
            ready!(outbound.poll_goaway(cx, stream))?;
            outbound.poll_write(cx, stream, buf)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().sending(|stream, outbound| {
            let Some(outbound) = outbound else { return Pin::new(stream).poll_write_vectored(cx, bufs) };
            ready!(outbound.poll_goaway(cx, stream))?;
            outbound.poll_write_vectored(cx, stream, bufs)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().sending(|stream, outbound| {
            if let Some(outbound) = outbound {
                ready!(outbound.poll_goaway(cx, stream))?;
            }
            Pin::new(stream).poll_flush(cx)
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[derive(Debug)]
struct Inbound {
    /// Present while a GOAWAY may come.
    scanner: Option<FrameScanner>,
    heard: Option<Instant>,
    granularity: Duration,
    notices: mpsc::Sender<Notice>,
}

impl Inbound {
    fn new(granularity: Duration, scanner: Option<FrameScanner>) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, noticed) = mpsc::channel(NOTICES);
        (Self { scanner, heard: None, granularity, notices }, noticed)
    }

    fn watch(&mut self, bytes: &[u8], now: impl Fn() -> Instant) {
        if bytes.is_empty() {
            return;
        }
        self.hear(now);
        if self.scanner.as_mut().is_some_and(|scanner| scanner.scan(bytes).goaways > 0) {
            self.scanner = None;
            // Only a tunnel whose task is gone has no room, and nobody to tell.
            let _ = self.notices.try_send(Notice::GoawayReceived);
        }
    }

    fn hear(&mut self, now: impl Fn() -> Instant) {
        let now = now();
        let fresh = self.heard.is_some_and(|heard| now.since(heard) < self.granularity);
        if !fresh && self.notices.capacity() > 1 {
            self.heard = Some(now);
            let _ = self.notices.try_send(Notice::Heard);
        }
    }
}

#[derive(Debug)]
struct Outbound {
    scanner: FrameScanner,
    goaway: Goaway,
}

#[derive(Debug)]
enum Goaway {
    /// Not ordered so far.
    Awaited(oneshot::Receiver<()>),
    /// Ordered; these bytes of it are to be written, and nothing else once the first is.
    Owed(&'static [u8]),
    /// Written, or nobody is left to order it.
    Done,
}

impl Outbound {
    /// Writes the GOAWAY if it is due and may stand here. Ready once other bytes may follow.
    fn poll_goaway<S: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<io::Result<()>> {
        if let Goaway::Awaited(order) = &mut self.goaway {
            match Pin::new(order).poll(cx) {
                Poll::Ready(Ok(())) => self.goaway = Goaway::Owed(&GOAWAY_NO_ERROR),
                Poll::Ready(Err(_)) => self.goaway = Goaway::Done,
                Poll::Pending => {}
            }
        }
        if !self.scanner.at_boundary() {
            return Poll::Ready(Ok(()));
        }
        while let Goaway::Owed(bytes) = &mut self.goaway {
            match ready!(Pin::new(&mut *stream).poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *bytes = &bytes[written..],
            }
            if bytes.is_empty() {
                self.goaway = Goaway::Done;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes at most up to the place where an owed GOAWAY may stand.
    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let end = match self.goaway {
            Goaway::Owed(_) => self.scanner.first_boundary(buf).unwrap_or(buf.len()),
            Goaway::Awaited(_) | Goaway::Done => buf.len(),
        };
        let written = ready!(Pin::new(stream).poll_write(cx, &buf[..end]))?;
        self.scanner.scan(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Goaway::Owed(_) = self.goaway {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, stream, first);
        }
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let count = buf.len().min(left);
            self.scanner.scan(&buf[..count]);
            left -= count;
        }
        Poll::Ready(Ok(written))
    }
}
