//! The responder.
mod config;
mod event;

pub use config::{Config, HEARD_GRANULARITY};
pub use event::{CloseReason, DrainScope, Effect, Event, Hello, Place, Refusal, StreamId, Target, Verdict};

use crate::identity::Identity;
use crate::{Effects, Env, Instant, Machine, TunnelId};

/// The machine. (Stand-in: the runtime is written against this surface while the machine grows behind it.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    config: Config,
}

/// Where a tunnel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The handshake is under way.
    Handshaking,
    /// The handshake was turned away; the peer has yet to close.
    Rejected,
    /// Accepted a moment ago by a peer that wants to be left alone for that moment.
    Settling,
    /// Not used yet, pinged.
    Idle,
    /// Carries requests.
    InUse,
    /// Finishes its streams.
    Draining,
}

/// One tunnel, for people and for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelView<'a> {
    /// Its name.
    pub tunnel: TunnelId,
    /// Where it stands.
    pub stage: Stage,
    /// Who is at the other end; none before the handshake is done.
    pub identity: Option<Identity<'a>>,
    /// Requests under way.
    pub streams: u32,
    /// When it was last heard.
    pub heard: Instant,
}

/// How many there are of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections whose handshake is not done.
    pub handshakes: u32,
    /// Tunnels accepted and not closed.
    pub tunnels: u32,
    /// Nodes with at least one tunnel.
    pub nodes: u32,
    /// Requests under way.
    pub streams: u32,
    /// Callers that wait for a tunnel.
    pub waiting: u32,
    /// Events about something no longer known, since the start.
    pub stale: u64,
}

impl Responder {
    /// A responder without tunnels.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every tunnel, by slot.
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelView<'_>> + '_ {
        core::iter::empty()
    }

    /// How many there are of everything; no walk.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Whether everything is being drained.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        false
    }
}

impl Machine for Responder {
    type Event<'a> = Event<'a>;
    type Effect = Effect;
    const TICK: Event<'static> = Event::Tick;

    fn step(&mut self, _env: Env, _event: Event<'_>) -> Effects<Effect> {
        Effects::NONE
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn check(&self) {}
}
