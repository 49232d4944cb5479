//! The tunnels of a responder, for the admin listener.

use std::net::SocketAddr;

use revtun_core::responder::{Stage, TunnelView};

use super::context::Context;
use crate::world::World;

/// One tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelInfo {
    /// Its id, as in logs.
    pub tunnel: String,
    /// Its stage: `handshaking`, `rejected`, `settling`, `idle`, `in-use` or `draining`.
    pub stage: &'static str,
    /// The node of the initiator; none before the handshake is complete.
    pub node: Option<String>,
    /// The node's cluster.
    pub cluster: Option<String>,
    /// The node's tenant.
    pub tenant: Option<String>,
    /// The initiator's address; none in the moment of the tunnel's end.
    pub peer: Option<SocketAddr>,
    /// Requests in flight.
    pub streams: u32,
    /// Milliseconds since the last sign of life.
    pub heard_ms_ago: u64,
}

pub(super) fn tunnels<W: World>(context: &Context<W>) -> Vec<TunnelInfo> {
    let now = context.world.now();
    context.shared.inspect(|machine, handle| {
        let info = |view: TunnelView<'_>| TunnelInfo {
            tunnel: view.tunnel.to_string(),
            stage: name(view.stage),
            node: view.identity.map(|identity| identity.node.to_string()),
            cluster: view.identity.map(|identity| identity.cluster.to_string()),
            tenant: view.identity.map(|identity| identity.tenant.to_string()),
            peer: handle(view.tunnel).map(|handle| handle.peer()),
            streams: view.streams,
            heard_ms_ago: u64::try_from(now.since(view.heard).as_millis()).unwrap_or(u64::MAX),
        };
        machine.tunnels().map(info).collect()
    })
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Handshaking => "handshaking",
        Stage::Rejected => "rejected",
        Stage::Settling => "settling",
        Stage::Idle => "idle",
        Stage::InUse => "in-use",
        Stage::Draining => "draining",
    }
}
