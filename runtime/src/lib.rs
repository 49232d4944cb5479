//! The runtime of revtun.

pub mod world;
