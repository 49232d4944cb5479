//! The same question to Envoy 1.40 and to revtun, side by side (reference §2.2, §2.3, §2.4, §3).
//!
//! Every way in which the answers differ stands in `differences.md` with the reason, and nothing else does.

mod cuts;
mod differences;
mod initiators;
mod requests;
mod responders;
