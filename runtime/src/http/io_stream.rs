//! A connection as a stream of bytes both ways.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::byte_stream::ByteStream;
use crate::world::World;

/// The fewest and the most bytes that are read at once from a connection.
const READ: (usize, usize) = (2 * 1024, 128 * 1024);

/// A connection.
pub(crate) struct IoStream<W: World, S> {
    world: W,
    io: S,
    transport: fn(&S) -> Option<&W::Stream>,
    buffer: BytesMut,
    /// How many bytes to read at once: more while that many are there.
    size: usize,
}

impl<W: World, S> IoStream<W, S> {
    /// `transport` is the connection of the network below whatever `io` adds to it, if it is one.
    pub(crate) fn new(world: &W, io: S, transport: fn(&S) -> Option<&W::Stream>) -> Self {
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
        if let Some(transport) = (self.transport)(&self.io) {
            // If the system does not do it, the peer sees an end in place of a reset.
            drop(self.world.reset_on_drop(transport));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    use super::super::byte_stream::{BoxStream, join};
    use super::super::idle_timeout::IdleTimeout;
    use super::*;
    use crate::counter::Counter;
    use crate::world::Tokio;

    async fn tcp() -> (TcpStream, TcpStream) {
        let world = Tokio::begin();
        let listener = world.listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let there = world.connect(world.local_addr(&listener).unwrap()).await.unwrap();
        (there, world.accept(&listener).await.unwrap().0)
    }

    fn of(stream: TcpStream) -> BoxStream {
        Box::new(IoStream::new(&Tokio::begin(), stream, |stream| Some(stream)))
    }

    async fn joined(timeout: Duration, left: BoxStream, right: BoxStream) {
        let timeout = IdleTimeout::new(&Tokio::begin(), timeout, &Arc::<Counter>::default());
        join(&timeout, left, right).await;
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let ((mut left, a), (b, mut right)) = (tcp().await, tcp().await);
        let peers = async {
            left.write_all(b"question").await.unwrap();
            left.shutdown().await.unwrap();
            let mut all = Vec::new();
            right.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"question");
            right.write_all(b"answer").await.unwrap();
            right.shutdown().await.unwrap();
            all.clear();
            left.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"answer");
        };
        tokio::join!(joined(Duration::ZERO, of(a), of(b)), peers);
    }

    #[tokio::test]
    async fn what_fails_on_one_side_is_a_reset_on_the_other() {
        let ((left, a), (b, mut right)) = (tcp().await, tcp().await);
        left.set_zero_linger().unwrap();
        drop(left);
        joined(Duration::ZERO, of(a), of(b)).await;
        assert_eq!(right.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_stream_on_which_nothing_passes_is_reset() {
        let ((mut left, a), (b, mut right)) = (tcp().await, tcp().await);
        joined(Duration::from_millis(40), of(a), of(b)).await;
        for end in [&mut left, &mut right] {
            assert_eq!(end.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }
}
