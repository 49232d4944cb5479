//! The runtime of revtun: turns the effects of the machines into I/O, and I/O into their events.
//!
//! ```text
//!              responder ◀─────────┬─────────▶ initiator
//!              listeners, registry │ pump      dials, tunnels
//!                  ▲  tls, token, tunnel_io, http  ▲
//!                  └───────────────┴───────────────┘     everything above stands on: world
//! ```
//!
//! No decision is made here: which tunnel, when to dial again, how long to wait are all answers of `revtun_core`.
//!
//! Reading order: [`world`] (tasks, time, network: all there is of the outside), [`pump`] (the loop that keeps a
//! machine going), [`initiator`], [`responder`]; then what they share: [`tls`], [`token`], [`tunnel_io`], `body`,
//! `keep_alive`, [`http`], [`flow`], `still`, [`trace`]. The `revtun` program is a crate of its own, in `runtime/program`:
//! command line, configuration files, admin pages, logs. Nothing here knows of it.
//!
//! The feature `jwt` brings JSON Web Tokens, by which initiators may prove who they are.

mod behind;
mod body;
mod counter;
pub mod flow;
pub mod http;
pub mod initiator;
mod keep_alive;
pub mod pump;
pub mod responder;
mod still;
mod sync;
pub mod tls;
pub mod token;
pub mod trace;
pub mod tunnel_io;
pub mod world;
