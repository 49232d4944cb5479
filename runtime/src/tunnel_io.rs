//! The byte stream of a tunnel in use, at either end.
//!
//! ```text
//!   stream ──▶ late echoes removed ──▶ frames scanned ──▶ HTTP        Notice::{Heard, GoawayReceived}
//!   stream ◀────────── GOAWAY inserted between two frames ◀── HTTP    GoawaySender::send
//! ```
//!
//! It adds what the HTTP libraries lack: their clients never send GOAWAY, and neither end reports that a byte or a GOAWAY
//! came. Payloads are neither changed nor copied.
//!
//! On a slow path that is full of data, a PING waits behind it for longer than a tunnel may be silent. So it is a sign of
//! life as well when a full path takes more bytes: the peer has acknowledged some.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use revtun_core::h2frame::{FrameScanner, GOAWAY_NO_ERROR, GOAWAY_SERVER};
use revtun_core::initiator::{self, Protocol};
use revtun_core::rping::PingFilter;
use revtun_core::{Instant, responder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::forward_write::forward_shutdown;
use crate::http::PeerLimits;
use crate::prefixed_io::PrefixedIo;
use crate::tls::{ByteCounts, MaybeTlsStream};
use crate::world::World;

/// The capacity for notices: one `Heard`, and a place that only `GoawayReceived` takes.
const NOTICES: usize = 2;

/// What the stream of a tunnel noticed, for the task that reports to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// At least one byte came, or was acknowledged by the peer while the path was full. At most once per `HEARD_GRANULARITY` of
    /// the machine.
    Heard,
    /// The peer sent an HTTP/2 GOAWAY. Once.
    GoawayReceived,
}

/// Inserts one GOAWAY into what is sent. Dropped, it does nothing.
#[derive(Debug)]
pub struct GoawaySender(oneshot::Sender<()>);

impl GoawaySender {
    /// Sends GOAWAY (NO_ERROR) as soon as the current frame is complete.
    pub fn send(self) {
        // An error means that the stream was dropped already.
        let _ = self.0.send(());
    }
}

/// The stream. Reads and writes must be polled by the same task, as the HTTP libraries do.
#[derive(Debug)]
pub struct TunnelIo<W, S> {
    world: W,
    stream: PrefixedIo<MaybeTlsStream<S>>,
    inbound: Inbound,
    outbound: Option<Outbound>,
    /// The last write was pending.
    write_blocked: bool,
    /// How many bytes had been transferred by then, below TLS.
    transferred: ByteCounts,
}

impl<W: World, S> TunnelIo<W, S> {
    /// The initiator's end: serves `protocol`; `prefix` are the bytes by which it was detected, read before.
    pub fn serving(
        world: &W,
        stream: MaybeTlsStream<S>,
        protocol: Protocol,
        prefix: Bytes,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let scanner = match protocol {
            Protocol::Http2 => Some(FrameScanner::client()),
            Protocol::Http1 => None,
        };
        let (inbound, notices) = Inbound::new(initiator::HEARD_GRANULARITY, scanner);
        let transferred = stream.byte_counts();
        let stream = PrefixedIo::new(stream, prefix);
        (Self { world: world.clone(), stream, inbound, outbound: None, write_blocked: false, transferred }, notices)
    }

    /// The initiator's end, for a server that is not ours: as [`Self::serving`], and over HTTP/2 a GOAWAY can be inserted behind
    /// which the responder begins no more requests.
    pub fn accepted(
        world: &W,
        stream: MaybeTlsStream<S>,
        protocol: Protocol,
        prefix: Bytes,
    ) -> (Self, mpsc::Receiver<Notice>, GoawaySender) {
        let (mut io, notices) = Self::serving(world, stream, protocol, prefix);
        let (sender, requested) = oneshot::channel();
        io.outbound = match protocol {
            Protocol::Http2 => Some(Outbound {
                scanner: FrameScanner::server(),
                goaway: Goaway::NotRequested(requested),
                frame: &GOAWAY_SERVER,
            }),
            Protocol::Http1 => None,
        };
        (io, notices, GoawaySender(sender))
    }

    /// The responder's end: sends HTTP/2 requests. `echoes` has seen all that was read so far; echoes of late pings
    /// are still removed.
    pub fn requesting(
        world: &W,
        stream: MaybeTlsStream<S>,
        echoes: PingFilter,
    ) -> (Self, mpsc::Receiver<Notice>, GoawaySender) {
        let scanner = Some(FrameScanner::server());
        let (inbound, notices) = Inbound::new(responder::HEARD_GRANULARITY, scanner);
        let transferred = stream.byte_counts();
        let stream = PrefixedIo::skipping_echoes(stream, echoes);
        let (sender, requested) = oneshot::channel();
        let outbound = Some(Outbound {
            scanner: FrameScanner::client(),
            goaway: Goaway::NotRequested(requested),
            frame: &GOAWAY_NO_ERROR,
        });
        (
            Self { world: world.clone(), stream, inbound, outbound, write_blocked: false, transferred },
            notices,
            GoawaySender(sender),
        )
    }
}

impl<W: World, S> TunnelIo<W, S> {
    /// The connection below everything.
    pub(crate) fn transport(&self) -> &S {
        self.stream.get_ref().transport()
    }

    /// The limits that the peer announces on this stream.
    pub(crate) fn peer_limits(&self) -> Arc<PeerLimits> {
        Arc::clone(&self.inbound.peer)
    }

    /// Writes by `write`, and notes signs of life.
    fn write_with<T>(
        &mut self,
        write: impl FnOnce(&mut PrefixedIo<MaybeTlsStream<S>>, Option<&mut Outbound>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = write(&mut self.stream, self.outbound.as_mut());
        self.note_transfer();
        self.write_blocked = written.is_pending();
        written
    }

    /// Notes signs of life below TLS, which buffers incomplete records; returns whether there were any. That bytes were sent says nothing about the peer unless
    /// the path was full before.
    fn note_transfer(&mut self) -> bool {
        let before = std::mem::replace(&mut self.transferred, self.stream.get_ref().byte_counts());
        let acknowledged = self.write_blocked && self.transferred.sent != before.sent;
        let alive = acknowledged || self.transferred.received != before.received;
        if alive {
            self.inbound.hear(|| self.world.now());
        }
        alive
    }
}

/// Nothing in here is pinned structurally.
impl<W, S: Unpin> Unpin for TunnelIo<W, S> {}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TunnelIo<W, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let is_noted = this.note_transfer();
        ready!(read)?;
        let bytes = &buf.filled()[before..];
        // Read before it came here, or out of a record that was.
        if !is_noted && !bytes.is_empty() {
            this.inbound.hear(|| this.world.now());
        }
        this.inbound.scan(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<W: World, S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TunnelIo<W, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write_with(|stream, outbound| {
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
        self.get_mut().write_with(|stream, outbound| {
            let Some(outbound) = outbound else { return Pin::new(stream).poll_write_vectored(cx, bufs) };
            ready!(outbound.poll_goaway(cx, stream))?;
            outbound.poll_write_vectored(cx, stream, bufs)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write_with(|stream, outbound| {
            if let Some(outbound) = outbound {
                ready!(outbound.poll_goaway(cx, stream))?;
            }
            Pin::new(stream).poll_flush(cx)
        })
    }

    forward_shutdown!(stream);
}

#[derive(Debug)]
struct Inbound {
    /// Present until a GOAWAY came.
    scanner: Option<FrameScanner>,
    peer: Arc<PeerLimits>,
    heard: Option<Instant>,
    granularity: Duration,
    notices: mpsc::Sender<Notice>,
}

impl Inbound {
    fn new(granularity: Duration, scanner: Option<FrameScanner>) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, noticed) = mpsc::channel(NOTICES);
        (Self { scanner, peer: Arc::default(), heard: None, granularity, notices }, noticed)
    }

    fn scan(&mut self, bytes: &[u8]) {
        let Some(scanner) = &mut self.scanner else { return };
        let scanned = scanner.scan(bytes);
        if let Some(max) = scanned.max_header_list_bytes {
            self.peer.set_header_list_bytes(max);
        }
        if let Some(enabled) = scanned.extended_connect {
            self.peer.set_extended_connect(enabled);
        }
        if let Some(max) = scanned.max_concurrent_streams {
            self.peer.set_max_streams(max);
        } else if scanned.settings() {
            self.peer.settings_received();
        }
        if scanned.goaways > 0 {
            self.scanner = None;
            // There is a place for it, unless the tunnel's task is gone.
            let _ = self.notices.try_send(Notice::GoawayReceived);
        }
    }

    fn hear(&mut self, now: impl Fn() -> Instant) {
        let now = now();
        let recent = self.heard.is_some_and(|heard| now.since(heard) < self.granularity);
        if !recent && self.notices.capacity() > 1 {
            self.heard = Some(now);
            let _ = self.notices.try_send(Notice::Heard);
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.peer.close();
    }
}

#[derive(Debug)]
struct Outbound {
    scanner: FrameScanner,
    goaway: Goaway,
    /// The GOAWAY to insert.
    frame: &'static [u8],
}

#[derive(Debug)]
enum Goaway {
    /// Not requested so far.
    NotRequested(oneshot::Receiver<()>),
    /// Requested: these bytes are still to be written, and nothing in between once the first is.
    Due(&'static [u8]),
    /// Written, or the sender was dropped.
    Done,
}

impl Outbound {
    /// Writes the GOAWAY if it is due and no frame is incomplete. Ready once other bytes may follow.
    fn poll_goaway<S: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<io::Result<()>> {
        if let Goaway::NotRequested(request) = &mut self.goaway {
            match Pin::new(request).poll(cx) {
                Poll::Ready(Ok(())) => self.goaway = Goaway::Due(self.frame),
                Poll::Ready(Err(_)) => self.goaway = Goaway::Done,
                Poll::Pending => {}
            }
        }
        if !self.scanner.at_boundary() {
            return Poll::Ready(Ok(()));
        }
        while let Goaway::Due(bytes) = &mut self.goaway {
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

    /// Writes at most up to the end of the frame if a GOAWAY is due.
    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let end = match self.goaway {
            Goaway::Due(_) => self.scanner.first_boundary(buf).unwrap_or(buf.len()),
            Goaway::NotRequested(_) | Goaway::Done => buf.len(),
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
        if let Goaway::Due(_) = self.goaway {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, stream, first);
        }
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, bufs))?;
        let mut remaining = written;
        for buf in bufs {
            let count = buf.len().min(remaining);
            self.scanner.scan(&buf[..count]);
            remaining -= count;
        }
        Poll::Ready(Ok(written))
    }
}
