//! The name of a tunnel.

use core::fmt;

use crate::table::Key;

/// Names one tunnel of one machine: a slot of its table and how often that slot was used before.
///
/// Never reused, so that a late event for a dead tunnel is recognised and never misapplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId {
    slot: u32,
    generation: u32,
}

impl TunnelId {
    /// The tunnel in `slot`, the `generation`th one to live there, counting from zero.
    #[must_use]
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// A small number, dense over the living tunnels: fit to index a table with.
    #[must_use]
    pub const fn slot(self) -> usize {
        self.slot as usize
    }

    /// How many tunnels lived in the slot before this one.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl Key for TunnelId {
    fn new(slot: u32, generation: u32) -> Self {
        Self::new(slot, generation)
    }

    fn slot(self) -> usize {
        self.slot()
    }

    fn generation(self) -> u32 {
        self.generation()
    }
}

/// `slot.generation`, as in logs and journals.
impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}
