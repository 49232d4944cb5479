//! One tunnel, as its responder sees it.

use alloc::sync::Arc;

use super::entry::NodeKey;
use super::registry::Registry;
use super::{CloseReason, Timer};
use crate::handshake::Instance;
use crate::identity::{Identity, TenantId};
use crate::source::Source;
use crate::timers::Alarm;
use crate::{Instant, TunnelId};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tunnel {
    pub(super) phase: Phase,
    pub(super) source: Source,
    pub(super) heard: Instant,
    pub(super) alarm: Alarm<Timer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Handshaking,
    Rejected,
    Settling(Member),
    Idle(Member, Keepalive),
    InUse(Member),
    Draining(Member, Draining),
}

/// The registry's part of an accepted tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) node: NodeKey,
    pub(super) tenant: Arc<str>,
    pub(super) instance: Option<Instance>,
    /// Requests under way.
    pub(super) streams: u32,
    /// How many of them the initiator takes. It has to say so if there is a limit (RFC 9113 §6.5.2).
    pub(super) peer_max_streams: u32,
    /// The tunnel's position in its node's list of tunnels that can take one more request.
    pub(super) listed: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Keepalive {
    /// The last ping was answered.
    Resting,
    /// A ping is unanswered. Never two: Envoy's initiators fail on pings that arrive together (reference §3).
    Awaiting { since: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    /// What started it.
    pub(super) cause: DrainCause,
    /// How long streams may go on.
    pub(super) until: Instant,
    /// Why it is closed if they go on for longer.
    pub(super) overdue: CloseReason,
    /// Whether GOAWAY was sent, or received from the peer.
    pub(super) goaway_sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DrainCause {
    /// The initiator sent GOAWAY.
    PeerGoaway,
    /// A request found the connection lost.
    ConnectionLost,
    /// An operator requested a drain.
    Operator,
    /// A newer process of the node has registered.
    Superseded,
    /// What proved the identity ends.
    Expired,
    /// What proved the identity counts no more.
    Revoked,
}

impl Member {
    /// Whether the tunnel has room for one more request, of at most `max_streams`.
    pub(super) const fn has_room(&self, max_streams: u32) -> bool {
        self.streams < max_streams && self.streams < self.peer_max_streams
    }
}

impl DrainCause {
    pub(super) const fn reason(self) -> CloseReason {
        match self {
            Self::PeerGoaway | Self::Operator => CloseReason::Drained,
            Self::ConnectionLost => CloseReason::ConnectionLost,
            Self::Superseded => CloseReason::Superseded,
            Self::Expired => CloseReason::CredentialsExpired,
            Self::Revoked => CloseReason::CredentialsRevoked,
        }
    }

    /// Why a tunnel is closed whose streams did not finish in time.
    pub(super) const fn overdue(self) -> CloseReason {
        match self {
            Self::PeerGoaway | Self::Operator | Self::Superseded => CloseReason::GraceExpired,
            Self::ConnectionLost | Self::Expired | Self::Revoked => self.reason(),
        }
    }
}

impl Tunnel {
    pub(super) const fn member(&self) -> Option<&Member> {
        match &self.phase {
            Phase::Handshaking | Phase::Rejected => None,
            Phase::Settling(member) | Phase::Idle(member, _) | Phase::InUse(member) | Phase::Draining(member, _) => {
                Some(member)
            }
        }
    }

    pub(super) const fn member_mut(&mut self) -> Option<&mut Member> {
        match &mut self.phase {
            Phase::Handshaking | Phase::Rejected => None,
            Phase::Settling(member) | Phase::Idle(member, _) | Phase::InUse(member) | Phase::Draining(member, _) => {
                Some(member)
            }
        }
    }

    pub(super) const fn is_draining(&self) -> bool {
        match self.phase {
            Phase::Draining(..) => true,
            Phase::Handshaking | Phase::Rejected | Phase::Settling(_) | Phase::Idle(..) | Phase::InUse(_) => false,
        }
    }

    /// Takes an accepted tunnel to another phase.
    pub(super) fn change(&mut self, to: impl FnOnce(Member) -> Phase) {
        self.phase = match core::mem::replace(&mut self.phase, Phase::Rejected) {
            Phase::Settling(member) | Phase::Idle(member, _) | Phase::InUse(member) | Phase::Draining(member, _) => {
                to(member)
            }
            Phase::Handshaking | Phase::Rejected => unreachable!("only accepted tunnels change"),
        };
    }

    pub(super) fn view<'a>(&'a self, tunnel: TunnelId, registry: &'a Registry) -> TunnelView<'a> {
        let stage = match &self.phase {
            Phase::Handshaking => Stage::Handshaking,
            Phase::Rejected => Stage::Rejected,
            Phase::Settling(_) => Stage::Settling,
            Phase::Idle(..) => Stage::Idle,
            Phase::InUse(_) => Stage::InUse,
            Phase::Draining(..) => Stage::Draining,
        };
        let identity = self.member().map(|member| Identity {
            node: registry.node_name(member.node),
            cluster: registry.cluster_name(member.node),
            tenant: TenantId::new(&member.tenant).expect("it was a tenant id when the tunnel was registered"),
        });
        let streams = self.member().map_or(0, |member| member.streams);
        TunnelView { tunnel, stage, identity, streams, heard: self.heard }
    }
}

/// The stage of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The handshake is under way.
    Handshaking,
    /// The handshake was rejected; the peer has yet to close.
    Rejected,
    /// Accepted a moment ago.
    Settling,
    /// Not used yet, pinged.
    Idle,
    /// Carries requests.
    InUse,
    /// Finishes its streams.
    Draining,
}

/// A snapshot of one tunnel, for the admin page, logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelView<'a> {
    /// Its name.
    pub tunnel: TunnelId,
    /// Its stage.
    pub stage: Stage,
    /// Who is at the other end; none before the handshake is done.
    pub identity: Option<Identity<'a>>,
    /// Requests under way.
    pub streams: u32,
    /// When it was last heard.
    pub heard: Instant,
}

/// Gauges of the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Connections without a tunnel: their handshake is not done, or was turned away.
    pub handshakes: u32,
    /// Tunnels accepted and not closed.
    pub tunnels: u32,
    /// Nodes with at least one tunnel.
    pub nodes: u32,
    /// Requests under way.
    pub streams: u32,
    /// Callers that wait for a tunnel.
    pub waiting: u32,
    /// Events about something no longer known, since the start.
    pub stale: u64,
}

impl Counts {
    pub(super) const NONE: Self = Self { handshakes: 0, tunnels: 0, nodes: 0, streams: 0, waiting: 0, stale: 0 };
}
