//! What a fault is, and of which kinds.

use std::fmt;
use std::time::Duration;

use super::hostile::{GarbageClient, HostileInitiator, HostileResponder};
use crate::net::HostId;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes between an initiator and a responder.
    Partition {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// Which way.
        direction: Direction,
        /// For how long.
        duration: Duration,
    },
    /// A link is cut and healed repeatedly.
    Flap {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// How long each partition lasts, and each pause between two.
        every: Duration,
        /// How often.
        times: u32,
    },
    /// SYNs to a responder are dropped; established connections go on.
    SynDrop {
        /// The responder.
        responder: usize,
        /// For how long.
        duration: Duration,
    },
    /// The NAT of an initiator forgets every connection.
    NatRebind {
        /// The initiator.
        initiator: usize,
    },
    /// A middlebox resets every connection.
    MiddleboxReset {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
    },
    /// A link loses many packets.
    PacketLoss {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// Additional loss, in thousandths.
        loss: u32,
        /// For how long.
        duration: Duration,
    },
    /// A link becomes slow.
    Delay {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// Additional latency.
        delay: Duration,
        /// For how long.
        duration: Duration,
    },
    /// A process crashes and is started again.
    Crash {
        /// Where.
        host: HostId,
        /// What its peers see of it.
        how: CrashKind,
        /// How long until it starts again.
        down: Duration,
    },
    /// An initiator is killed and started again with another target count.
    Reconfigure {
        /// The initiator.
        initiator: usize,
        /// The new target.
        count: u16,
    },
    /// A process is frozen, and its timers with it.
    Freeze {
        /// Where.
        host: HostId,
        /// For how long.
        duration: Duration,
    },
    /// A wall clock is changed.
    ClockSkew {
        /// Where.
        host: HostId,
        /// By this many milliseconds.
        millis: i64,
    },
    /// A process is drained and replaced.
    Drain {
        /// Which.
        host: HostId,
        /// How long open requests may go on.
        grace: Duration,
    },
    /// A responder drains every tunnel of a node, which then dials new ones.
    DrainNode {
        /// The responder.
        responder: usize,
        /// Whose tunnels.
        initiator: usize,
        /// How long open requests may go on.
        grace: Duration,
    },
    /// A responder's address is removed from DNS.
    DnsRemoval {
        /// The responder.
        responder: usize,
        /// For how long.
        duration: Duration,
    },
    /// The resolvers of all hosts fail.
    DnsOutage {
        /// For how long.
        duration: Duration,
    },
    /// The responders' DNS name has one address alone, at which nobody listens.
    DnsLie {
        /// For how long.
        duration: Duration,
    },
    /// The resolvers of all hosts take their time.
    DnsDelay {
        /// How much.
        delay: Duration,
        /// For how long.
        duration: Duration,
    },
    /// All gauges and counters are read.
    Scrape {
        /// Of whom.
        host: HostId,
    },
    /// Many requests are sent at once.
    RequestBurst {
        /// At this responder.
        responder: usize,
        /// Their number.
        requests: u32,
    },
    /// A client without a valid handshake connects to a responder.
    GarbageClient {
        /// At this responder.
        responder: usize,
        /// What it does.
        behaviour: GarbageClient,
    },
    /// An initiator with a valid identity misbehaves.
    HostileInitiator {
        /// At this responder.
        responder: usize,
        /// What it does.
        behaviour: HostileInitiator,
    },
    /// The responders' DNS name has one more address: a hostile host's.
    HostileResponder {
        /// What it does.
        behaviour: HostileResponder,
        /// For how long.
        duration: Duration,
    },
}

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Both,
    /// From the initiator to the responder.
    Up,
    /// From the responder to the initiator.
    Down,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The process is killed; its kernel closes its connections.
    Kill,
    /// The host reboots at once and answers its old connections with RST.
    Reboot,
    /// The host loses power: peers receive nothing.
    PowerLoss,
}

impl Fault {
    /// The names of all kinds. The order decides what a seed draws, so new ones go to the end.
    pub const KINDS: [&str; 26] = [
        "partition",
        "cut-one-direction",
        "flap",
        "syn-drop",
        "nat-rebind",
        "middlebox-reset",
        "packet-loss",
        "link-delay",
        "kill",
        "reboot",
        "power-loss",
        "reconfigure",
        "freeze",
        "clock-skew",
        "drain-responder",
        "drain-initiator",
        "dns-removal",
        "scrape",
        "request-burst",
        "garbage-client",
        "drain-node",
        "hostile-initiator",
        "hostile-responder",
        "dns-outage",
        "dns-lie",
        "dns-delay",
    ];

    /// The name of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Partition { direction: Direction::Both, .. } => "partition",
            Self::Partition { .. } => "cut-one-direction",
            Self::Flap { .. } => "flap",
            Self::SynDrop { .. } => "syn-drop",
            Self::NatRebind { .. } => "nat-rebind",
            Self::MiddleboxReset { .. } => "middlebox-reset",
            Self::PacketLoss { .. } => "packet-loss",
            Self::Delay { .. } => "link-delay",
            Self::Crash { how: CrashKind::Kill, .. } => "kill",
            Self::Crash { how: CrashKind::Reboot, .. } => "reboot",
            Self::Crash { how: CrashKind::PowerLoss, .. } => "power-loss",
            Self::Reconfigure { .. } => "reconfigure",
            Self::Freeze { .. } => "freeze",
            Self::ClockSkew { .. } => "clock-skew",
            Self::Drain { host: HostId::Responder(_), .. } => "drain-responder",
            Self::Drain { .. } => "drain-initiator",
            Self::DrainNode { .. } => "drain-node",
            Self::DnsRemoval { .. } => "dns-removal",
            Self::DnsOutage { .. } => "dns-outage",
            Self::DnsLie { .. } => "dns-lie",
            Self::DnsDelay { .. } => "dns-delay",
            Self::Scrape { .. } => "scrape",
            Self::RequestBurst { .. } => "request-burst",
            Self::GarbageClient { .. } => "garbage-client",
            Self::HostileInitiator { .. } => "hostile-initiator",
            Self::HostileResponder { .. } => "hostile-responder",
        }
    }

    /// The hosts that it concerns.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostId> {
        match *self {
            Self::Partition { initiator, responder, .. }
            | Self::Flap { initiator, responder, .. }
            | Self::MiddleboxReset { initiator, responder }
            | Self::PacketLoss { initiator, responder, .. }
            | Self::Delay { initiator, responder, .. }
            | Self::DrainNode { initiator, responder, .. } => {
                vec![HostId::Initiator(initiator), HostId::Responder(responder)]
            }
            Self::SynDrop { responder, .. }
            | Self::DnsRemoval { responder, .. }
            | Self::RequestBurst { responder, .. }
            | Self::GarbageClient { responder, .. }
            | Self::HostileInitiator { responder, .. } => vec![HostId::Responder(responder)],
            Self::NatRebind { initiator } | Self::Reconfigure { initiator, .. } => vec![HostId::Initiator(initiator)],
            Self::Crash { host, .. }
            | Self::Freeze { host, .. }
            | Self::ClockSkew { host, .. }
            | Self::Drain { host, .. }
            | Self::Scrape { host } => vec![host],
            Self::HostileResponder { .. } => vec![HostId::Hostile],
            Self::DnsOutage { .. } | Self::DnsLie { .. } | Self::DnsDelay { .. } => Vec::new(),
        }
    }

    /// How long it lasts, if it is to be ended.
    #[must_use]
    pub const fn duration(&self) -> Option<Duration> {
        match *self {
            Self::Partition { duration, .. }
            | Self::SynDrop { duration, .. }
            | Self::PacketLoss { duration, .. }
            | Self::Delay { duration, .. }
            | Self::Freeze { duration, .. }
            | Self::DnsRemoval { duration, .. }
            | Self::DnsOutage { duration }
            | Self::DnsLie { duration }
            | Self::DnsDelay { duration, .. }
            | Self::HostileResponder { duration, .. } => Some(duration),
            Self::Flap { .. }
            | Self::NatRebind { .. }
            | Self::MiddleboxReset { .. }
            | Self::Crash { .. }
            | Self::Reconfigure { .. }
            | Self::ClockSkew { .. }
            | Self::Drain { .. }
            | Self::DrainNode { .. }
            | Self::Scrape { .. }
            | Self::RequestBurst { .. }
            | Self::GarbageClient { .. }
            | Self::HostileInitiator { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        for host in self.hosts() {
            write!(f, " {host}")?;
        }
        match self {
            Self::Partition { direction, duration, .. } => write!(f, " {direction:?} for {duration:?}"),
            Self::Flap { every, times, .. } => write!(f, " {times} times for {every:?}"),
            Self::SynDrop { duration, .. }
            | Self::Freeze { duration, .. }
            | Self::DnsRemoval { duration, .. }
            | Self::DnsOutage { duration }
            | Self::DnsLie { duration } => write!(f, " for {duration:?}"),
            Self::DnsDelay { delay, duration } => write!(f, " {delay:?} for {duration:?}"),
            Self::PacketLoss { loss, duration, .. } => write!(f, " {loss}‰ for {duration:?}"),
            Self::Delay { delay, duration, .. } => write!(f, " {delay:?} for {duration:?}"),
            Self::Crash { down, .. } => write!(f, " down for {down:?}"),
            Self::Reconfigure { count, .. } => write!(f, " to {count} tunnels"),
            Self::ClockSkew { millis, .. } => write!(f, " by {millis} ms"),
            Self::Drain { grace, .. } | Self::DrainNode { grace, .. } => write!(f, " within {grace:?}"),
            Self::RequestBurst { requests, .. } => write!(f, " of {requests} requests"),
            Self::GarbageClient { behaviour, .. } => write!(f, " {behaviour:?}"),
            Self::HostileInitiator { behaviour, .. } => write!(f, " {behaviour:?}"),
            Self::HostileResponder { behaviour, duration } => write!(f, " {behaviour:?} for {duration:?}"),
            Self::NatRebind { .. } | Self::MiddleboxReset { .. } | Self::Scrape { .. } => Ok(()),
        }
    }
}
