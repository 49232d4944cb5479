//! A stream of which the first bytes are special: some were read already, or late echoes are to be removed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use revtun_core::rping::PingFilter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward_write::{forward_flush, forward_write};

/// Bytes read at once while late echoes may come.
const ECHO_READ: usize = 64;

/// The stream from its first byte of data on. Only the prefix is copied.
#[derive(Debug)]
pub(crate) struct PrefixedIo<S> {
    stream: S,
    /// Read from the stream already, and not returned yet.
    prefix: Bytes,
    /// Present until the first byte that is not part of an echo.
    echoes: Option<PingFilter>,
}

impl<S> PrefixedIo<S> {
    /// Returns `prefix` before what `stream` has.
    pub(crate) fn new(stream: S, prefix: Bytes) -> Self {
        Self { stream, prefix, echoes: None }
    }

    /// Returns what follows the echoes of late pings. `echoes` has seen all that was read so far.
    pub(crate) fn skipping_echoes(stream: S, echoes: PingFilter) -> Self {
        Self { stream, prefix: Bytes::new(), echoes: Some(echoes) }
    }

    /// The inner stream.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefixedIo<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, prefix, echoes } = self.get_mut();
        while let Some(filter) = echoes {
            let mut space = [0; ECHO_READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(task, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Some(data) = filter.feed(bytes).data {
                *prefix = [data.held, &bytes[data.from..]].concat().into();
                *echoes = None;
            }
        }
        if prefix.is_empty() {
            return Pin::new(stream).poll_read(task, buf);
        }
        let count = prefix.len().min(buf.remaining());
        buf.put_slice(&prefix[..count]);
        prefix.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefixedIo<S> {
    forward_write!(stream);
    forward_flush!(stream);
}
