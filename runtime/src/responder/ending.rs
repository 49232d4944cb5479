//! How a tunnel comes to its end.

use revtun_core::responder::CloseReason;

/// Why a connection at the tunnel listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The machine closed it.
    Ordered(CloseReason),
    /// The peer closed it.
    PeerClosed,
    /// The transport failed, or what came through it was no HTTP/2.
    Lost,
    /// The peer sent something that is no echo through a tunnel never used.
    Intruded,
    /// The peer sent more echoes through a tunnel never used than anybody could have asked for.
    Flooded,
}

impl Ending {
    /// The names of all endings, by [`Self::index`].
    pub(super) const NAMES: [&'static str; 12] = [
        "handshake-timeout",
        "linger-timeout",
        "ping-timeout",
        "silent",
        "drained",
        "grace-expired",
        "superseded",
        "evicted",
        "peer-closed",
        "lost",
        "unexpected-bytes",
        "echo-flood",
    ];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Ordered(CloseReason::HandshakeTimeout) => 0,
            Self::Ordered(CloseReason::LingerTimeout) => 1,
            Self::Ordered(CloseReason::PingTimeout) => 2,
            Self::Ordered(CloseReason::Silent) => 3,
            Self::Ordered(CloseReason::Drained) => 4,
            Self::Ordered(CloseReason::GraceExpired) => 5,
            Self::Ordered(CloseReason::Superseded) => 6,
            Self::Ordered(CloseReason::Evicted) => 7,
            Self::PeerClosed => 8,
            Self::Lost => 9,
            Self::Intruded => 10,
            Self::Flooded => 11,
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}
