//! A tunnel that speaks HTTP/1.1: the network notices when its peer is gone.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use revtun_core::keep_alive::AckLimit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward_write::forward_shutdown;
use crate::tunnel_io::TunnelIo;
use crate::world::World;

/// The stream. Its limit follows [`AckLimit`].
pub(super) struct AckLimitIo<W: World> {
    world: W,
    io: TunnelIo<W, W::Stream>,
    limit: AckLimit,
    timeout: Duration,
}

impl<W: World> AckLimitIo<W> {
    /// Has the network probe the peer of `io` every `interval` while nothing comes, and give it up when it has answered or
    /// acknowledged nothing for `timeout`.
    pub(super) fn new(
        world: &W,
        io: TunnelIo<W, W::Stream>,
        interval: Duration,
        timeout: Duration,
    ) -> io::Result<Self> {
        world.keep_alive(io.transport(), interval, timeout)?;
        world.limit_unacknowledged(io.transport(), Some(timeout))?;
        Ok(Self { world: world.clone(), io, limit: AckLimit::default(), timeout })
    }

    /// The connection below everything.
    pub(super) fn transport(&self) -> &W::Stream {
        self.io.transport()
    }

    fn written<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_pending() && self.limit.write_blocked() {
            self.world.limit_unacknowledged(self.io.transport(), None)?;
        }
        written
    }
}

impl<W: World> AsyncRead for AckLimitIo<W> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(task, buf);
        if buf.filled().len() > before && this.limit.received() {
            this.world.limit_unacknowledged(this.io.transport(), Some(this.timeout))?;
        }
        read
    }
}

impl<W: World> AsyncWrite for AckLimitIo<W> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(task, buf);
        this.written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(task, bufs);
        this.written(written)
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(task);
        this.written(flushed)
    }

    forward_shutdown!(io);
}
