//! What a service is: where it is reached, and what it speaks.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::host_port::HostPort;
use crate::tls::Current;

/// A service that requests are forwarded to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// What logs, metrics and routes call it.
    pub name: String,
    /// Where it is reached, each with the same service behind it; at least one, and at most
    /// [`MAX_ENDPOINTS`](revtun_core::balance::MAX_ENDPOINTS).
    pub endpoints: Vec<ServiceEndpoint>,
    /// What it speaks.
    pub protocol: ServiceProtocol,
    /// TLS towards it; not for Unix domain sockets. None is in the clear.
    pub tls: Option<ServiceTls>,
}

impl ServiceConfig {
    /// A service that speaks HTTP/1.1 in the clear.
    #[must_use]
    pub fn new(name: impl Into<String>, endpoints: Vec<ServiceEndpoint>) -> Self {
        Self { name: name.into(), endpoints, protocol: ServiceProtocol::Http1, tls: None }
    }
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, which in the clear begins without asking (RFC 9113 §3.3).
    Http2,
    /// The one that it chooses in TLS (RFC 7301).
    Negotiated,
}

/// Where a service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceEndpoint {
    /// At a host and port.
    Tcp(HostPort),
    /// At a Unix domain socket.
    Unix(PathBuf),
}

impl ServiceEndpoint {
    /// The host and port, if it has one.
    #[must_use]
    pub const fn host_port(&self) -> Option<&HostPort> {
        match self {
            Self::Tcp(endpoint) => Some(endpoint),
            Self::Unix(_) => None,
        }
    }

    /// What the `host` of a request is that has none.
    pub(super) fn authority(&self) -> String {
        self.host_port().map_or_else(|| "localhost".to_owned(), HostPort::to_string)
    }
}

impl From<HostPort> for ServiceEndpoint {
    fn from(endpoint: HostPort) -> Self {
        Self::Tcp(endpoint)
    }
}

impl fmt::Display for ServiceEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(endpoint) => endpoint.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// TLS towards a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceTls {
    /// Whom it believes and what it shows, at the time of each connection.
    pub config: Current<ClientConfig>,
    /// The name that is asked for, and that the certificate has to have; none means the host of the endpoint.
    pub server_name: Option<ServerName<'static>>,
}

impl ServiceTls {
    /// As `config` says at the time of each connection; the server's name is the host of the endpoint.
    #[must_use]
    pub const fn new(config: Current<ClientConfig>) -> Self {
        Self { config, server_name: None }
    }

    /// Does the handshake with `host`, and offers the protocols `alpn`.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        alpn: Vec<Vec<u8>>,
    ) -> io::Result<TlsStream<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        let mut config = ClientConfig::clone(&self.config.borrow());
        config.alpn_protocols = alpn;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
