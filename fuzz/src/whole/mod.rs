//! Targets that need the runtime too: a user's files, bearer tokens, and requests through a tunnel.

pub mod config;
pub mod egress;
pub mod token;

mod memory;

use super::Target;

/// Every one of them, by the name of its module, its binary and its folder of seeds.
pub const TARGETS: [(&str, Target); 3] = [("config", config::run), ("egress", egress::run), ("token", token::run)];
