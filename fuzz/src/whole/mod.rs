//! Targets that need the runtime too: a user's files, and requests through a tunnel.

pub mod config;
pub mod egress;

mod memory;

use super::Target;

/// Every one of them, by the name of its module, its binary and its folder of seeds.
pub const TARGETS: [(&str, Target); 2] = [("config", config::run), ("egress", egress::run)];
