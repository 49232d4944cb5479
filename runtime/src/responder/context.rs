//! What all tasks of a responder share.

use std::sync::Arc;
use std::time::Duration;

use revtun_core::handshake::Rules;
use revtun_core::network::Networks;
use revtun_core::responder::{Config, Event};
use revtun_core::upgrade::Upgrades;

use super::counters::Counters;
use super::date::DateCache;
use super::revocation::Revocation;
use super::shared::Shared;
use crate::http::{HttpLimits, IdleTimeout};
use crate::tls::{Server, TunnelServer};
use crate::token::TokenVerifier;
use crate::world::World;

/// What all tasks of a responder share.
pub(super) struct Context<W: World> {
    pub(super) world: W,
    pub(super) config: Config,
    pub(super) rules: Rules,
    pub(super) max_idle_bytes: usize,
    pub(super) http: HttpLimits,
    pub(super) upgrades: Upgrades,
    pub(super) request_timeout: Duration,
    pub(super) caller_timeout: Duration,
    pub(super) tls: Option<TunnelServer>,
    pub(super) token: Option<TokenVerifier>,
    pub(super) revocation: Revocation,
    pub(super) egress_tls: Option<Server>,
    pub(super) trusted_hops: Networks,
    pub(super) shared: Arc<Shared<W>>,
    pub(super) counters: Counters,
    /// The date of responses to callers.
    pub(super) dates: DateCache,
}

impl<W: World> Context<W> {
    /// The idle timeout of callers' requests.
    pub(super) fn idle_timeout(&self) -> IdleTimeout<W> {
        IdleTimeout::new(&self.world, self.http.body_timeout, &self.counters.idle_timeouts)
    }

    /// Steps the machine by an event to which it has no answer for this task.
    pub(super) fn report(&self, event: Event<'_>) {
        let _not_about_us = self.shared.step(event);
    }
}

/// How far a responder's shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connections are accepted.
    Serving,
    /// No new connections; requests may finish.
    Draining,
    /// What is left is dropped.
    Stopped,
}
