//! The tunnels of an initiator, for the admin listener.

use std::net::SocketAddr;

use revtun_core::Instant;
use revtun_core::initiator::Stage;

use super::driver::State;

/// One tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelInfo {
    /// Its id, as in logs.
    pub tunnel: String,
    /// The address of the responder.
    pub host: Option<SocketAddr>,
    /// Its stage: `dialing`, `handshaking`, `idle`, `in-use` or `draining`.
    pub stage: &'static str,
    /// Milliseconds since the last sign of life of the responder; since the dial, if there was none.
    pub heard_ms_ago: u64,
}

/// Every stage that a tunnel can be in, as [`TunnelInfo::stage`] names it.
pub const STAGES: [&str; 5] = ["dialing", "handshaking", "idle", "in-use", "draining"];

pub(super) fn tunnels(state: &State, now: Instant) -> Vec<TunnelInfo> {
    let views = state.machine.tunnels();
    views
        .map(|view| TunnelInfo {
            tunnel: view.tunnel.to_string(),
            host: state.hosts.address(view.host),
            stage: name(view.stage),
            heard_ms_ago: u64::try_from(now.since(view.heard).as_millis()).unwrap_or(u64::MAX),
        })
        .collect()
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Dialing => "dialing",
        Stage::Handshaking => "handshaking",
        Stage::Idle => "idle",
        Stage::InUse => "in-use",
        Stage::Draining => "draining",
    }
}
