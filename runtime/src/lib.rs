//! The runtime of revtun: turns the effects of the machines into I/O, and I/O into their events.
//!
//! ```text
//!   callers ──▶ responder::downstream ──▶ responder ═══ tunnels ═══ initiator ──▶ upstream ──▶ local service
//!                                             │                         │
//!                                             └──────────┬──────────────┘
//!                                     tunnel_io · http · tls · token · pump
//!                                                        │
//!                                                      world
//! ```
//!
//! An arrow means "imports", from top to bottom; `tests/tests/dependencies` checks that there is no circle. Neither end imports
//! the other. No decision is made here: which tunnel, when to dial again, how long to wait are all answers of `revtun_core`.
//!
//! How to use it is in the [`guide`].
//!
//! # Two ways to drive a machine
//!
//! The initiator's machine belongs to an actor: its tasks send inputs over a channel to one driver, which steps the machine and
//! performs the effects. Events are few there, and the state has one owner.
//!
//! The responder's machine is shared: every task steps it under a short lock, and performs the effects itself after the lock is
//! released. Each request takes two steps, so this is the hot path, where a channel to another task and back would cost two
//! context switches.
//!
//! In both, [`pump`] sleeps until the machine's deadline and ticks it.
//!
//! # Reading order
//!
//! 1. [`world`]: tasks, time, network: the only interface to the outside; [`pump`]: the loop that drives a machine.
//! 2. [`initiator`] and [`responder`]: each begins with a picture. `context.rs` is what the tasks of an end share, `task.rs` what
//!    the task of a tunnel has, `tunnel.rs` the life of a tunnel; `downstream` is how callers come in.
//! 3. What they share: [`tunnel_io`] (the byte stream of a tunnel in use), [`connections`] (limits of a listener), [`http`]
//!    (servers, layers, limits, bodies, local replies), `prefixed_io`, [`tls`], [`token`], [`journal`].
//! 4. [`upstream`]: how requests reach the local service; [`ReverseListener`]: how they reach a server of the user's own choice.
//!
//! The `revtun` program is a crate of its own, in `runtime/program`: command line, configuration files, admin pages, logs.
//! Nothing here knows of it. The feature `jwt` brings JSON Web Tokens, by which initiators may prove who they are; with the feature
//! `axum` a [`ReverseListener`] is a listener for `axum::serve`.

pub mod connections;
mod counter;
mod error;
mod forward_write;
pub mod guide;
mod host_port;
pub mod http;
pub mod initiator;
pub mod journal;
mod prefixed_io;
pub mod pump;
pub mod responder;
mod reverse_listener;
pub mod supervise;
mod sync;
pub mod tls;
pub mod token;
pub mod tunnel_io;
pub mod upstream;
pub mod world;

pub use self::reverse_listener::{ConnectError, ReverseListener};
