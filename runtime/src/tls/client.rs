//! The dialling end: an initiator.

use std::io;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::Extent;
use super::counting_io::CountingIo;
use super::failure;
use super::full_handshake::FullHandshake;
use super::maybe_tls::MaybeTlsStream;
use super::record_reader::RecordReader;
use super::reload::Current;
use super::server::Server;

/// The TLS of an initiator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// Whom it believes and what it shows, at the time of each dial.
    config: FullHandshake<ClientConfig>,
    /// How much of a tunnel it covers.
    pub extent: Extent,
    /// The name that the responder's certificate has to have; none means the one that is dialled.
    pub server_name: Option<ServerName<'static>>,
    /// The server within tunnels, present if the extent is [`Extent::Inner`].
    pub inner: Option<Server>,
}

impl Client {
    /// TLS around whole tunnels, as `config` says at the time of each dial; the server's name is the one that is dialled.
    #[must_use]
    pub fn new(config: Current<ClientConfig>) -> Self {
        Self { config: FullHandshake::new(config), extent: Extent::Whole, server_name: None, inner: None }
    }

    /// Does the client's part of a TLS handshake with a server that was dialled as `dialled`.
    ///
    /// # Errors
    /// If the server does not prove that it is the one, or the connection is lost.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        dialled: &str,
    ) -> io::Result<MaybeTlsStream<S>> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(dialled.to_owned()).map_err(io::Error::other)?,
        };
        let connector = TlsConnector::from(self.config.config());
        Ok(MaybeTlsStream::tls(
            connector
                .connect(name, CountingIo::new(RecordReader::new(stream, self.extent.leaves())))
                .await
                .map_err(failure::explained)?,
        ))
    }
}
