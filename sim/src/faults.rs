//! What can go wrong, one kind of each.

mod swarm;

pub use self::swarm::{draw, draw_later, visitors};

use std::fmt;
use std::time::Duration;

use crate::cast::stranger::Manner;
use crate::cast::{false_cloud, guest};
use crate::net::Place;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes between an initiator and a responder.
    Cut {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// Which way.
        way: Way,
        /// For how long.
        lasts: Duration,
    },
    /// The link is cut and healed, again and again.
    Flap {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// How long each cut lasts, and each pause.
        every: Duration,
        /// How often.
        times: u32,
    },
    /// Whoever wants to connect to a responder hears nothing; connections that are there go on.
    SynHole {
        /// The responder.
        responder: usize,
        /// For how long.
        lasts: Duration,
    },
    /// The NAT before an initiator forgets every connection.
    Rebind {
        /// The initiator.
        initiator: usize,
    },
    /// A middlebox resets every connection.
    Reset {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
    },
    /// Much is lost on a link.
    Storm {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// Thousandths that are lost.
        loss: u32,
        /// For how long.
        lasts: Duration,
    },
    /// A link becomes slow.
    Slow {
        /// The initiator.
        initiator: usize,
        /// The responder.
        responder: usize,
        /// By how much.
        delay: Duration,
        /// For how long.
        lasts: Duration,
    },
    /// A process ends without a goodbye, and is started again.
    Crash {
        /// Where.
        place: Place,
        /// What the others see of it.
        how: Death,
        /// How long until it starts again.
        down: Duration,
    },
    /// An initiator is killed and started again with another number of tunnels.
    Reconfigure {
        /// The initiator.
        initiator: usize,
        /// The new number.
        count: u16,
    },
    /// A process stands still, and with it its timers.
    Freeze {
        /// Where.
        place: Place,
        /// For how long.
        lasts: Duration,
    },
    /// A wall clock is set.
    Skew {
        /// Where.
        place: Place,
        /// By so many milliseconds.
        millis: i64,
    },
    /// A process is told to wind down, and replaced.
    Drain {
        /// Which.
        place: Place,
        /// How long requests may go on.
        grace: Duration,
    },
    /// A responder is told to take every tunnel of a node out of use, so that it gets new ones.
    Renew {
        /// The responder.
        responder: usize,
        /// Whose tunnels.
        initiator: usize,
        /// How long requests may go on.
        grace: Duration,
    },
    /// A responder is no longer among the addresses of its name.
    Vanish {
        /// The responder.
        responder: usize,
        /// For how long.
        lasts: Duration,
    },
    /// Somebody reads every gauge and counter.
    Scrape {
        /// Of whom.
        place: Place,
    },
    /// Many requests at once.
    Burst {
        /// At this responder.
        responder: usize,
        /// So many.
        requests: u32,
    },
    /// A peer that is not ours.
    Stranger {
        /// At this responder.
        responder: usize,
        /// What it does.
        manner: Manner,
    },
    /// An initiator that is not ours, and may come in.
    Guest {
        /// At this responder.
        responder: usize,
        /// What it does.
        manner: guest::Manner,
    },
    /// The name of all responders stands for one more host, which is none.
    FalseCloud {
        /// What it does.
        manner: false_cloud::Manner,
        /// For how long.
        lasts: Duration,
    },
}

/// Which way of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both.
    Both,
    /// From the initiator to the responder.
    Up,
    /// From the responder to the initiator.
    Down,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It is killed; its kernel closes its connections.
    Killed,
    /// Its machine restarts at once and knows none of its connections.
    Reset,
    /// Its machine loses its power: nobody hears anything.
    PowerLoss,
}

impl Fault {
    /// Every kind, by name; new ones at the end.
    pub const KINDS: [&str; 23] = [
        "cut",
        "cut-one-way",
        "flap",
        "syn-hole",
        "nat-rebind",
        "middlebox-reset",
        "storm",
        "slow-link",
        "killed",
        "restart-with-reset",
        "power-loss",
        "reconfigure",
        "freeze",
        "clock-skew",
        "drain-responder",
        "drain-initiator",
        "vanish",
        "scrape",
        "burst",
        "stranger",
        "renew",
        "guest",
        "false-cloud",
    ];

    /// The name of its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cut { way: Way::Both, .. } => "cut",
            Self::Cut { .. } => "cut-one-way",
            Self::Flap { .. } => "flap",
            Self::SynHole { .. } => "syn-hole",
            Self::Rebind { .. } => "nat-rebind",
            Self::Reset { .. } => "middlebox-reset",
            Self::Storm { .. } => "storm",
            Self::Slow { .. } => "slow-link",
            Self::Crash { how: Death::Killed, .. } => "killed",
            Self::Crash { how: Death::Reset, .. } => "restart-with-reset",
            Self::Crash { how: Death::PowerLoss, .. } => "power-loss",
            Self::Reconfigure { .. } => "reconfigure",
            Self::Freeze { .. } => "freeze",
            Self::Skew { .. } => "clock-skew",
            Self::Drain { place: Place::Responder(_), .. } => "drain-responder",
            Self::Drain { .. } => "drain-initiator",
            Self::Renew { .. } => "renew",
            Self::Vanish { .. } => "vanish",
            Self::Scrape { .. } => "scrape",
            Self::Burst { .. } => "burst",
            Self::Stranger { .. } => "stranger",
            Self::Guest { .. } => "guest",
            Self::FalseCloud { .. } => "false-cloud",
        }
    }

    /// Whose faults these are.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        match *self {
            Self::Cut { initiator, responder, .. }
            | Self::Flap { initiator, responder, .. }
            | Self::Reset { initiator, responder }
            | Self::Storm { initiator, responder, .. }
            | Self::Slow { initiator, responder, .. }
            | Self::Renew { initiator, responder, .. } => {
                vec![Place::Initiator(initiator), Place::Responder(responder)]
            }
            Self::SynHole { responder, .. }
            | Self::Vanish { responder, .. }
            | Self::Burst { responder, .. }
            | Self::Stranger { responder, .. }
            | Self::Guest { responder, .. } => vec![Place::Responder(responder)],
            Self::Rebind { initiator } | Self::Reconfigure { initiator, .. } => vec![Place::Initiator(initiator)],
            Self::Crash { place, .. }
            | Self::Freeze { place, .. }
            | Self::Skew { place, .. }
            | Self::Drain { place, .. }
            | Self::Scrape { place } => vec![place],
            Self::FalseCloud { .. } => vec![Place::Stranger],
        }
    }

    /// How long it lasts, if it does not end by itself.
    #[must_use]
    pub const fn lasts(&self) -> Option<Duration> {
        match *self {
            Self::Cut { lasts, .. }
            | Self::SynHole { lasts, .. }
            | Self::Storm { lasts, .. }
            | Self::Slow { lasts, .. }
            | Self::Freeze { lasts, .. }
            | Self::Vanish { lasts, .. }
            | Self::FalseCloud { lasts, .. } => Some(lasts),
            Self::Flap { .. }
            | Self::Rebind { .. }
            | Self::Reset { .. }
            | Self::Crash { .. }
            | Self::Reconfigure { .. }
            | Self::Skew { .. }
            | Self::Drain { .. }
            | Self::Renew { .. }
            | Self::Scrape { .. }
            | Self::Burst { .. }
            | Self::Stranger { .. }
            | Self::Guest { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        for place in self.places() {
            write!(f, " {place}")?;
        }
        match self {
            Self::Cut { way, lasts, .. } => write!(f, " {way:?} for {lasts:?}"),
            Self::Flap { every, times, .. } => write!(f, " {times} times for {every:?}"),
            Self::SynHole { lasts, .. } | Self::Freeze { lasts, .. } | Self::Vanish { lasts, .. } => {
                write!(f, " for {lasts:?}")
            }
            Self::Storm { loss, lasts, .. } => write!(f, " {loss}‰ for {lasts:?}"),
            Self::Slow { delay, lasts, .. } => write!(f, " {delay:?} for {lasts:?}"),
            Self::Crash { down, .. } => write!(f, " down for {down:?}"),
            Self::Reconfigure { count, .. } => write!(f, " to {count} tunnels"),
            Self::Skew { millis, .. } => write!(f, " by {millis} ms"),
            Self::Drain { grace, .. } | Self::Renew { grace, .. } => write!(f, " within {grace:?}"),
            Self::Burst { requests, .. } => write!(f, " of {requests} requests"),
            Self::Stranger { manner, .. } => write!(f, " {manner:?}"),
            Self::Guest { manner, .. } => write!(f, " {manner:?}"),
            Self::FalseCloud { manner, lasts } => write!(f, " {manner:?} for {lasts:?}"),
            Self::Rebind { .. } | Self::Reset { .. } | Self::Scrape { .. } => Ok(()),
        }
    }
}
