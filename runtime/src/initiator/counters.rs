//! The counters of an initiator.

use std::sync::Arc;

use revtun_core::handshake::Answer;
use revtun_core::initiator::{Cause, CloseReason};

use crate::counter::Counter;

/// The outcome of a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum HandshakeOutcome {
    Accepted,
    /// Refused, with this status.
    Status(u16),
    /// The responder would leave TLS after its response.
    Downgraded,
    Malformed,
    TimedOut,
    /// The connection was lost before a response came.
    Lost,
}

impl HandshakeOutcome {
    const NAMES: [&'static str; 10] =
        ["accepted", "1xx", "2xx", "3xx", "4xx", "5xx", "malformed", "timed-out", "lost", "downgraded"];

    /// That of an answer.
    pub(super) const fn of(answer: Answer) -> Self {
        match answer {
            Answer::Accepted { .. } => Self::Accepted,
            Answer::Refused { status, .. } => Self::Status(status),
            Answer::Downgraded => Self::Downgraded,
            Answer::Malformed => Self::Malformed,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Accepted => 0,
            Self::Status(status) => usize::from(status / 100).clamp(1, 5),
            Self::Malformed => 6,
            Self::TimedOut => 7,
            Self::Lost => 8,
            Self::Downgraded => 9,
        }
    }
}

/// Why a dial, a handshake or a tunnel ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum TunnelEnd {
    /// The machine closed it.
    Closed(CloseReason),
    /// The host refused the connection.
    DialRefused,
    /// The connection failed.
    Lost,
}

impl TunnelEnd {
    const NAMES: [&'static str; 10] = [
        "connect-timeout",
        "handshake-timeout",
        "refused",
        "malformed",
        "silent",
        "surplus",
        "drained",
        "dial-refused",
        "lost",
        "downgraded",
    ];

    /// That of a connection that ended by itself.
    pub(super) const fn of(cause: Cause) -> Self {
        match cause {
            Cause::Refused => Self::DialRefused,
            Cause::Lost => Self::Lost,
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Closed(CloseReason::ConnectTimeout) => 0,
            Self::Closed(CloseReason::HandshakeTimeout) => 1,
            Self::Closed(CloseReason::Refused(_)) => 2,
            Self::Closed(CloseReason::Malformed) => 3,
            Self::Closed(CloseReason::Silent) => 4,
            Self::Closed(CloseReason::Surplus) => 5,
            Self::Closed(CloseReason::Drained) => 6,
            Self::DialRefused => 7,
            Self::Lost => 8,
            Self::Closed(CloseReason::Downgraded) => 9,
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

/// The counters that the tasks of an initiator share.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dials: Counter,
    pub(super) pings_echoed: Counter,
    pub(super) requests: Counter,
    pub(super) idle_timeouts: Arc<Counter>,
    handshakes: [Counter; HandshakeOutcome::NAMES.len()],
    tunnel_ends: [Counter; TunnelEnd::NAMES.len()],
}

impl Counters {
    pub(super) fn handshaken(&self, outcome: HandshakeOutcome) {
        self.handshakes[outcome.index()].add(1);
    }

    pub(super) fn ended(&self, ending: TunnelEnd) {
        self.tunnel_ends[ending.index()].add(1);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            dials: self.dials.read(),
            handshakes: named(HandshakeOutcome::NAMES, &self.handshakes),
            pings_echoed: self.pings_echoed.read(),
            requests: self.requests.read(),
            idle_timeouts: self.idle_timeouts.read(),
            tunnels_closed: named(TunnelEnd::NAMES, &self.tunnel_ends),
        }
    }
}

fn named<const N: usize>(names: [&'static str; N], counters: &[Counter; N]) -> Vec<(&'static str, u64)> {
    names.into_iter().zip(counters.iter().map(Counter::read)).collect()
}

/// The values of all counters since the start. Every list has each reason once, also those with a count of zero.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Dials.
    pub dials: u64,
    /// Handshakes by outcome: `accepted`, the class of another status, or the reason of a failure.
    pub handshakes: Vec<(&'static str, u64)>,
    /// Pings answered.
    pub pings_echoed: u64,
    /// Requests received through tunnels.
    pub requests: u64,
    /// Requests that exceeded the stream idle timeout.
    pub idle_timeouts: u64,
    /// Dials, handshakes and tunnels that ended, by reason.
    pub tunnels_closed: Vec<(&'static str, u64)>,
}
