//! What a peer or a user can send, and what must hold whatever it is.
//!
//! ```text
//!   fuzz/fuzz_targets/TARGET.rs ──┐ libFuzzer, a nightly compiler
//!                                 ├──▶ pure::TARGET::run, whole::TARGET::run ──▶ panics if something does not hold
//!   core/tests/fuzz_replay.rs ────┤ every `cargo test`, stable
//!   tests/tests/fuzz_replay.rs ───┘
//! ```
//!
//! [`pure`] needs nothing but the core, [`whole`] the runtime and an HTTP library too. `fuzz/README.md` says how to
//! fuzz, and what to do with an input that was found.

pub mod pure;
pub mod whole;

/// A target: any bytes in, a panic if something does not hold.
pub type Target = fn(&[u8]);
