//! What a peer or a user can send, and what must hold whatever it is.
//!
//! Each module is one target: a `run` that takes any bytes and panics if something does not hold. They compile on
//! stable and know nothing of the fuzzer, so that `core/tests/fuzz_replay.rs` can include this file and run every
//! seed in `fuzz/seeds/<target>` with each `cargo test`. An input that once failed becomes a seed there, with a name
//! that tells its story.
//!
//! With a nightly compiler, from this folder's parent (new inputs go to the first of the two folders):
//!
//! ```text
//! mkdir -p fuzz/corpus/handover
//! cargo +nightly fuzz run handover fuzz/corpus/handover fuzz/seeds/handover -- -dict=fuzz/wire.dict -max_total_time=60
//! ```

pub mod address;
pub mod handover;
pub mod handshake_request;
pub mod handshake_response;
pub mod ping_filter;
pub mod segments;

/// A target: any bytes in, a panic if something does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its module, its binary and its folder of seeds.
pub const TARGETS: [(&str, Target); 5] = [
    ("address", address::run),
    ("handshake_request", handshake_request::run),
    ("handshake_response", handshake_response::run),
    ("ping_filter", ping_filter::run),
    ("handover", handover::run),
];
