//! How to use the library: nothing but documentation, whose examples are compiled.
//!
//! ```text
//!   a private network                                       the cloud
//!
//!   your server ◀── accept() ── ReverseListener ═══ tunnels ═══▶ responder ◀── client() ── your program
//!   local service ◀─ Forward ── initiator ══════════════════════▶    ▲
//!                                                                    └── egress listener ◀── HTTP ── any caller
//! ```
//!
//! - [`initiator`]: to serve what comes through tunnels, by a server of your own or by forwarding it.
//! - [`responder`]: to accept tunnels and send requests through them.
//! - [`tls`]: to let tunnels leave the machine, and to know who is at the other end.
//! - [`testing`]: both ends in one test.
//!
//! Both ends have the same habits. A configuration has defaults, is made by `new` or `at`, and its fields are set one by one.
//! What runs is a handle; dropping it stops what it stands for, and `drain` stops it without losing a request. What was
//! decided, and when to try again, is the business of `revtun_core`, whose configuration is the field `core`.

pub mod initiator;
pub mod responder;
pub mod testing;
pub mod tls;
