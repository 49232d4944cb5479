//! Every decision that revtun takes, as two pure state machines, and the bytes they speak.
//!
//! ```text
//!                 events                                    events
//!   runtime ───────────────▶ Initiator        Responder ◀─────────────── runtime
//!   (a private network)          │                │           (the cloud)
//!           ◀────────────────────┘                └────────────────────▶
//!                 effects                                    effects
//!
//!   on the wire:  handshake request ─▶  ◀─ response    RPING ◀─▶ RPING    HTTP/2
//! ```
//!
//! The crate has no I/O, no clock and no randomness of its own: whatever a step may not work out for itself
//! comes in by [`Env`]. That is why the same code runs in production, in simulation, under a fuzzer and
//! in an exhaustive search, and behaves the same in each.
//!
//! Reading order: [`machine`] (how both are driven), [`initiator`], [`responder`], then the bytes: [`address`],
//! [`identity`], [`binding`], [`token`], [`deny`], [`handshake`], [`rping`], [`h2frame`]; [`idle_timeout`] ends requests that
//! make no progress, [`rate_limit`] limits log lines that repeat, and [`journal`] is how runs are written down and
//! replayed.
#![no_std]

extern crate alloc;

pub mod address;
mod backoff;
pub mod binding;
mod canonical;
pub mod deny;
mod effects;
pub mod h2frame;
pub mod handshake;
pub mod identity;
pub mod idle_timeout;
pub mod initiator;
pub mod journal;
pub mod machine;
pub mod rate_limit;
pub mod responder;
pub mod rping;
mod table;
mod timers;
pub mod token;
pub mod tunnel;

#[doc(hidden)]
pub use canonical::CANONICAL_NOW;
pub use effects::Effects;
pub use machine::{Env, Instant, Machine};
pub use tunnel::TunnelId;
