//! Tunnels in use as ordinary byte streams, for whoever accepts them.
//!
//! The tunnel's task does what the stream does not: it reports signs of life, the responder's GOAWAY and the end, sends our
//! GOAWAY, and closes the stream when the machine closes the tunnel.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use super::command::TunnelCommand;
use super::context::KeepRunning;
use super::first_use::{FirstUse, UseTunnel};
use super::task::TunnelTask;
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::{GoawaySender, TunnelIo};
use crate::world::World;

/// Where tunnels in use go.
pub(super) struct Handover<W: World>(pub(super) mpsc::Sender<(TunnelStream<W>, SocketAddr)>);

impl<W: World> UseTunnel<W> for Handover<W> {
    const OPAQUE: bool = true;

    async fn carry(task: &mut TunnelTask<W, Self>, stream: MaybeTlsStream<W::Stream>, first: FirstUse) -> io::Error {
        let context = Arc::clone(&task.context);
        let (io, mut notices, goaway) = TunnelIo::accepted(&context.world, stream, first.protocol, first.prefix);
        let mut goaway = Some(goaway);
        if first.draining {
            send_once(&mut goaway);
        }
        // Dropped with this future: when the machine closes the tunnel.
        let (_reading, read_closed) = oneshot::channel();
        let (_writing, write_closed) = oneshot::channel();
        let (alive, mut dropped) = oneshot::channel();
        let stream = TunnelStream {
            io: Some(io),
            read_closed: Closed(Some(read_closed)),
            write_closed: Closed(Some(write_closed)),
            initiator: None,
            _alive: alive,
        };
        let mut room = pin!(context.service.0.reserve());
        loop {
            tokio::select! {
                biased;
                command = task.next_command() => apply(command, &mut goaway),
                room = room.as_mut() => match room {
                    Ok(room) => break room.send((stream, first.peer)),
                    Err(_) => return io::Error::other("the listener was dropped"),
                },
            }
        }
        loop {
            tokio::select! {
                biased;
                command = task.next_command() => apply(command, &mut goaway),
                Some(notice) = notices.recv() => task.report_notice(notice).await,
                _ = &mut dropped => {
                    task.report_notices(&mut notices).await;
                    return io::Error::other("its server closed the stream");
                }
            }
        }
    }
}

fn apply(command: TunnelCommand, goaway: &mut Option<GoawaySender>) {
    match command {
        TunnelCommand::Goaway => send_once(goaway),
        TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
    }
}

fn send_once(goaway: &mut Option<GoawaySender>) {
    if let Some(goaway) = goaway.take() {
        goaway.send();
    }
}

/// One tunnel in use, as a byte stream from its first byte on.
///
/// Whatever can serve a TCP connection can serve it; what is spoken is the responder's choice, and is HTTP/2 unless an Envoy was
/// configured otherwise. Dropped, it closes the tunnel, and the initiator dials another one.
///
/// The initiator closes it too, for instance at the end of a drain: then reads and writes fail with
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted). Before, over HTTP/2, it puts a GOAWAY between two frames of its server,
/// so that the responder begins no more requests; other protocols have no such thing.
pub struct TunnelStream<W: World> {
    /// None once the tunnel is closed.
    io: Option<TunnelIo<W, W::Stream>>,
    read_closed: Closed,
    write_closed: Closed,
    initiator: Option<KeepRunning>,
    _alive: oneshot::Sender<Infallible>,
}

impl<W: World> TunnelStream<W> {
    /// From now on the initiator runs for as long as the stream is open.
    pub(crate) fn keep(mut self, initiator: KeepRunning) -> Self {
        self.initiator = Some(initiator);
        self
    }

    /// The stream for a read, unless the tunnel is closed.
    fn reading(&mut self, task: &mut Context<'_>) -> io::Result<Pin<&mut TunnelIo<W, W::Stream>>> {
        Self::open(&mut self.io, &mut self.read_closed, task)
    }

    /// The stream for a write, unless the tunnel is closed.
    fn writing(&mut self, task: &mut Context<'_>) -> io::Result<Pin<&mut TunnelIo<W, W::Stream>>> {
        Self::open(&mut self.io, &mut self.write_closed, task)
    }

    fn open<'a>(
        io: &'a mut Option<TunnelIo<W, W::Stream>>,
        closed: &mut Closed,
        task: &mut Context<'_>,
    ) -> io::Result<Pin<&'a mut TunnelIo<W, W::Stream>>> {
        if closed.poll(task).is_ready() {
            *io = None;
        }
        let closed = || io::Error::new(io::ErrorKind::ConnectionAborted, "the initiator closed the tunnel");
        io.as_mut().map(Pin::new).ok_or_else(closed)
    }
}

impl<W: World> AsyncRead for TunnelStream<W> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().reading(task)?.poll_read(task, buf)
    }
}

impl<W: World> AsyncWrite for TunnelStream<W> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().writing(task)?.poll_write(task, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().writing(task)?.poll_write_vectored(task, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().writing(task)?.poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().writing(task)?.poll_shutdown(task)
    }
}

/// Whether the machine has closed the tunnel. Reads and writes have one each, since it wakes only whoever polled it last.
struct Closed(Option<oneshot::Receiver<Infallible>>);

impl Closed {
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<()> {
        if let Some(closed) = &mut self.0 {
            let _always_an_error = ready!(Pin::new(closed).poll(task));
            self.0 = None;
        }
        Poll::Ready(())
    }
}
