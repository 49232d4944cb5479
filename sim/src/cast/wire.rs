//! A connection of somebody who writes his bytes himself, inside TLS or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::envoy::Stream;

pub(super) enum Wire<S = Stream> {
    /// In the clear.
    Plain(S),
    /// Inside TLS.
    Inside(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// The same connection in the clear, without a goodbye.
    pub(super) fn leave(self) -> Self {
        match self {
            Self::Plain(stream) => Self::Plain(stream),
            Self::Inside(tls) => Self::Plain(match *tls {
                TlsStream::Client(tls) => tls.into_inner().0,
                TlsStream::Server(tls) => tls.into_inner().0,
            }),
        }
    }

    /// Reads until the other end has said everything.
    pub(super) async fn read_to_nothing(&mut self) -> io::Result<()> {
        let mut space = [0; 4096];
        while self.read(&mut space).await? > 0 {}
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(task, buf),
            Self::Inside(stream) => Pin::new(stream).poll_read(task, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(task, buf),
            Self::Inside(stream) => Pin::new(stream).poll_write(task, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(task),
            Self::Inside(stream) => Pin::new(stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            Self::Inside(stream) => Pin::new(stream).poll_shutdown(task),
        }
    }
}
