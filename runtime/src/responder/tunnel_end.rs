//! How a tunnel ends.

use revtun_core::responder::CloseReason;

/// Why a connection at the tunnel listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TunnelEnd {
    /// The machine closed it.
    Closed(CloseReason),
    /// The peer closed it.
    ClosedByPeer,
    /// The connection failed, or the peer violated HTTP/2.
    Lost,
    /// The peer sent something that is no echo on a tunnel never used.
    UnexpectedBytes,
    /// The peer sent more echoes on a tunnel never used than there were pings.
    EchoFlood,
}

impl TunnelEnd {
    /// The reasons of all ends in logs and metrics, by [`Self::index`].
    pub(super) const NAMES: [&'static str; 15] = [
        "handshake-timeout",
        "linger-timeout",
        "ping-timeout",
        "silent",
        "drained",
        "grace-expired",
        "superseded",
        "evicted",
        "handshake-dropped",
        "peer-closed",
        "lost",
        "unexpected-bytes",
        "echo-flood",
        "credentials-expired",
        "credentials-revoked",
    ];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Closed(CloseReason::HandshakeTimeout) => 0,
            Self::Closed(CloseReason::LingerTimeout) => 1,
            Self::Closed(CloseReason::PingTimeout) => 2,
            Self::Closed(CloseReason::Silent) => 3,
            Self::Closed(CloseReason::Drained) => 4,
            Self::Closed(CloseReason::GraceExpired) => 5,
            Self::Closed(CloseReason::Superseded) => 6,
            Self::Closed(CloseReason::Evicted) => 7,
            Self::Closed(CloseReason::HandshakeDropped) => 8,
            Self::ClosedByPeer => 9,
            Self::Lost | Self::Closed(CloseReason::ConnectionLost) => 10,
            Self::UnexpectedBytes => 11,
            Self::EchoFlood => 12,
            Self::Closed(CloseReason::CredentialsExpired) => 13,
            Self::Closed(CloseReason::CredentialsRevoked) => 14,
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}
