//! The hosts of a simulation, by their roles.

use std::fmt;

/// A host, whatever runs there and however often it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostId {
    /// A responder.
    Responder(usize),
    /// An initiator with its service.
    Initiator(usize),
    /// Where requests come from.
    Caller,
    /// Where hostile peers run.
    Hostile,
}

impl HostId {
    /// Whether link conditions do not apply to its links: callers are in the responders' network.
    #[must_use]
    pub const fn is_exempt_from_link_conditions(self) -> bool {
        matches!(self, Self::Caller)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Responder(number) => write!(f, "responder-{number}"),
            Self::Initiator(number) => write!(f, "initiator-{number}"),
            Self::Caller => f.write_str("caller"),
            Self::Hostile => f.write_str("hostile"),
        }
    }
}
