//! The runtime of revtun.

pub mod http;
pub mod pump;
pub mod tunnel_io;
pub mod world;
