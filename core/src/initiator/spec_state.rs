//! A state in the words of `spec/Initiator.tla`, for comparing the two.

use super::tunnel::{Phase, Pings};
use super::{HostId, Initiator, Protocol};
use crate::TunnelId;

/// What the specification sees of a state.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecState {
    /// Every tunnel, by slot.
    pub tunnels: alloc::vec::Vec<SpecTunnel>,
    /// Every host that is not forgotten: its target and its backoff.
    pub hosts: alloc::vec::Vec<(HostId, u16, &'static str)>,
    /// How far the drain of everything is.
    pub drain: &'static str,
}

/// What the specification sees of a tunnel.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecTunnel {
    /// Its name.
    pub id: TunnelId,
    /// Its host.
    pub host: HostId,
    /// Its stage.
    pub stage: &'static str,
    /// Whether it is idle and its responder is revtun.
    pub revtun: bool,
}

impl Initiator {
    /// This state as the specification sees it.
    #[doc(hidden)]
    #[must_use]
    pub fn spec_state(&self) -> SpecState {
        let tunnels = self.tunnels.iter().map(|(id, tunnel)| SpecTunnel {
            id,
            host: tunnel.host,
            stage: stage(tunnel.phase),
            revtun: matches!(tunnel.phase, Phase::Idle { revtun: true, .. }),
        });
        let hosts = self.hosts.iter().map(|(id, host)| (*id, host.target, host.backoff.spec_state()));
        let drain = match self.drain {
            None => "no",
            Some(drain) if drain.over => "over",
            Some(_) => "draining",
        };
        SpecState { tunnels: tunnels.collect(), hosts: hosts.collect(), drain }
    }
}

const fn stage(phase: Phase) -> &'static str {
    match phase {
        Phase::Dialing => "dialing",
        Phase::Handshaking => "handshaking",
        Phase::Idle { pings: Pings::None, .. } => "unproven",
        Phase::Idle { pings: Pings::One | Pings::Regular, .. } => "proven",
        Phase::InUse { protocol: Protocol::Http1 } => "http1",
        Phase::InUse { protocol: Protocol::Http2 } => "http2",
        Phase::Draining => "draining",
    }
}
