//! What happened since the start, in numbers.

use std::sync::Arc;

use revtun_core::initiator::CloseReason;

use crate::counter::Counter;

/// How a handshake that was begun came out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Accepted,
    /// Not accepted, with a status of the hundred that begins with this digit.
    Status(u16),
    /// The responder would leave TLS behind its answer.
    Downgraded,
    Malformed,
    TimedOut,
    /// The responder hung up instead of answering.
    Lost,
}

impl Outcome {
    const NAMES: [&'static str; 10] =
        ["accepted", "1xx", "2xx", "3xx", "4xx", "5xx", "malformed", "timed-out", "lost", "downgraded"];

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

/// Why a tunnel, up or not, is no more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// The machine closed it.
    Ordered(CloseReason),
    /// Nothing listens at the host.
    DialRefused,
    /// The transport is gone, or never came up.
    Lost,
}

impl Ending {
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

    fn index(self) -> usize {
        match self {
            Self::Ordered(CloseReason::ConnectTimeout) => 0,
            Self::Ordered(CloseReason::HandshakeTimeout) => 1,
            Self::Ordered(CloseReason::Refused(_)) => 2,
            Self::Ordered(CloseReason::Malformed) => 3,
            Self::Ordered(CloseReason::Silent) => 4,
            Self::Ordered(CloseReason::Surplus) => 5,
            Self::Ordered(CloseReason::Drained) => 6,
            Self::DialRefused => 7,
            Self::Lost => 8,
            Self::Ordered(CloseReason::Downgraded) => 9,
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

/// What the tasks of an initiator count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dials: Counter,
    pub(super) pings_echoed: Counter,
    pub(super) requests: Counter,
    pub(super) requests_broken_off: Arc<Counter>,
    handshakes: [Counter; Outcome::NAMES.len()],
    endings: [Counter; Ending::NAMES.len()],
}

impl Counters {
    pub(super) fn handshaken(&self, outcome: Outcome) {
        self.handshakes[outcome.index()].add(1);
    }

    pub(super) fn ended(&self, ending: Ending) {
        self.endings[ending.index()].add(1);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            dials: self.dials.read(),
            handshakes: named(Outcome::NAMES, &self.handshakes),
            pings_echoed: self.pings_echoed.read(),
            requests: self.requests.read(),
            requests_broken_off: self.requests_broken_off.read(),
            tunnels_closed: named(Ending::NAMES, &self.endings),
        }
    }
}

fn named<const N: usize>(names: [&'static str; N], counters: &[Counter; N]) -> Vec<(&'static str, u64)> {
    names.into_iter().zip(counters.iter().map(Counter::read)).collect()
}

/// What happened since the start. Every list names each kind once, also what never happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections begun.
    pub dials: u64,
    /// Handshakes by outcome: `accepted`, the class of another status, or what came instead of one.
    pub handshakes: Vec<(&'static str, u64)>,
    /// Pings answered.
    pub pings_echoed: u64,
    /// Requests that came through tunnels.
    pub requests: u64,
    /// Those of them that were broken off since a body of theirs lay still.
    pub requests_broken_off: u64,
    /// Dials, handshakes and tunnels that came to an end, by reason.
    pub tunnels_closed: Vec<(&'static str, u64)>,
}
