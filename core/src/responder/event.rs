//! Events and effects of the responder.

use core::time::Duration;

use crate::TunnelId;
use crate::handshake::{Instance, Rejection};
use crate::identity::{ClusterId, Identity, NodeId, TenantId};
use crate::source::Source;

/// Names one request of a caller; chosen by the runtime, ever growing, only echoed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What happened. Each variant is an action of the specification; `Tick` is named there by the timer it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event<'a> {
    /// A connection was accepted at the tunnel listener. Answered by `Admit` or `RefuseConnection`.
    Accepted {
        /// Where it comes from.
        source: Source,
    },
    /// A handshake request was read in full and is well-formed.
    HandshakeReceived {
        /// The tunnel.
        tunnel: TunnelId,
        /// The request's identity and whether it was authenticated.
        handshake: Handshake<'a>,
    },
    /// The handshake request is malformed or not for us.
    HandshakeInvalid {
        /// The tunnel.
        tunnel: TunnelId,
        /// What is wrong with it.
        rejection: Rejection,
    },
    /// The initiator echoed our ping.
    Echoed {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// At least one byte came through a tunnel in use. Reported at most once every
    /// [`HEARD_GRANULARITY`](super::HEARD_GRANULARITY) and tunnel.
    Heard {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// The transport is gone.
    Closed {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// A caller wants a tunnel to `target`. Answered by `Assign`, `Wait` or `Refuse`. The hot path.
    Opened {
        /// The request.
        stream: StreamId,
        /// Where to.
        target: Target<'a>,
    },
    /// A request that was assigned to `tunnel` is over. The hot path.
    Released {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// A waiting caller went away.
    Cancelled {
        /// The request.
        stream: StreamId,
    },
    /// The initiator sent an HTTP/2 GOAWAY: it takes the tunnel out of use and lets streams finish.
    GoawayReceived {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// A request found that the connection takes no more. Nobody is sent there from then on, although `Closed` has yet to come.
    ConnectionLost {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// The initiator announced SETTINGS on a tunnel in use, for the first time or anew.
    SettingsReceived {
        /// The tunnel.
        tunnel: TunnelId,
        /// How many concurrent requests the initiator takes from now on. Those that are under way go on (RFC 9113 §5.1.2).
        max_concurrent_streams: u32,
    },
    /// Take tunnels out of use, let streams finish for at most `grace`, then close them.
    DrainRequested {
        /// Which tunnels; `All` also turns away every new one, for good.
        scope: DrainScope<'a>,
        /// How long streams may go on.
        grace: Duration,
    },
    /// The deadline has passed.
    Tick,
}

/// A handshake request, as parsed and authenticated by the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handshake<'a> {
    /// The claimed identity.
    pub identity: Identity<'a>,
    /// The run of the initiator's process; none from an Envoy.
    pub instance: Option<Instance>,
    /// Whether the identity was authenticated.
    pub verdict: Verdict,
}

/// The result of authenticating a claimed identity by TLS and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Authenticated, or no authentication is configured.
    Authenticated,
    /// No credentials, or invalid ones.
    Unauthenticated,
    /// Valid credentials of another identity.
    Mismatch,
}

impl Verdict {
    /// The verdict of two authentication methods together: both have to succeed. Missing credentials are reported
    /// before a mismatch, as in reference §2.2.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Authenticated, Self::Authenticated) => Self::Authenticated,
            (Self::Unauthenticated, _) | (_, Self::Unauthenticated) => Self::Unauthenticated,
            (Self::Mismatch, _) | (_, Self::Mismatch) => Self::Mismatch,
        }
    }
}

/// Where a caller wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target<'a> {
    /// The caller's tenant. Ignored where tenants are not isolated, demanded where they are.
    pub tenant: Option<TenantId<'a>>,
    /// The node or the cluster.
    pub name: TargetName<'a>,
}

/// A node, or any node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetName<'a> {
    /// The node of this name, in whatever cluster it is. With
    /// [`refuse_ambiguous_node`](super::Config::refuse_ambiguous_node) such a request is refused while nodes of several
    /// clusters have the name; a drain is about all of them.
    Node(NodeId<'a>),
    /// The node of this name in this cluster.
    Member {
        /// Which node.
        node: NodeId<'a>,
        /// Which cluster it belongs to.
        cluster: ClusterId<'a>,
    },
    /// Any node of this cluster.
    Cluster(ClusterId<'a>),
}

/// Which tunnels a drain is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrainScope<'a> {
    /// Every one, and the responder itself.
    All,
    /// Those of one tenant.
    Tenant(TenantId<'a>),
    /// Those of one node or one cluster.
    Target(Target<'a>),
    /// This one.
    Tunnel(TunnelId),
    /// This one, because what proved its identity ends when `grace` does: see [`Lapse`](super::Lapse). A drain that is under way
    /// ends then at the latest.
    Expired(TunnelId),
    /// This one, because what proved its identity counts no more.
    Revoked(TunnelId),
}

/// What the runtime is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Read a handshake request from the new connection, whose id is `tunnel` from now on.
    Admit {
        /// The new tunnel.
        tunnel: TunnelId,
    },
    /// Answer the new connection with `rejection` and close it; it gets no id.
    RefuseConnection {
        /// Why.
        rejection: Rejection,
    },
    /// Answer 200 (101) and keep the connection as a tunnel.
    Accept {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Answer with `rejection`, then close and report `Closed`.
    Reject {
        /// The tunnel.
        tunnel: TunnelId,
        /// Why.
        rejection: Rejection,
    },
    /// Write one ping.
    Ping {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Send the request through `tunnel`, and report `Released` when it is over.
    Assign {
        /// The request.
        stream: StreamId,
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Let the caller wait: `Assign` or `Refuse` follows.
    Wait {
        /// The request.
        stream: StreamId,
    },
    /// Refuse the request.
    Refuse {
        /// The request.
        stream: StreamId,
        /// Why.
        refusal: Refusal,
    },
    /// Send GOAWAY and let streams finish; `Close` follows.
    Goaway {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Close at once; the machine has forgotten the tunnel already.
    Close {
        /// The tunnel.
        tunnel: TunnelId,
        /// Why.
        reason: CloseReason,
    },
    /// Two living processes claim the node of `tunnel`; both are kept. Reported once for each such node.
    Contended {
        /// A tunnel of the process that was displaced before and is back.
        tunnel: TunnelId,
    },
    /// The drain of everything is over and no tunnel is left. Reported once.
    Drained,
}

/// Why a caller got no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Tenants are isolated and the caller named none.
    MissingTenant,
    /// No tunnel to the node or cluster came up in time.
    NoTunnel,
    /// The caller named a node without its cluster, and nodes of several clusters have that name.
    AmbiguousNode,
    /// Every tunnel to it carries as many streams as it may, and none became free in time.
    Saturated,
    /// As many callers wait already as may wait.
    QueueFull,
    /// The tenant has as many requests under way or waiting as it may.
    TenantSaturated,
    /// As many callers of the tenant wait already as may wait.
    TenantQueueFull,
    /// The responder is being drained.
    Draining,
}

/// Why a responder closes a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// No complete handshake in time.
    HandshakeTimeout,
    /// The rejected peer did not close the connection in time.
    LingerTimeout,
    /// A ping was not echoed in time.
    PingTimeout,
    /// A tunnel in use was not heard for the liveness window.
    Silent,
    /// The drain is over: no stream left.
    Drained,
    /// A request found its connection lost.
    ConnectionLost,
    /// The drain's grace is over with streams still open.
    GraceExpired,
    /// A newer process of the same node has registered, and the tunnel's streams are done.
    Superseded,
    /// It made room for a new tunnel of its node: its ping had been unanswered for the longest time.
    Evicted,
    /// The handshake was ended early: too many were under way, and most of them from its source.
    HandshakeDropped,
    /// What proved its identity has ended.
    CredentialsExpired,
    /// What proved its identity was revoked.
    CredentialsRevoked,
}
