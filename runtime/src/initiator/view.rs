//! The tunnels, hosts and names of an initiator, for the admin listener.

use std::net::SocketAddr;
use std::time::Duration;

use revtun_core::Instant;
use revtun_core::initiator::Stage;

use super::driver::State;
use crate::host_port::HostPort;

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

/// One host that shall have tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostInfo {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it has a tunnel that was accepted and does not drain.
    pub up: bool,
    /// Why the last dial, handshake or tunnel failed; none if a tunnel was accepted since.
    pub last_error: Option<String>,
    /// Milliseconds until the next dial; none if there is none to come, or one is under way.
    pub next_dial_ms: Option<u64>,
}

/// One endpoint that is a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointInfo {
    /// As it is configured.
    pub endpoint: HostPort,
    /// Why it cannot be resolved; none if it could be the last time, or no answer has come yet.
    pub last_error: Option<String>,
    /// Milliseconds until the resolver is asked again; none while it is being asked.
    pub next_resolve_ms: Option<u64>,
}

pub(super) fn endpoints(state: &State, now: Instant) -> Vec<EndpointInfo> {
    let endpoints = state.table.endpoints.iter().enumerate();
    endpoints
        .filter(|(_, endpoint)| endpoint.name.literal().is_none())
        .map(|(index, endpoint)| EndpointInfo {
            endpoint: endpoint.name.clone(),
            last_error: endpoint.outage.as_ref().map(|outage| outage.reason().to_owned()),
            next_resolve_ms: state.table.hosts.next_resolve(index).map(|at| millis(at.since(now))),
        })
        .collect()
}

pub(super) fn hosts(state: &State, now: Instant) -> Vec<HostInfo> {
    let wanted = state.table.hosts.wanted();
    wanted
        .map(|(host, address)| HostInfo {
            address,
            up: state.machine.is_up(host),
            last_error: state.table.outage(host).map(|outage| outage.reason().to_owned()),
            next_dial_ms: state.machine.next_dial(host).map(|at| millis(at.since(now))),
        })
        .collect()
}

pub(super) fn tunnels(state: &State, now: Instant) -> Vec<TunnelInfo> {
    let views = state.machine.tunnels();
    views
        .map(|view| TunnelInfo {
            tunnel: view.tunnel.to_string(),
            host: state.table.hosts.address(view.host),
            stage: name(view.stage),
            heard_ms_ago: millis(now.since(view.heard)),
        })
        .collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
