//! Every reason for rejecting a handshake, with the response that the peer gets.

use core::time::Duration;

/// Why a handshake was rejected. Status and text are those of reference §2.2 where it names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// Another path or method than the configured one.
    NotATunnelRequest,
    /// Upgrade mode is on and the request does not ask for `reverse-tunnel`.
    UpgradeRequired,
    /// The request lacks `x-revtun-tls: whole`, which is required.
    TlsRequired,
    /// One of the three identity headers is absent.
    MissingIdentity,
    /// The node id is empty.
    EmptyNode,
    /// The cluster id is empty.
    EmptyCluster,
    /// The tenant id is empty.
    EmptyTenant,
    /// An identity is longer than 255 bytes or holds bytes that no header value may hold.
    InvalidIdentity,
    /// Tenant isolation is on and an identity holds a `:`.
    ColonInIdentity,
    /// The upstream cluster name is demanded and absent.
    MissingClusterName,
    /// The upstream cluster name is not the demanded one.
    ClusterNameMismatch,
    /// The request announces or carries a body.
    BodyNotAllowed,
    /// The transfer coding of the body is not `chunked`, or there are several.
    UnsupportedTransferEncoding,
    /// The request speaks HTTP/1.0.
    UnsupportedVersion,
    /// The bytes are no HTTP/1.1 request.
    BadRequest,
    /// The head is longer than 60 KiB or has more than 100 headers.
    HeadTooLarge,
    /// The peer has no valid credentials.
    Unauthenticated,
    /// The peer's credentials are those of another identity.
    IdentityMismatch,
    /// The node has as many tunnels as it may have.
    NodeFull,
    /// The cluster has as many tunnels as it may have.
    ClusterFull,
    /// The tenant has as many tunnels as it may have.
    TenantFull,
    /// The responder has as many tunnels as it may have.
    ResponderFull,
    /// As many handshakes are under way as may be.
    TooManyHandshakes,
    /// As many handshakes are under way from one source as may be.
    TooManyHandshakesFromSource,
    /// New connections exceed the rate limit.
    RateLimited,
    /// The responder is being drained.
    Draining,
}

impl Rejection {
    /// Every rejection, in the order above.
    pub const ALL: [Self; 26] = [
        Self::NotATunnelRequest,
        Self::UpgradeRequired,
        Self::TlsRequired,
        Self::MissingIdentity,
        Self::EmptyNode,
        Self::EmptyCluster,
        Self::EmptyTenant,
        Self::InvalidIdentity,
        Self::ColonInIdentity,
        Self::MissingClusterName,
        Self::ClusterNameMismatch,
        Self::BodyNotAllowed,
        Self::UnsupportedTransferEncoding,
        Self::UnsupportedVersion,
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::Unauthenticated,
        Self::IdentityMismatch,
        Self::NodeFull,
        Self::ClusterFull,
        Self::TenantFull,
        Self::ResponderFull,
        Self::TooManyHandshakes,
        Self::TooManyHandshakesFromSource,
        Self::RateLimited,
        Self::Draining,
    ];

    /// The HTTP status that the peer is told.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.status_and_phrase().0
    }

    /// The words that HTTP puts behind the status.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        self.status_and_phrase().1
    }

    const fn status_and_phrase(self) -> (u16, &'static str) {
        match self {
            Self::MissingIdentity
            | Self::EmptyNode
            | Self::EmptyCluster
            | Self::EmptyTenant
            | Self::InvalidIdentity
            | Self::ColonInIdentity
            | Self::MissingClusterName
            | Self::ClusterNameMismatch
            | Self::BodyNotAllowed
            | Self::BadRequest => (400, "Bad Request"),
            Self::Unauthenticated => (401, "Unauthorized"),
            Self::TlsRequired | Self::IdentityMismatch => (403, "Forbidden"),
            Self::NotATunnelRequest => (404, "Not Found"),
            Self::UpgradeRequired | Self::UnsupportedVersion => (426, "Upgrade Required"),
            Self::NodeFull
            | Self::ClusterFull
            | Self::TenantFull
            | Self::ResponderFull
            | Self::TooManyHandshakesFromSource
            | Self::RateLimited => (429, "Too Many Requests"),
            Self::HeadTooLarge => (431, "Request Header Fields Too Large"),
            Self::UnsupportedTransferEncoding => (501, "Not Implemented"),
            Self::TooManyHandshakes | Self::Draining => (503, "Service Unavailable"),
        }
    }

    /// The text that the peer is told.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::NotATunnelRequest => "Not a reverse tunnel request",
            Self::UpgradeRequired => "Upgrade: reverse-tunnel required",
            Self::TlsRequired => "x-revtun-tls: whole required",
            Self::MissingIdentity => "Missing required reverse tunnel headers",
            Self::EmptyNode => "Empty node-id header value",
            Self::EmptyCluster => "Empty cluster-id header value",
            Self::EmptyTenant => "Empty tenant-id header value",
            Self::InvalidIdentity => "Illegal reverse tunnel identifier",
            Self::ColonInIdentity => "Reverse tunnel identifiers must not contain ':' when tenant isolation is enabled",
            Self::MissingClusterName => "Missing upstream cluster name header",
            Self::ClusterNameMismatch => "Cluster name mismatch",
            Self::BodyNotAllowed => "Reverse tunnel handshake must not carry a body",
            Self::UnsupportedTransferEncoding => "Not Implemented",
            Self::UnsupportedVersion => "Upgrade Required",
            Self::BadRequest => "Bad Request",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::Unauthenticated => "JWT authentication failed",
            Self::IdentityMismatch => "validation_failed",
            Self::NodeFull | Self::ClusterFull | Self::TenantFull => "rejected",
            Self::ResponderFull => "Too many reverse tunnels",
            Self::TooManyHandshakes => "Too many handshakes",
            Self::TooManyHandshakesFromSource => "Too many handshakes from one address",
            Self::RateLimited => "Too many new connections",
            Self::Draining => "Draining",
        }
    }

    /// How long the peer is asked to stay away, where we know better than its own backoff.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::NodeFull | Self::ClusterFull | Self::TenantFull | Self::ResponderFull => Some(Duration::from_secs(5)),
            Self::TooManyHandshakes | Self::TooManyHandshakesFromSource | Self::RateLimited | Self::Draining => {
                Some(Duration::from_secs(1))
            }
            Self::NotATunnelRequest
            | Self::UpgradeRequired
            | Self::TlsRequired
            | Self::MissingIdentity
            | Self::EmptyNode
            | Self::EmptyCluster
            | Self::EmptyTenant
            | Self::InvalidIdentity
            | Self::ColonInIdentity
            | Self::MissingClusterName
            | Self::ClusterNameMismatch
            | Self::BodyNotAllowed
            | Self::UnsupportedTransferEncoding
            | Self::UnsupportedVersion
            | Self::BadRequest
            | Self::HeadTooLarge
            | Self::Unauthenticated
            | Self::IdentityMismatch => None,
        }
    }

    /// The name in logs, metrics and journals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotATunnelRequest => "not-a-tunnel-request",
            Self::UpgradeRequired => "upgrade-required",
            Self::TlsRequired => "tls-required",
            Self::MissingIdentity => "missing-identity",
            Self::EmptyNode => "empty-node",
            Self::EmptyCluster => "empty-cluster",
            Self::EmptyTenant => "empty-tenant",
            Self::InvalidIdentity => "invalid-identity",
            Self::ColonInIdentity => "colon-in-identity",
            Self::MissingClusterName => "missing-cluster-name",
            Self::ClusterNameMismatch => "cluster-name-mismatch",
            Self::BodyNotAllowed => "body-not-allowed",
            Self::UnsupportedTransferEncoding => "unsupported-transfer-encoding",
            Self::UnsupportedVersion => "unsupported-version",
            Self::BadRequest => "bad-request",
            Self::HeadTooLarge => "head-too-large",
            Self::Unauthenticated => "unauthenticated",
            Self::IdentityMismatch => "identity-mismatch",
            Self::NodeFull => "node-full",
            Self::ClusterFull => "cluster-full",
            Self::TenantFull => "tenant-full",
            Self::ResponderFull => "responder-full",
            Self::TooManyHandshakes => "too-many-handshakes",
            Self::TooManyHandshakesFromSource => "too-many-handshakes-from-source",
            Self::RateLimited => "rate-limited",
            Self::Draining => "draining",
        }
    }
}
