//! What happened since the start, in numbers.

use std::sync::Arc;

use revtun_core::handshake::Rejection;
use revtun_core::responder::Refusal;
use revtun_core::token::TokenFault;

use super::egress::{CutOff, OwnAnswer};
use super::ending::Ending;
use crate::counter::Counter;

/// What the tasks of a responder count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) handshakes_accepted: Counter,
    pub(super) handshakes_abandoned: Counter,
    pub(super) handshake_timeouts: Counter,
    pub(super) tls_failures: Counter,
    pub(super) pings_sent: Counter,
    pub(super) pings_echoed: Counter,
    pub(super) requests_assigned: Counter,
    pub(super) requests_waited: Counter,
    pub(super) requests_retried: Counter,
    pub(super) requests_broken_off: Arc<Counter>,
    pub(super) accept_pauses: Arc<Counter>,
    rejections: [Counter; Rejection::ALL.len()],
    token_faults: [Counter; TokenFault::ALL.len()],
    endings: [Counter; Ending::NAMES.len()],
    refusals: [Counter; REFUSALS.len()],
    answers: [Counter; OwnAnswer::ALL.len()],
    cut_off: [Counter; CutOff::ALL.len()],
}

const REFUSALS: [Refusal; 7] = [
    Refusal::NoTenant,
    Refusal::Absent,
    Refusal::Saturated,
    Refusal::TooManyWaiting,
    Refusal::TenantSaturated,
    Refusal::TenantWaiting,
    Refusal::Draining,
];

impl Counters {
    pub(super) fn rejected(&self, rejection: Rejection) {
        self.rejections[rejection as usize].add(1);
    }

    pub(super) fn token_refused(&self, fault: TokenFault) {
        self.token_faults[fault as usize].add(1);
    }

    pub(super) fn ended(&self, ending: Ending) {
        self.endings[ending.index()].add(1);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refusals[refusal as usize].add(1);
    }

    pub(super) fn answered(&self, answer: OwnAnswer) {
        self.answers[answer as usize].add(1);
    }

    pub(super) fn cut_off(&self, why: CutOff) {
        self.cut_off[why as usize].add(1);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            handshakes_accepted: self.handshakes_accepted.read(),
            handshakes_abandoned: self.handshakes_abandoned.read(),
            handshake_timeouts: self.handshake_timeouts.read(),
            tls_failures: self.tls_failures.read(),
            handshakes_rejected: named(Rejection::ALL.map(Rejection::name), &self.rejections),
            tokens_refused: named(TokenFault::ALL.map(TokenFault::name), &self.token_faults),
            pings_sent: self.pings_sent.read(),
            pings_echoed: self.pings_echoed.read(),
            tunnels_closed: named(Ending::NAMES, &self.endings),
            requests_assigned: self.requests_assigned.read(),
            requests_waited: self.requests_waited.read(),
            requests_retried: self.requests_retried.read(),
            requests_broken_off: self.requests_broken_off.read(),
            accept_pauses: self.accept_pauses.read(),
            requests_refused: named(REFUSALS.map(|refusal| OwnAnswer::from(refusal).reason()), &self.refusals),
            own_answers: named(OwnAnswer::ALL.map(OwnAnswer::reason), &self.answers),
            callers_cut_off: named(CutOff::ALL.map(CutOff::reason), &self.cut_off),
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
    /// Handshakes answered with 200 (101).
    pub handshakes_accepted: u64,
    /// Connections whose peer went away before it had said who it is.
    pub handshakes_abandoned: u64,
    /// Connections closed since the peer took too long to say who it is.
    pub handshake_timeouts: u64,
    /// Connections at the tunnel listener whose TLS handshake failed.
    pub tls_failures: u64,
    /// Handshakes turned away, by [`Rejection::name`].
    pub handshakes_rejected: Vec<(&'static str, u64)>,
    /// Tokens that proved nothing, by [`TokenFault::name`].
    pub tokens_refused: Vec<(&'static str, u64)>,
    /// Pings written.
    pub pings_sent: u64,
    /// Echoes read.
    pub pings_echoed: u64,
    /// Tunnels that were accepted and closed, by reason.
    pub tunnels_closed: Vec<(&'static str, u64)>,
    /// Requests that were given a tunnel; one that is tried again counts again.
    pub requests_assigned: u64,
    /// Requests that had to wait for a tunnel.
    pub requests_waited: u64,
    /// Requests that were tried again since their tunnel was lost.
    pub requests_retried: u64,
    /// Requests of callers that were broken off since a body of theirs lay still.
    pub requests_broken_off: u64,
    /// How often a listener had to pause, for want of file descriptors or memory.
    pub accept_pauses: u64,
    /// Requests that got no tunnel, by reason.
    pub requests_refused: Vec<(&'static str, u64)>,
    /// Answers of our own, by `x-revtun-reason`.
    pub own_answers: Vec<(&'static str, u64)>,
    /// Callers' connections that ended before their time, by reason.
    pub callers_cut_off: Vec<(&'static str, u64)>,
}
