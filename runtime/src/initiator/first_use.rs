//! What becomes of a tunnel from its first use on.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use revtun_core::initiator::Protocol;

use super::task::TunnelTask;
use crate::tls::MaybeTlsStream;
use crate::world::World;

/// How a tunnel came into use.
pub(super) struct FirstUse {
    /// The responder's address.
    pub(super) peer: SocketAddr,
    /// What the responder speaks.
    pub(super) protocol: Protocol,
    /// What was read already.
    pub(super) prefix: Bytes,
    /// The machine drains the tunnel.
    pub(super) draining: bool,
}

/// What becomes of tunnels in use: their requests are served here, or their streams handed to somebody else.
pub(super) trait UseTunnel<W: World>: Send + Sync + Sized + 'static {
    /// Whether nobody here looks into the stream. Then the machine is told of a protocol in which long silence is normal, and
    /// the network is asked to notice a peer that is gone.
    const OPAQUE: bool;

    /// Carries the tunnel to its end, and returns how it ended. Dropped, it closes the tunnel at once.
    fn carry(
        task: &mut TunnelTask<W, Self>,
        stream: MaybeTlsStream<W::Stream>,
        first: FirstUse,
    ) -> impl Future<Output = io::Error> + Send;
}
