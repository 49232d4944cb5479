//! The client within tunnels: a second TLS in the other direction.

use std::io;
use std::sync::Arc;

use revtun_core::binding::Binding;
use revtun_core::identity::Identity;
use revtun_core::responder::Verdict;
use revtun_core::rping::PingFilter;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::counting_io::CountingIo;
use super::failure;
use super::full_handshake::FullHandshake;
use super::maybe_tls::MaybeTlsStream;
use super::proof::Proof;
use super::reload::Current;
use crate::prefixed_io::PrefixedIo;

/// The client within tunnels: a responder, to whom initiators prove themselves a second time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InnerClient {
    /// Whom it believes and what it shows, at the time of each use.
    config: FullHandshake<ClientConfig>,
    /// The name that the certificates of initiators have to have.
    pub server_name: ServerName<'static>,
    /// What the certificate within a tunnel has to prove: the identity that was accepted outside. None believes every certificate
    /// with the name above, which lets whoever has one answer for others.
    pub binding: Option<Arc<Binding>>,
}

/// The same configuration, now and later.
impl PartialEq for InnerClient {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config && self.server_name == other.server_name && self.binding == other.binding
    }
}

impl Eq for InnerClient {}

impl InnerClient {
    /// TLS as `config` says at the time of each use, with initiators whose certificates have the name `server_name`.
    #[must_use]
    pub fn new(config: Current<ClientConfig>, server_name: ServerName<'static>) -> Self {
        Self { config: FullHandshake::new(config), server_name, binding: None }
    }

    /// Whether the initiator within `tunnel` is the one that was accepted outside.
    pub(crate) fn proves<S>(&self, tunnel: &MaybeTlsStream<S>, accepted: &Identity<'_>) -> bool {
        Proof::new(self.binding.clone(), tunnel.peer_certificates()).judge(accepted) == Verdict::Authenticated
    }

    /// Does the client's part of a TLS handshake within `tunnel`. Late echoes are taken out; `echoes` has seen all that
    /// was read so far.
    pub(crate) async fn connect<S>(
        &self,
        tunnel: MaybeTlsStream<S>,
        echoes: PingFilter,
    ) -> io::Result<MaybeTlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = tunnel.into_plain()?;
        let connector = TlsConnector::from(self.config.config());
        Ok(MaybeTlsStream::inner(
            connector
                .connect(self.server_name.clone(), CountingIo::new(PrefixedIo::skipping_echoes(stream, echoes)))
                .await
                .map_err(failure::explained)?,
        ))
    }
}
