//! The runtime of revtun.

pub mod admin;
pub mod config;
pub mod flow;
pub mod http;
pub mod initiator;
pub mod metrics;
pub mod pump;
pub mod responder;
pub mod tunnel_io;
pub mod world;
