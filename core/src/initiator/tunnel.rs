//! One tunnel, as its initiator sees it.

use super::{HostId, Protocol, Timer, host_backoff};
use crate::timers::Alarm;
use crate::{Instant, TunnelId};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tunnel {
    pub(super) host: HostId,
    pub(super) phase: Phase,
    pub(super) dialed: Instant,
    pub(super) heard: Instant,
    pub(super) alarm: Alarm<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Dialing,
    Handshaking,
    Idle {
        accepted: Instant,
        pings: Pings,
        /// The responder is revtun, which understands an HTTP/2 server that speaks first.
        revtun: bool,
    },
    InUse {
        protocol: Protocol,
    },
    Draining,
}

/// What is known from the pings of an idle tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pings {
    /// Nothing: a 200 alone proves nothing (reference §2.3).
    None,
    /// One came: the responder keeps the tunnel.
    One,
    /// It is known how often they come.
    Regular,
}

impl Pings {
    pub(super) const fn prove(self) -> bool {
        match self {
            Self::None => false,
            Self::One | Self::Regular => true,
        }
    }
}

impl Phase {
    /// Whether the tunnel counts toward its host's target.
    pub(super) const fn is_live(self) -> bool {
        match self {
            Self::Dialing | Self::Handshaking | Self::Idle { .. } | Self::InUse { .. } => true,
            Self::Draining => false,
        }
    }

    /// The order of shedding: the highest goes first.
    pub(super) const fn sheds_easily(self) -> u8 {
        match self {
            Self::Dialing | Self::Handshaking => 2,
            Self::Idle { .. } => 1,
            Self::InUse { .. } | Self::Draining => 0,
        }
    }
}

impl Tunnel {
    pub(super) const fn is_proven(&self) -> bool {
        match self.phase {
            Phase::Idle { pings, .. } => pings.prove(),
            Phase::InUse { .. } => true,
            Phase::Dialing | Phase::Handshaking | Phase::Draining => false,
        }
    }

    /// Whether the end of this accepted tunnel, if it comes now, speaks against its host: one that is used proves
    /// something as well, but not if it was dialled just before.
    pub(super) fn is_flap(&self, now: Instant) -> bool {
        let since = match self.phase {
            Phase::Idle { accepted, .. } => accepted,
            Phase::Dialing | Phase::Handshaking | Phase::InUse { .. } | Phase::Draining => self.dialed,
        };
        host_backoff::is_flap(self.is_proven(), now.since(since))
    }

    pub(super) const fn view(&self, tunnel: TunnelId) -> TunnelView {
        let stage = match self.phase {
            Phase::Dialing => Stage::Dialing,
            Phase::Handshaking => Stage::Handshaking,
            Phase::Idle { .. } => Stage::Idle,
            Phase::InUse { .. } => Stage::InUse,
            Phase::Draining => Stage::Draining,
        };
        TunnelView { tunnel, host: self.host, stage, heard: self.heard }
    }
}

/// The stage of a tunnel.
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

/// A snapshot of one tunnel, for the admin page, logs and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelView {
    /// Its name.
    pub tunnel: TunnelId,
    /// Its host.
    pub host: HostId,
    /// Its stage.
    pub stage: Stage,
    /// When it was last heard; when it was dialled, if never.
    pub heard: Instant,
}
