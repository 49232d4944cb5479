//! The counters of a responder.

use std::sync::Arc;

use revtun_core::handshake::Rejection;
use revtun_core::responder::Refusal;
use revtun_core::token::TokenError;

use super::downstream_error::DownstreamError;
use super::local_reply::LocalReply;
use super::tunnel_end::TunnelEnd;
use crate::connections::ConnectionCounts;
use crate::counter::Counter;

/// What the tasks of a responder count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) handshakes_accepted: Counter,
    pub(super) handshakes_abandoned: Counter,
    pub(super) handshake_timeouts: Counter,
    pub(super) handshakes_dropped: Counter,
    pub(super) tls_failures: Counter,
    pub(super) credentials_expired: Counter,
    pub(super) credentials_revoked: Counter,
    pub(super) pings_sent: Counter,
    pub(super) pings_echoed: Counter,
    pub(super) requests_assigned: Counter,
    pub(super) requests_waited: Counter,
    pub(super) requests_retried: Counter,
    pub(super) idle_timeouts: Arc<Counter>,
    pub(super) accept_pauses: Arc<Counter>,
    pub(super) downstream_connections: Arc<ConnectionCounts>,
    rejections: [Counter; Rejection::ALL.len()],
    token_faults: [Counter; TokenError::ALL.len()],
    tunnel_ends: [Counter; TunnelEnd::NAMES.len()],
    refusals: [Counter; REFUSALS.len()],
    local_replies: [Counter; LocalReply::ALL.len()],
    downstream_errors: [Counter; DownstreamError::ALL.len()],
}

const REFUSALS: [Refusal; 8] = [
    Refusal::MissingTenant,
    Refusal::NoTunnel,
    Refusal::AmbiguousNode,
    Refusal::Saturated,
    Refusal::QueueFull,
    Refusal::TenantSaturated,
    Refusal::TenantQueueFull,
    Refusal::Draining,
];

impl Counters {
    pub(super) fn rejected(&self, rejection: Rejection) {
        self.rejections[rejection as usize].add(1);
    }

    pub(super) fn token_refused(&self, fault: TokenError) {
        self.token_faults[fault as usize].add(1);
    }

    pub(super) fn ended(&self, ending: TunnelEnd) {
        self.tunnel_ends[ending.index()].add(1);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refusals[refusal as usize].add(1);
    }

    pub(super) fn local_reply(&self, reply: LocalReply) {
        self.local_replies[reply as usize].add(1);
    }

    pub(super) fn downstream_error(&self, error: DownstreamError) {
        self.downstream_errors[error as usize].add(1);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            handshakes_accepted: self.handshakes_accepted.read(),
            handshakes_abandoned: self.handshakes_abandoned.read(),
            handshake_timeouts: self.handshake_timeouts.read(),
            handshakes_dropped: self.handshakes_dropped.read(),
            tls_failures: self.tls_failures.read(),
            credentials_ended: vec![
                ("expired", self.credentials_expired.read()),
                ("revoked", self.credentials_revoked.read()),
            ],
            handshakes_rejected: named(Rejection::ALL.map(Rejection::name), &self.rejections),
            tokens_refused: named(TokenError::ALL.map(TokenError::name), &self.token_faults),
            pings_sent: self.pings_sent.read(),
            pings_echoed: self.pings_echoed.read(),
            tunnels_closed: named(TunnelEnd::NAMES, &self.tunnel_ends),
            requests_assigned: self.requests_assigned.read(),
            requests_waited: self.requests_waited.read(),
            requests_retried: self.requests_retried.read(),
            idle_timeouts: self.idle_timeouts.read(),
            accept_pauses: self.accept_pauses.read(),
            requests_refused: named(REFUSALS.map(|refusal| LocalReply::from(refusal).reason()), &self.refusals),
            local_replies: named(LocalReply::ALL.map(LocalReply::reason), &self.local_replies),
            downstream_connections: self.downstream_connections.open(),
            downstream_connections_refused: self.downstream_connections.refused(),
            downstream_connections_displaced: self.downstream_connections.displaced(),
            downstream_errors: named(DownstreamError::ALL.map(DownstreamError::reason), &self.downstream_errors),
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
    /// Handshakes answered with 200 (101).
    pub handshakes_accepted: u64,
    /// Connections that the peer closed before the handshake was complete.
    pub handshakes_abandoned: u64,
    /// Connections closed since no complete handshake came in time.
    pub handshake_timeouts: u64,
    /// Connections closed before their time since too many handshakes were under way, most of them from their network.
    pub handshakes_dropped: u64,
    /// Connections at the tunnel listener whose TLS handshake failed.
    pub tls_failures: u64,
    /// Tunnels that were drained because what proved their identity ended, `expired` or `revoked`.
    pub credentials_ended: Vec<(&'static str, u64)>,
    /// Handshakes and connections rejected, by [`Rejection::name`].
    pub handshakes_rejected: Vec<(&'static str, u64)>,
    /// Tokens refused, by [`TokenError::name`].
    pub tokens_refused: Vec<(&'static str, u64)>,
    /// Pings sent.
    pub pings_sent: u64,
    /// Echoes received.
    pub pings_echoed: u64,
    /// Tunnels that were accepted and closed, by reason.
    pub tunnels_closed: Vec<(&'static str, u64)>,
    /// Requests that were assigned to a tunnel; each retry counts again.
    pub requests_assigned: u64,
    /// Requests that had to wait for a tunnel.
    pub requests_waited: u64,
    /// Requests retried since their tunnel was lost.
    pub requests_retried: u64,
    /// Requests that exceeded the stream idle timeout.
    pub idle_timeouts: u64,
    /// How often a listener paused since file descriptors or memory ran out.
    pub accept_pauses: u64,
    /// Requests that got no tunnel, by reason.
    pub requests_refused: Vec<(&'static str, u64)>,
    /// Local replies, by `x-revtun-reason`.
    pub local_replies: Vec<(&'static str, u64)>,
    /// Callers' connections that are open now.
    pub downstream_connections: u64,
    /// Callers' connections refused, by reason.
    pub downstream_connections_refused: Vec<(&'static str, u64)>,
    /// Callers' connections without a request that were closed since others came in their place.
    pub downstream_connections_displaced: u64,
    /// Callers' connections that failed, by reason.
    pub downstream_errors: Vec<(&'static str, u64)>,
}
