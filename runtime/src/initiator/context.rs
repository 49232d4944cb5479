//! What all tasks of an initiator share.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use revtun_core::TunnelId;
use revtun_core::address::Address;
use revtun_core::handshake::{Answer, HeaderNames, Instance};
use revtun_core::initiator::{Cause, Config, Event};
use tokio::sync::mpsc;

use super::counters::Counters;
use super::host_table::Resolved;
use crate::host_port::HostPort;
use crate::http::{HttpLimits, IdleTimeout};
use crate::tls::{self, Extent};
use crate::token::TokenFile;
use crate::world::World;

/// What all tasks of an initiator share.
pub(super) struct Context<W, S> {
    pub(super) world: W,
    pub(super) address: Address,
    pub(super) core: Config,
    pub(super) request_path: String,
    pub(super) header_names: HeaderNames,
    pub(super) max_streams: u32,
    pub(super) max_idle_bytes: u32,
    pub(super) http: HttpLimits,
    pub(super) upgrade: bool,
    pub(super) tls: Option<tls::Client>,
    pub(super) token: Option<TokenFile>,
    /// Whether hosts may be on other machines: tunnels are encrypted, or need not be.
    pub(super) allow_remote: bool,
    pub(super) endpoints: Vec<HostPort>,
    pub(super) run: Run,
    pub(super) service: S,
    pub(super) counters: Arc<Counters>,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl<W, S> Context<W, S> {
    /// How far TLS reaches, if there is any.
    pub(super) fn extent(&self) -> Option<Extent> {
        self.tls.as_ref().map(|tls| tls.extent)
    }
}

impl<W: World, S> Context<W, S> {
    /// The idle timeout of the requests that come through tunnels.
    pub(super) fn idle_timeout(&self) -> IdleTimeout<W> {
        IdleTimeout::new(&self.world, self.http.body_timeout, &self.counters.idle_timeouts)
    }
}

/// Keeps the driver of an initiator running, by keeping the channel for its orders open.
#[derive(Debug)]
pub(crate) struct KeepRunning {
    pub(super) _drains: mpsc::Sender<Duration>,
}

/// What the tasks of an initiator report to its driver.
#[derive(Debug)]
pub(super) enum Input {
    /// Any event but an answer and the end of a tunnel.
    Event(Event),
    /// The responder answered the handshake of a tunnel.
    Answered {
        tunnel: TunnelId,
        answer: Answer,
        /// Why it refused, in its own words; may be empty.
        reason: String,
    },
    /// The connection of a tunnel ended, or could not be established.
    Ended { tunnel: TunnelId, cause: Cause, error: io::Error },
    /// An answer of the resolver.
    Resolved(Resolved),
}

/// One run of an initiator process, shared by all its listeners.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) instance: Instance,
    /// Connections dialled so far.
    pub(super) connections: Arc<AtomicU64>,
}

impl Run {
    /// A new run, with a random instance id.
    #[must_use]
    pub fn begin(world: &impl World) -> Self {
        let instance = Instance(u128::from(world.random()) << 64 | u128::from(world.random()));
        Self { instance, connections: Arc::default() }
    }
}
