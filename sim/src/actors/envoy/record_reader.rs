//! Reads TLS record by record: since Envoy drops TLS after the handshake, the byte after the last record is the tunnel's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::protocol::Stream;

/// Bytes of a record's type, version and length.
const HEADER: usize = 5;

/// A connection that is never read past the end of a record while `exact`.
pub(in crate::actors) struct TlsRecordReader {
    stream: Stream,
    exact: bool,
    header: Vec<u8>,
    /// Bytes of the record that are not read yet.
    left: usize,
}

impl TlsRecordReader {
    pub(in crate::actors) const fn new(stream: Stream, exact: bool) -> Self {
        Self { stream, exact, header: Vec::new(), left: 0 }
    }

    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    /// From now on reads are not limited to records.
    pub(in crate::actors) const fn read_freely(&mut self) {
        self.exact = false;
    }

    fn track(&mut self, bytes: &[u8]) {
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

impl AsyncRead for TlsRecordReader {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.exact {
            return Pin::new(&mut self.stream).poll_read(task, buf);
        }
        let most = if self.left > 0 { self.left } else { HEADER - self.header.len() };
        let mut space = vec![0; most.min(buf.remaining())];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(task, &mut piece))?;
        self.track(piece.filled());
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsRecordReader {
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
