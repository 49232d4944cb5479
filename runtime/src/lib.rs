//! The runtime of revtun.

pub mod admin;
pub mod config;
pub mod http;
pub mod metrics;
pub mod pump;
pub mod tunnel_io;
pub mod world;
