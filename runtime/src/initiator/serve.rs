//! HTTP on a tunnel in use: the responder is the client, we are the server.

mod ack_limit_io;
mod http1;
mod http2;
mod respond;

use std::io;

use revtun_core::initiator::Protocol;

use self::ack_limit_io::AckLimitIo;
use super::first_use::{FirstUse, UseTunnel};
use super::service::TunnelService;
use super::task::TunnelTask;
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::TunnelIo;
use crate::world::World;

impl<W: World, S: TunnelService> UseTunnel<W> for S {
    const OPAQUE: bool = false;

    async fn carry(task: &mut TunnelTask<W, S>, stream: MaybeTlsStream<W::Stream>, first: FirstUse) -> io::Error {
        let (io, notices) = TunnelIo::serving(&task.context.world, stream, first.protocol, first.prefix);
        let peer = io.peer_limits();
        match first.protocol {
            Protocol::Http2 => http2::serve(task, io, peer, notices, first.draining).await,
            Protocol::Http1 => {
                let core = &task.context.core;
                match AckLimitIo::new(&task.context.world, io, core.probe_interval, core.silence) {
                    Ok(io) => http1::serve(task, io, notices, first.draining).await,
                    Err(error) => error,
                }
            }
        }
    }
}
