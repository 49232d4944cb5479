//! The parts of the `revtun` program that its tests and the fuzz targets look at from outside. Not an API: other programs
//! build on the library `revtun`, which knows nothing of this crate.
//!
//! ```text
//!   command line ──▶ command ──▶ config ──▶ responder / initiator of the library
//!                       │                              ▲
//!                       └──▶ admin, log, signals ──────┘
//! ```
//!
//! [`config`] reads what an operator sets, [`admin`] answers what operators and their monitoring ask, [`metrics`] is the
//! format of that. `main.rs`, `cli.rs`, `command/`, `log/` and `signals.rs` belong to the binary.

pub mod admin;
pub mod config;
pub mod metrics;
