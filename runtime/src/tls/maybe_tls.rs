//! A connection, in the clear or inside TLS.

use std::io::{self, BufRead, IoSlice, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::CommonState;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::counting_io::{ByteCounts, CountingIo};
use super::record_reader::RecordReader;
use crate::prefixed_io::PrefixedIo;

/// The connection. TLS is in a box: most tunnels of a big deployment are idle, and not all are inside TLS.
#[derive(Debug)]
pub struct MaybeTlsStream<S>(Kind<S>);

#[derive(Debug)]
enum Kind<S> {
    Plain(CountingIo<S>),
    Tls(Box<TlsStream<CountingIo<RecordReader<S>>>>),
    /// Inside a tunnel that left TLS behind the handshake.
    Inner(Box<TlsStream<CountingIo<PrefixedIo<S>>>>),
}

impl<S> MaybeTlsStream<S> {
    /// In the clear.
    pub fn plain(stream: S) -> Self {
        Self(Kind::Plain(CountingIo::new(stream)))
    }

    pub(super) fn tls(stream: impl Into<TlsStream<CountingIo<RecordReader<S>>>>) -> Self {
        Self(Kind::Tls(Box::new(stream.into())))
    }

    pub(super) fn inner(stream: impl Into<TlsStream<CountingIo<PrefixedIo<S>>>>) -> Self {
        Self(Kind::Inner(Box::new(stream.into())))
    }

    /// What has moved so far, below TLS.
    pub(crate) fn byte_counts(&self) -> ByteCounts {
        match &self.0 {
            Kind::Plain(stream) => stream.byte_counts(),
            Kind::Tls(stream) => stream.get_ref().0.byte_counts(),
            Kind::Inner(stream) => stream.get_ref().0.byte_counts(),
        }
    }

    /// The certificates that the peer has shown: its own first; none if it has shown none.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let session: &CommonState = match &self.0 {
            Kind::Plain(_) => return &[],
            Kind::Tls(stream) => stream.get_ref().1,
            Kind::Inner(stream) => stream.get_ref().1,
        };
        session.peer_certificates().unwrap_or_default()
    }

    /// The connection below everything.
    pub(crate) fn transport(&self) -> &S {
        match &self.0 {
            Kind::Plain(stream) => stream.get_ref(),
            Kind::Tls(stream) => stream.get_ref().0.get_ref().get_ref(),
            Kind::Inner(stream) => stream.get_ref().0.get_ref().get_ref(),
        }
    }

    /// The stream, which has to be in the clear.
    pub(super) fn into_plain(self) -> io::Result<S> {
        match self.0 {
            Kind::Plain(stream) => Ok(stream.into_inner()),
            Kind::Tls(_) | Kind::Inner(_) => Err(io::Error::other("the tunnel is inside TLS already")),
        }
    }

    /// Goes on in the clear, without a word to the peer, and says what was decrypted and not read. Only for a stream
    /// that was read exactly, after everything written was flushed.
    pub(crate) fn leave_tls(self) -> (Self, Vec<u8>) {
        let mut rest = Vec::new();
        let records = match self.0 {
            Kind::Plain(_) | Kind::Inner(_) => return (self, rest),
            Kind::Tls(stream) => match *stream {
                TlsStream::Client(stream) => {
                    let (records, mut session) = stream.into_inner();
                    drain(session.reader(), &mut rest);
                    records
                }
                TlsStream::Server(stream) => {
                    let (records, mut session) = stream.into_inner();
                    drain(session.reader(), &mut rest);
                    records
                }
            },
        };
        (Self::plain(records.into_inner().into_inner()), rest)
    }
}

/// Takes what is there; that more could come is no error.
fn drain(mut reader: rustls::Reader<'_>, rest: &mut Vec<u8>) {
    while let Ok([_, ..]) = reader.fill_buf() {
        let mut space = [0; 256];
        let count = reader.read(&mut space).unwrap_or(0);
        rest.extend_from_slice(&space[..count]);
    }
}

/// The same of each kind of stream.
macro_rules! on_each {
    ($kind:expr, $stream:ident => $result:expr) => {
        match $kind {
            Kind::Plain($stream) => $result,
            Kind::Tls($stream) => $result,
            Kind::Inner($stream) => $result,
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_each!(&mut self.0, stream => Pin::new(stream).poll_read(task, buf))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_each!(&mut self.0, stream => Pin::new(stream).poll_write(task, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_each!(&mut self.0, stream => Pin::new(stream).poll_write_vectored(task, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        on_each!(&self.0, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(&mut self.0, stream => Pin::new(stream).poll_flush(task))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_each!(&mut self.0, stream => Pin::new(stream).poll_shutdown(task))
    }
}
