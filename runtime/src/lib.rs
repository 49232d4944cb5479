//! The runtime of revtun: turns the effects of the machines into I/O, and I/O into their events.
//!
//! ```text
//!   config ──▶ responder ◀─────────┬─────────▶ initiator ◀── config
//!              listeners, registry │ pump      dials, tunnels
//!                  ▲  tls, token, tunnel_io, http  ▲
//!                  └────────────┐  │  ┌────────────┘
//!                               admin, metrics           everything above stands on: world
//! ```
//!
//! No decision is made here: which tunnel, when to dial again, how long to wait are all answers of `revtun_core`.
//!
//! Reading order: [`world`] (tasks, time, network: all there is of the outside), [`pump`] (the loop that keeps a
//! machine going), [`initiator`], [`responder`]; then what they share: [`tls`], [`token`], [`tunnel_io`], `body`,
//! `keep_alive`, [`http`], [`flow`], `still`, [`trace`], [`supervise`]. The binary adds [`config`], [`admin`] and [`metrics`]; `main.rs`,
//! `cli.rs` and `command/` are its own.

pub mod admin;
mod behind;
mod body;
pub mod config;
mod counter;
pub mod flow;
pub mod http;
pub mod initiator;
mod keep_alive;
pub mod metrics;
pub mod pump;
pub mod responder;
mod still;
pub mod supervise;
mod sync;
pub mod tls;
pub mod token;
pub mod trace;
pub mod tunnel_io;
pub mod world;
