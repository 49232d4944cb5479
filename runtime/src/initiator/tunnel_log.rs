//! The lines of the log about one tunnel: failures of its host by change and not by try.

use std::net::SocketAddr;

use revtun_core::TunnelId;
use revtun_core::handshake::Answer;
use revtun_core::initiator::CloseReason;
use revtun_core::outage::Outage;
use tracing::{debug, info, warn};

use super::counters::TunnelEnd;

/// A line for an operator if it is news, and one for a developer if it is not.
macro_rules! log_failure {
    ($is_news:expr, $($line:tt)*) => {
        if $is_news { warn!($($line)*) } else { debug!($($line)*) }
    };
}

/// Why an answer is a failure of the host; none if it is no failure. The responder gave a `reason`, which may be empty.
pub(super) fn why_refused(answer: Answer, reason: &str) -> Option<String> {
    match answer {
        Answer::Accepted { .. } => None,
        Answer::Refused { status, .. } if reason.is_empty() => Some(format!("the responder answered {status}")),
        Answer::Refused { status, .. } => Some(format!("the responder answered {status}: {reason}")),
        Answer::Downgraded => Some("the responder would leave TLS after its response".to_owned()),
        Answer::Malformed => Some("the response is no HTTP/1.1".to_owned()),
    }
}

/// Why the end of a tunnel by the machine says something about its host, if it does, and was not noted before.
pub(super) const fn why_closed(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::ConnectTimeout => Some("no connection in time"),
        CloseReason::HandshakeTimeout => Some("no answer to the handshake in time"),
        CloseReason::Silent => Some("the responder was silent for too long"),
        // The answer was noted when it came.
        CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => None,
        CloseReason::Surplus | CloseReason::Drained => None,
    }
}

/// How far a tunnel came, for the log of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Dialling,
    /// Connected, and the handshake was sent.
    Handshaking,
    /// The handshake was answered.
    Answered,
    /// A GOAWAY of either end: the connection may close at any time.
    Draining,
}

/// What the lines are about.
#[derive(Clone, Copy)]
pub(super) struct TunnelLog {
    pub(super) tunnel: TunnelId,
    pub(super) peer: SocketAddr,
}

impl TunnelLog {
    /// The responder accepted it, which ends an `outage` of its host.
    pub(super) fn accepted(self, revtun: bool, outage: Option<&Outage>) {
        let Self { tunnel, peer } = self;
        match outage.filter(|outage| outage.failures() > 1) {
            None => info!(%tunnel, %peer, revtun, "tunnel up"),
            Some(outage) => info!(%tunnel, %peer, revtun, failures = outage.failures(), "tunnel up"),
        }
    }

    /// The handshake failed by an answer; [`why_refused`] says why.
    pub(super) fn refused(self, is_news: bool, answer: Answer, why: &str, reason: &str) {
        let Self { tunnel, peer } = self;
        match answer {
            Answer::Accepted { .. } => {}
            Answer::Refused { status, retry_after } => {
                log_failure!(is_news, %tunnel, %peer, status, reason, ?retry_after, "handshake refused");
            }
            Answer::Downgraded => log_failure!(is_news, %tunnel, %peer, "handshake refused by us: {why}"),
            Answer::Malformed => log_failure!(is_news, %tunnel, %peer, "handshake failed: {why}"),
        }
    }

    /// The machine closed it.
    pub(super) fn closed(self, is_news: bool, reason: CloseReason) {
        let Self { tunnel, peer } = self;
        let name = TunnelEnd::Closed(reason).name();
        match reason {
            CloseReason::ConnectTimeout => log_failure!(is_news, %tunnel, %peer, reason = name, "dial failed"),
            CloseReason::HandshakeTimeout => log_failure!(is_news, %tunnel, %peer, reason = name, "handshake failed"),
            CloseReason::Refused(_) | CloseReason::Downgraded | CloseReason::Malformed => {}
            CloseReason::Silent => warn!(%tunnel, %peer, reason = name, "tunnel closed"),
            CloseReason::Surplus | CloseReason::Drained => info!(%tunnel, %peer, reason = name, "tunnel closed"),
        }
    }

    /// Its connection ended.
    pub(super) fn ended(self, is_news: bool, progress: Progress, reason: &str) {
        let Self { tunnel, peer } = self;
        match progress {
            Progress::Dialling => log_failure!(is_news, %tunnel, %peer, reason, "dial failed"),
            Progress::Handshaking => log_failure!(is_news, %tunnel, %peer, reason, "handshake failed"),
            Progress::Answered => info!(%tunnel, %peer, reason, "tunnel lost"),
            Progress::Draining => info!(%tunnel, %peer, reason, "tunnel closed"),
        }
    }
}
