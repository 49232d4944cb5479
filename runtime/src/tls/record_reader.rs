//! A stream that is never read past the end of a TLS record.
//!
//! Where a tunnel leaves TLS, the byte behind the last record belongs to the tunnel; a TLS library reads whatever is
//! there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward_write::{forward_flush, forward_write};

/// Bytes before the payload of a record; the last two are its length (RFC 8446 §5.1).
const HEADER: usize = 5;

/// The most bytes read at once: only handshakes are read this way.
const PIECE: usize = 1024;

/// The stream, read record by record if that is wanted.
#[derive(Debug)]
pub(super) struct RecordReader<S> {
    stream: S,
    exact: Option<Position>,
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    header: [u8; HEADER],
    /// Bytes of the header that were read.
    read: usize,
    /// Bytes of the payload that were not.
    left: usize,
}

impl Position {
    /// Bytes that may be read without going past the header, or past the record.
    fn room(&self) -> usize {
        if self.read < HEADER { HEADER - self.read } else { self.left }
    }

    fn pass(&mut self, bytes: &[u8]) {
        if self.read < HEADER {
            self.header[self.read..][..bytes.len()].copy_from_slice(bytes);
            self.read += bytes.len();
            self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        } else {
            self.left -= bytes.len();
        }
        if self.read == HEADER && self.left == 0 {
            self.read = 0;
        }
    }
}

impl<S> RecordReader<S> {
    /// Reads `stream` record by record if `exact`, else as fast as it goes.
    pub(super) fn new(stream: S, exact: bool) -> Self {
        Self { stream, exact: exact.then(Position::default) }
    }

    /// The stream.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream, for good. If it was read exactly, its next byte is the first behind the last record.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordReader<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, exact } = self.get_mut();
        let Some(position) = exact else { return Pin::new(stream).poll_read(task, buf) };
        let mut space = [0; PIECE];
        let room = position.room().min(buf.remaining()).min(PIECE);
        let mut piece = ReadBuf::new(&mut space[..room]);
        ready!(Pin::new(stream).poll_read(task, &mut piece))?;
        buf.put_slice(piece.filled());
        position.pass(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordReader<S> {
    forward_write!(stream);
    forward_flush!(stream);
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn reading_stops_at_the_end_of_each_record() {
        block_on(async {
            let bytes =
                [&b"\x16\x03\x01\x00\x03abc"[..], b"\x14\x03\x03\x00\x00", b"\x17\x03\x03\x00\x01x", b"RPING"].concat();
            let mut records = RecordReader::new(&bytes[..], true);
            let mut seen = Vec::new();
            for expected in [5, 3, 5, 5, 1] {
                let mut space = [0; 100];
                let count = records.read(&mut space).await.unwrap();
                assert_eq!(count, expected);
                seen.extend_from_slice(&space[..count]);
            }
            assert_eq!(seen, bytes[..19]);
            assert_eq!(records.into_inner(), b"RPING");
        });
    }

    #[test]
    fn a_header_may_come_in_pieces() {
        block_on(async {
            let mut records = RecordReader::new(&b"\x16\x03\x01\x00\x02abRPING"[..], true);
            for expected in [1, 1, 1, 1, 1, 1, 1] {
                assert_eq!(records.read(&mut [0]).await.unwrap(), expected);
            }
            assert_eq!(records.into_inner(), b"RPING");
        });
    }
}
