//! HTTP on a tunnel in use: the responder is the client, we are the server.

mod http1;
mod http2;

use std::io;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use revtun_core::initiator::Protocol;

use super::service::TunnelService;
use super::task::TunnelTask;
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::TunnelIo;
use crate::world::World;

/// How the first request came.
pub(super) struct FirstUse {
    pub(super) protocol: Protocol,
    /// What was read already.
    pub(super) prefix: Bytes,
    /// The machine drains the tunnel.
    pub(super) draining: bool,
}

/// Serves until the connection ends, and returns how it ended.
pub(super) async fn serve<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    stream: MaybeTlsStream<W::Stream>,
    first: FirstUse,
) -> io::Error {
    let (io, notices) = TunnelIo::serving(&task.context.world, stream, first.protocol, first.prefix);
    match first.protocol {
        Protocol::Http2 => http2::serve(task, io, notices, first.draining).await,
        Protocol::Http1 => http1::serve(task, TokioIo::new(io), notices, first.draining).await,
    }
}
