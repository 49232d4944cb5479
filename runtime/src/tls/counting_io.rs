//! A stream that counts what moves through it, below any TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward_write::forward_flush;

/// Bytes that moved, in either direction. Of what TLS holds back nothing shows above it: a record that has come in part, or
/// one that the network has taken in part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteCounts {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// The stream.
#[derive(Debug)]
pub(super) struct CountingIo<S> {
    stream: S,
    moved: ByteCounts,
}

impl<S> CountingIo<S> {
    /// Counts from zero.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, moved: ByteCounts::default() }
    }

    /// What has moved so far.
    pub(super) fn byte_counts(&self) -> ByteCounts {
        self.moved
    }

    /// The stream.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// As [`Self::get_ref`], for good.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountingIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(task, buf))?;
        self.moved.received += (buf.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountingIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.stream).poll_write(task, buf))?;
        self.moved.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.stream).poll_write_vectored(task, bufs))?;
        self.moved.sent += sent as u64;
        Poll::Ready(Ok(sent))
    }

    forward_flush!(stream);
}
