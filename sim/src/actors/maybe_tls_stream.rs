//! A byte stream inside TLS or not, for peers that write every byte themselves.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::envoy::Stream;

pub(super) enum MaybeTlsStream<S = Stream> {
    /// In the clear.
    Plain(S),
    /// Inside TLS.
    Tls(Box<TlsStream<S>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> MaybeTlsStream<S> {
    /// The same connection in the clear, without a `close_notify`.
    pub(super) fn into_plain(self) -> Self {
        match self {
            Self::Plain(stream) => Self::Plain(stream),
            Self::Tls(tls) => Self::Plain(match *tls {
                TlsStream::Client(tls) => tls.into_inner().0,
                TlsStream::Server(tls) => tls.into_inner().0,
            }),
        }
    }

    /// Reads until the peer closes its side.
    pub(super) async fn read_to_end(&mut self) -> io::Result<()> {
        let mut space = [0; 4096];
        while self.read(&mut space).await? > 0 {}
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(task, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(task, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(task, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(task, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(task),
            Self::Tls(stream) => Pin::new(stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(task),
        }
    }
}
