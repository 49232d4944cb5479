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
//! [`identity`], [`binding`], [`token`], [`deny`], [`handshake`], [`rping`], [`h2frame`]. Small policies beside them: [`hosts`] says
//! which addresses of a name get tunnels, [`happy_eyeballs`] in which order those of a service are tried, [`keep_alive`]
//! when a quiet tunnel is probed; [`idle_timeout`] ends requests that make no progress, [`rate_limit`] and [`outage`]
//! limit log lines that repeat, [`connections`] and [`descriptors`] what callers and operators may have open;
//! [`forwarding`] and [`network`] say whose word counts about where a request comes from, [`route`] which rule a request falls
//! under, [`balance`] to which endpoint of a service it goes, [`grpc`] what a reply has to look like that is read as one of
//! gRPC, [`upgrade`] and [`destination`] what streams may be opened. [`journal`] is how runs are written down and replayed.
#![no_std]

extern crate alloc;

pub mod address;
mod backoff;
pub mod balance;
pub mod binding;
mod canonical;
pub mod connections;
pub mod deny;
pub mod descriptors;
pub mod destination;
mod effects;
pub mod forwarding;
pub mod grpc;
pub mod h2frame;
pub mod handshake;
pub mod happy_eyeballs;
pub mod hosts;
pub mod http;
pub mod identity;
pub mod idle_timeout;
pub mod initiator;
pub mod journal;
pub mod keep_alive;
pub mod machine;
pub mod network;
pub mod outage;
pub mod rate_limit;
pub mod responder;
pub mod route;
pub mod rping;
pub mod source;
mod table;
mod timers;
pub mod token;
pub mod tunnel;
pub mod upgrade;
pub mod upstream;

#[doc(hidden)]
pub use canonical::CANONICAL_NOW;
pub use effects::Effects;
pub use machine::{Env, Instant, Machine};
pub use tunnel::TunnelId;
