//! Events and effects of the initiator.

use core::time::Duration;

use crate::TunnelId;
use crate::handshake::Answer;

/// Names one host (an address that an upstream's name resolved to); chosen by the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// What happened. Each variant is an action of the specification; `Tick` is named there by the timer it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Keep `count` tunnels to `host`; zero drains the host and, when nothing is left of it, forgets it.
    TargetSet {
        /// The host, known already or new.
        host: HostId,
        /// How many tunnels it shall have, at most [`crate::address::MAX_COUNT`].
        count: u16,
    },
    /// The transport of a dialled tunnel is up.
    Connected {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// The responder answered the handshake.
    Answered {
        /// The tunnel.
        tunnel: TunnelId,
        /// What it answered.
        answer: Answer,
    },
    /// At least one byte came from the responder. Reported at most once every
    /// [`HEARD_GRANULARITY`](super::HEARD_GRANULARITY) and tunnel.
    Heard {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// The first byte came that is not part of a ping: the tunnel is in use from here on.
    Used {
        /// The tunnel.
        tunnel: TunnelId,
        /// What it turned out to speak.
        protocol: Protocol,
    },
    /// The transport is gone, or never came up.
    Closed {
        /// The tunnel.
        tunnel: TunnelId,
        /// How it ended.
        cause: Cause,
    },
    /// The responder sent an HTTP/2 GOAWAY: it takes the tunnel out of use and lets streams finish.
    GoawayReceived {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Drain for good: no new tunnel, let streams finish for at most `grace`, then close.
    DrainRequested {
        /// How long streams may go on.
        grace: Duration,
    },
    /// The deadline has passed.
    Tick,
}

/// What a tunnel in use speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/2: our PINGs make a living responder heard at least every few seconds.
    Http2,
    /// HTTP/1.1, which has no pings, or what the runtime does not look into: long silence is normal.
    Http1,
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The host answered the dial with a refusal: it is up, and nothing listens.
    Refused,
    /// Anything else: unreachable, reset, end of stream, an I/O error.
    Lost,
}

/// What the runtime is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Connect to `host`, and report `Connected` or `Closed`.
    Dial {
        /// The new tunnel.
        tunnel: TunnelId,
        /// Where to.
        host: HostId,
    },
    /// Send the handshake request, and report `Answered` or `Closed`.
    SendHandshake {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Hand the tunnel to whoever accepts tunnels: answer pings, then serve.
    Deliver {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Send GOAWAY, let streams finish, then close and report `Closed`. A tunnel never used is only closed later.
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
    /// The host has no tunnels and no target: its id will not be used again.
    Forget {
        /// The host.
        host: HostId,
    },
    /// The drain is over and no tunnel is left. Reported once.
    Drained,
}

/// Why an initiator closes a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// The dial took too long.
    ConnectTimeout,
    /// The answer took too long.
    HandshakeTimeout,
    /// The responder answered with this status.
    Refused(u16),
    /// The responder would leave TLS behind its answer.
    Downgraded,
    /// The answer was not HTTP/1.1.
    Malformed,
    /// Nothing was heard for the liveness window.
    Silent,
    /// The host has more tunnels than its target.
    Surplus,
    /// The drain's grace, or that of a peer's GOAWAY, is over.
    Drained,
}
