//! Targets that need the runtime too: a user's files, keys and bearer tokens, and requests through a tunnel.

pub mod config;
pub mod egress;
pub mod jwks;
pub mod token;

mod hands;
mod memory;

use super::Target;

/// Every one of them, by the name of its module, its binary and its folder of seeds.
pub const TARGETS: [(&str, Target); 4] =
    [("config", config::run), ("egress", egress::run), ("jwks", jwks::run), ("token", token::run)];
