//! What the whole-system tests stand on: real processes, real sockets, a hostile network and the real Envoy.
//!
//! ```text
//!   client ──▶ ends::Responder ◀── relay ◀── ends::Initiator ──▶ service
//!                  │    ▲                        │    ▲
//!                  │    └── fake::Initiator      │    └── fake::Responder      (raw sockets, every byte by hand)
//!                  └─ process (revtun) | envoy ──┘
//! ```
//!
//! [`ends`] is where a newcomer should begin: it starts either end, made by either maker. Every wait goes through
//! [`patience`], so that nothing here waits for ever, and every port is a [`port::Port`], so that no two tests meet.

pub mod attack;
pub mod body;
pub mod certificates;
pub mod client;
mod dialling;
pub mod ends;
pub mod envoy;
pub mod fake;
pub mod frames;
pub mod grpc;
pub mod issuer;
pub mod journal;
pub mod patience;
pub mod port;
pub mod process;
pub mod prometheus;
pub mod provision;
pub mod queues;
pub mod raw;
pub mod recorder;
pub mod relay;
pub mod revtun;
pub mod service;
pub mod settings;
pub mod soak;
pub mod switching;
