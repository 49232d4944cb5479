//! The accepting end: the tunnel listener and the egress listener.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use bytes::Bytes;
use revtun_core::binding::Binding;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::Extent;
use super::counting_io::CountingIo;
use super::failure;
use super::full_handshake::{self, FullHandshake};
use super::inner_client::InnerClient;
use super::maybe_tls::MaybeTlsStream;
use super::proof::Proof;
use super::record_reader::RecordReader;
use super::reload::Current;
use crate::prefixed_io::PrefixedIo;

/// A listener's TLS.
#[derive(Clone, Debug)]
pub struct Server {
    config: Current<ServerConfig>,
    /// For tunnels, which live for long and prove identities: nothing is resumed.
    tunnels: FullHandshake<ServerConfig>,
}

/// The same configuration, now and later.
impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.config.same_channel(&other.config)
    }
}

impl Eq for Server {}

impl Server {
    /// TLS as `config` says at the time of each connection.
    #[must_use]
    pub fn new(config: Current<ServerConfig>) -> Self {
        Self { tunnels: FullHandshake::new(config.clone()), config }
    }

    /// Does the server's part of a TLS handshake.
    ///
    /// # Errors
    /// If the client does not do its part, or the connection is lost; if the client resumes a session to which it has shown a
    /// certificate, which only a configuration that was not made by [`ServerFiles`](super::ServerFiles) can let it do.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<MaybeTlsStream<S>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config.borrow()));
        let accepted = acceptor.accept(CountingIo::new(RecordReader::new(stream, false))).await;
        let stream = accepted.map_err(failure::explained)?;
        full_handshake::demand(stream.get_ref().1)?;
        Ok(MaybeTlsStream::tls(stream))
    }

    /// The same within a tunnel, of which `first` was read already.
    pub(crate) async fn accept_inner<S>(&self, tunnel: MaybeTlsStream<S>, first: Bytes) -> io::Result<MaybeTlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = tunnel.into_plain()?;
        let accepted = self.tunnel_acceptor().accept(CountingIo::new(PrefixedIo::new(stream, first))).await;
        Ok(MaybeTlsStream::inner(accepted.map_err(failure::explained)?))
    }

    fn tunnel_acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.tunnels.config())
    }
}

/// The TLS of a tunnel listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelServer {
    /// What it shows and demands.
    pub server: Server,
    /// How much of a tunnel it covers.
    pub extent: Extent,
    /// What initiators have to prove by their certificates, if they have to show one.
    pub binding: Option<Arc<Binding>>,
    /// The client within tunnels, present if the extent is [`Extent::Inner`].
    pub inner: Option<InnerClient>,
}

impl TunnelServer {
    /// TLS around whole tunnels. Nothing has to be proven by certificates.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server, extent: Extent::Whole, binding: None, inner: None }
    }

    /// Does the server's part of a TLS handshake, and says what the client proved by it.
    ///
    /// # Errors
    /// As [`Server::accept`]; [`ClosedUnused`] within it if the peer closed the connection before it sent anything.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<(MaybeTlsStream<S>, Proof)> {
        let records = CountingIo::new(RecordReader::new(stream, self.extent.leaves()));
        let accepted = self.server.tunnel_acceptor().accept(records).into_fallible().await;
        let stream = accepted.map_err(|(error, records)| match records.byte_counts().received {
            0 => io::Error::new(error.kind(), ClosedUnused),
            _ => failure::explained(error),
        })?;
        let stream = MaybeTlsStream::tls(stream);
        let proof = Proof::new(self.binding.clone(), stream.peer_certificates());
        Ok((stream, proof))
    }
}

/// The peer has closed a connection without a byte, as the TCP health checks of load balancers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedUnused;

impl ClosedUnused {
    /// Whether `error` is one.
    #[must_use]
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for ClosedUnused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer closed the connection before it sent anything")
    }
}

impl Error for ClosedUnused {}
