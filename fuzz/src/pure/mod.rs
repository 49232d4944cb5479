//! Targets that need nothing but the core: bytes from the wire, texts of users, and the two machines.

pub mod address;
pub mod binding;
pub mod handover;
pub mod handshake_request;
pub mod handshake_response;
pub mod initiator;
pub mod journal;
pub mod network;
pub mod ping_filter;
pub mod responder;
pub mod routes;
pub mod segments;

/// Independent views of the machines, from their own tests.
#[path = "../../../core/tests/model/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod model;
mod stride;
/// Events that a machine's state gives a meaning to, from the machines' own tests.
#[path = "../../../core/tests/walk/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod walk;

use super::Target;

/// Every one of them, by the name of its module, its binary and its folder of seeds.
pub const TARGETS: [(&str, Target); 11] = [
    ("address", address::run),
    ("binding", binding::run),
    ("handshake_request", handshake_request::run),
    ("handshake_response", handshake_response::run),
    ("handover", handover::run),
    ("initiator", initiator::run),
    ("journal", journal::run),
    ("network", network::run),
    ("ping_filter", ping_filter::run),
    ("responder", responder::run),
    ("routes", routes::run),
];

/// What `work` returns; it must not allocate, whatever a stranger sent.
fn without_allocation<T>(work: impl FnOnce() -> T) -> T {
    let mut returned = None;
    let allocated = allocation_counter::measure(|| returned = Some(work()));
    assert_eq!(allocated.count_total, 0, "memory was allocated for what a stranger sent");
    returned.expect("it was measured")
}
