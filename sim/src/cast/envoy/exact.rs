//! Reads TLS record by record: the byte behind the last one is the tunnel's, since an Envoy takes TLS off behind the handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;

/// Type, version and length of a record.
const HEADER: usize = 5;

/// A connection that is never read past the end of a record, if it is `exact`.
pub(in crate::cast) struct Exact {
    stream: Stream,
    exact: bool,
    header: Vec<u8>,
    /// Bytes of the record that are to come.
    left: usize,
}

impl Exact {
    pub(in crate::cast) const fn new(stream: Stream, exact: bool) -> Self {
        Self { stream, exact, header: Vec::new(), left: 0 }
    }

    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    /// There are no more records.
    pub(in crate::cast) const fn read_freely(&mut self) {
        self.exact = false;
    }

    fn pass(&mut self, bytes: &[u8]) {
        if self.left > 0 {
            self.left -= bytes.len();
            return;
        }
        self.header.extend_from_slice(bytes);
        if let [_, _, _, high, low] = self.header[..] {
            self.left = usize::from(u16::from_be_bytes([high, low]));
            self.header.clear();
        }
    }
}

impl AsyncRead for Exact {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.exact {
            return Pin::new(&mut self.stream).poll_read(task, buf);
        }
        let most = if self.left > 0 { self.left } else { HEADER - self.header.len() };
        let mut space = vec![0; most.min(buf.remaining())];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(task, &mut piece))?;
        self.pass(piece.filled());
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Exact {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
