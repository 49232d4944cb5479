//! The initiator.
mod config;
mod event;

pub use config::{Config, HEARD_GRANULARITY};
pub use event::{Cause, CloseReason, Effect, Event, HostId, Protocol};

use crate::{Effects, Env, Instant, Machine, TunnelId};

/// The machine. (Stand-in: the runtime is written against this surface while the machine grows behind it.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Initiator {
    config: Config,
}

/// Where a tunnel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The transport is being connected.
    Dialing,
    /// The handshake is under way.
    Handshaking,
    /// Accepted, not used yet.
    Idle,
    /// Carries requests.
    InUse,
    /// Finishes its streams.
    Draining,
}

/// One tunnel, for people and for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelView {
    /// Its name.
    pub tunnel: TunnelId,
    /// Its host.
    pub host: HostId,
    /// Where it stands.
    pub stage: Stage,
    /// When it was last heard.
    pub heard: Instant,
}

impl Initiator {
    /// An initiator without hosts.
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
    pub fn tunnels(&self) -> impl Iterator<Item = TunnelView> + '_ {
        core::iter::empty()
    }

    /// Whether at least one tunnel is up, was heard since it was accepted, and is not being drained.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        false
    }

    /// How many events were about a tunnel or host that is no longer known.
    #[must_use]
    pub fn stale(&self) -> u64 {
        0
    }
}

impl Machine for Initiator {
    type Event<'a> = Event;
    type Effect = Effect;
    const TICK: Event = Event::Tick;

    fn step(&mut self, _env: Env, _event: Event) -> Effects<Effect> {
        Effects::NONE
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn check(&self) {}
}
