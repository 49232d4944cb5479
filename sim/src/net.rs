//! The simulated network: one TCP/IP stack for each host, and packets between them that arrive late, twice, out of order or
//! not at all.
//!
//! ```text
//!   process ── Scoped tasks ──▶ kernel ──┐                                ┌──▶ kernel ──▶ tasks of another process
//!                                        ▼                                │
//!                        wire: addresses ─▶ troubles of the link ─▶ queue ─▶ mend
//! ```
//!
//! The stacks are those of `turmoil-net`: handshake, windows, segments, retransmission. Everything between them is here.
//! Reading order: [`scope`] (which task runs on which host), [`account`] and [`socket`] (what a
//! process holds, and what the network does), [`wire`], [`trouble`], [`flows`], [`mend`].

pub mod account;
pub mod flows;
pub mod mend;
pub mod scope;
pub mod socket;
pub mod trouble;
pub mod wire;

use std::fmt;

/// A machine in the simulation, whatever runs there and however often it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A responder.
    Responder(usize),
    /// An initiator with its service.
    Initiator(usize),
    /// Where requests come from.
    Caller,
    /// Whatever speaks bytes of its own to the others.
    Stranger,
}

impl Place {
    /// Whether the weather spares its links: callers stand beside the responders.
    #[must_use]
    pub const fn is_sheltered(self) -> bool {
        matches!(self, Self::Caller)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responder(number) => write!(f, "responder-{number}"),
            Self::Initiator(number) => write!(f, "initiator-{number}"),
            Self::Caller => f.write_str("caller"),
            Self::Stranger => f.write_str("stranger"),
        }
    }
}
