//! The runtime of revtun.

pub mod http;
pub mod pump;
pub mod world;
