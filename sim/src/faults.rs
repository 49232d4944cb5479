//! Faults: what they are ([`Fault`]), what hostile peers do ([`hostile`]), and which of them a seed brings ([`draw`]).

mod fault;
pub mod hostile;
mod swarm;

pub use self::fault::{CrashKind, Direction, Fault};
pub use self::swarm::{draw, draw_dns, draw_hostile_peers, draw_later};
