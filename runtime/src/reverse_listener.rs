//! A listener whose connections are tunnels: for servers of the user's own choice.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use revtun_core::address::{Address, AddressError};
use tokio::sync::mpsc;

use crate::initiator::{
    ForbiddenEndpoint, HostPort, HostPortError, InitiatorConfig, InitiatorHandle, Run, TunnelStream, start_listening,
};
use crate::world::{Tokio, World};

/// Dials responders, and yields each tunnel that comes into use as a byte stream, as an ordinary listener yields connections.
///
/// The tunnels that wait for their first request stay with the listener: it dials them again when they are lost, and notices
/// when they are silent. What is accepted belongs to its server; TCP's keep-alive notices when nobody is there any more.
///
/// Dropping the listener closes the tunnels that nobody has accepted. Those that were accepted are drained: their servers may
/// finish within `core.drain_grace` of the [configuration](InitiatorConfig).
///
/// With the feature `axum` it is an [`axum::serve::Listener`](https://docs.rs/axum/0.8/axum/serve/trait.Listener.html).
pub struct ReverseListener<W: World = Tokio> {
    tunnels: mpsc::Receiver<(TunnelStream<W>, SocketAddr)>,
    initiator: Arc<InitiatorHandle<W>>,
    config: revtun_core::initiator::Config,
}

impl ReverseListener {
    /// Dials `upstreams` with the defaults, as `address` says: `rc://node:cluster:tenant@upstream:count`. Each of `upstreams` is a
    /// `host:port`, in whatever form a [`HostPort`] can be made of.
    ///
    /// Does not wait for tunnels, nor for the resolver. By default there is no TLS, and so responders on other machines are refused: see
    /// [`Self::with_config`].
    ///
    /// # Errors
    /// If `address` or one of `upstreams` cannot be read, there is no upstream, or one is an address that must not
    /// be dialled.
    pub async fn connect<A, U>(address: A, upstreams: U) -> Result<Self, ConnectError>
    where
        A: TryInto<Address, Error: Into<AddressError>>,
        U: IntoIterator<Item: TryInto<HostPort, Error: Into<HostPortError>>>,
    {
        let address = address.try_into().map_err(|error| ConnectError::Address(error.into()))?;
        let mut endpoints = Vec::new();
        for (index, upstream) in upstreams.into_iter().enumerate() {
            let endpoint = upstream.try_into();
            endpoints.push(endpoint.map_err(|error| ConnectError::Upstream { index, error: error.into() })?);
        }
        Self::with_config(InitiatorConfig::new(address, endpoints)).await
    }

    /// Dials as `config` says: with TLS, a token, limits. Those of HTTP do not count, since there is none here.
    ///
    /// # Errors
    /// If there is no endpoint, or one is an address that must not be dialled.
    pub async fn with_config(config: InitiatorConfig) -> Result<Self, ConnectError> {
        let world = Tokio::begin();
        Self::start(&world, config, Run::begin(&world)).await
    }
}

impl<W: World> ReverseListener<W> {
    /// As [`ReverseListener::with_config`], in any world, and in a run that several initiators may share.
    ///
    /// # Errors
    /// As there.
    pub async fn start(world: &W, config: InitiatorConfig, run: Run) -> Result<Self, ConnectError> {
        if config.endpoints.is_empty() {
            return Err(ConnectError::NoUpstream);
        }
        let core = config.core;
        let (initiator, tunnels) = start_listening(world, config, run).await.map_err(ConnectError::Forbidden)?;
        Ok(Self { tunnels, initiator: Arc::new(initiator), config: core })
    }

    /// The next tunnel, once a responder uses it, and the address of that responder. None when the listener is drained.
    ///
    /// Cancel safe.
    pub async fn accept(&mut self) -> Option<(TunnelStream<W>, SocketAddr)> {
        let (stream, responder) = self.tunnels.recv().await?;
        Some((stream.keep(self.initiator.keep_running()), responder))
    }

    /// What dials: it tells whether it is ready, lists tunnels, and drains. A clone goes on when a server has taken the
    /// listener.
    #[must_use]
    pub fn initiator(&self) -> &Arc<InitiatorHandle<W>> {
        &self.initiator
    }
}

impl<W: World> Drop for ReverseListener<W> {
    fn drop(&mut self) {
        self.initiator.drain(self.config.drain_grace);
    }
}

/// `accept` never ends: when the listener is drained, it waits. So let
/// [`with_graceful_shutdown`](axum::serve::Serve::with_graceful_shutdown) end with [`InitiatorHandle::wait`].
#[cfg(feature = "axum")]
impl<W: World> axum::serve::Listener for ReverseListener<W> {
    type Io = TunnelStream<W>;
    /// That of the responder.
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TunnelStream<W>, SocketAddr) {
        match Self::accept(self).await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    /// There is none.
    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "a reverse listener has no address"))
    }
}

/// Why a [`ReverseListener`] does not start. Each message is a short phrase without a full stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The `rc://` address cannot be read.
    Address(AddressError),
    /// One of the upstreams is no `host:port`.
    Upstream {
        /// Which, counted from zero.
        index: usize,
        /// Why.
        error: HostPortError,
    },
    /// There is no upstream.
    NoUpstream,
    /// An upstream is on another machine, and tunnels to it would not be encrypted.
    Forbidden(ForbiddenEndpoint),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Upstream { index, error } => write!(f, "upstream {index} {error}"),
            Self::NoUpstream => f.write_str("there is no upstream"),
            Self::Forbidden(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(_) | Self::Upstream { .. } | Self::NoUpstream => None,
            Self::Forbidden(error) => Some(error),
        }
    }
}
