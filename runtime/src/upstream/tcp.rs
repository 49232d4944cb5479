//! TCP connections for whoever sends CONNECT through a tunnel, to destinations that are allowed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{Response, StatusCode};
use revtun_core::destination::{Destinations, Verdict};
use revtun_core::happy_eyeballs::order;
use tracing::{debug, warn};

use super::connector::connect_to_any;
use crate::http::{IoStream, Joined};
use crate::world::World;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DestinationError {
    /// The target is no host and port.
    Illegal,
    /// It is not listed, or none of its addresses is.
    NotAllowed,
    /// Its name has no address.
    Unresolved,
    /// It refuses, or cannot be reached.
    Unreachable,
    /// It does not answer in time, or the resolver does not.
    Timeout,
}

impl DestinationError {
    /// A timeout, or else `other`.
    fn of(error: &io::Error, other: Self) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Timeout } else { other }
    }

    /// Status, reason and text of the local reply.
    pub(super) const fn reply(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Illegal => (StatusCode::BAD_REQUEST, "destination-illegal", "CONNECT takes a host and a port\n"),
            Self::NotAllowed => {
                (StatusCode::FORBIDDEN, "destination-not-allowed", "the initiator does not allow this destination\n")
            }
            Self::Unresolved => {
                (StatusCode::BAD_GATEWAY, "destination-unresolved", "the destination's name has no address\n")
            }
            Self::Unreachable => {
                (StatusCode::BAD_GATEWAY, "destination-unreachable", "the destination cannot be reached\n")
            }
            Self::Timeout => {
                (StatusCode::GATEWAY_TIMEOUT, "destination-timeout", "the destination did not answer in time\n")
            }
        }
    }
}

/// Opens TCP connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct TcpConnector<W> {
    world: W,
    allowed: Arc<Destinations>,
    /// For a name's addresses, and for a connection to one of them.
    timeout: Duration,
}

impl<W: World> TcpConnector<W> {
    /// Allows no destination.
    pub(super) fn new(world: &W, timeout: Duration) -> Self {
        Self { world: world.clone(), allowed: Arc::default(), timeout }
    }

    /// Allows these.
    pub(super) fn allow(&mut self, allowed: Destinations) {
        self.allowed = Arc::new(allowed);
    }

    /// A response that has the stream of a connection to `target`.
    pub(super) async fn connect(&self, target: Option<Authority>) -> Result<Response<()>, DestinationError> {
        let target = target.as_ref().and_then(|target| Some((target.host(), target.port_u16()?)));
        let (host, port) = target.ok_or(DestinationError::Illegal)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let addresses = self.addresses(host, port).await?;
        let stream = self.in_time(connect_to_any(&self.world, order(&addresses, None))).await.map_err(|error| {
            debug!(host, port, %error, "a destination cannot be reached");
            DestinationError::of(&error, DestinationError::Unreachable)
        })?;
        let (stream, _) = stream;
        let mut response = Response::new(());
        Joined::insert(&mut response, IoStream::new(&self.world, stream, |stream| Some(stream)));
        Ok(response)
    }

    /// Those addresses of a host that may be dialled.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DestinationError> {
        let refused = || {
            warn!(
                host,
                port,
                reason = "destination-not-allowed",
                "a responder asked for a destination that is not allowed"
            );
            DestinationError::NotAllowed
        };
        if self.allowed.verdict(host, port) == Verdict::Refuse {
            return Err(refused());
        }
        let mut addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.in_time(self.world.resolve(host, port)).await.map_err(|error| {
                debug!(host, port, %error, "a destination cannot be resolved");
                DestinationError::of(&error, DestinationError::Unresolved)
            })?,
        };
        if addresses.is_empty() {
            return Err(DestinationError::Unresolved);
        }
        addresses.retain(|address| self.allowed.allows(host, *address));
        if addresses.is_empty() { Err(refused()) } else { Ok(addresses) }
    }

    async fn in_time<T>(&self, task: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let late = self.world.sleep_until(self.world.now().after(self.timeout));
        tokio::select! {
            biased;
            done = task => done,
            () = late => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
