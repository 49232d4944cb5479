//! Small models of what threads share, in every order that loom finds.

#[path = "../../../../runtime/src/counter.rs"]
#[allow(dead_code, unreachable_pub)]
mod counter;
#[path = "../../../../core/tests/figures/mod.rs"]
mod figures;
#[path = "../stage/planted.rs"]
mod planted_races;
#[path = "../../../../runtime/src/pump.rs"]
#[allow(dead_code, unreachable_pub)]
mod pump;
mod responder;
#[path = "../stage/sync.rs"]
#[allow(dead_code, unreachable_pub)]
mod sync;
mod tls;
mod tool;
#[path = "../stage/world.rs"]
#[allow(dead_code, unreachable_pub)]
mod world;

/// The same with a race in it.
#[allow(warnings, clippy::all, clippy::pedantic)]
mod planted {
    include!(concat!(env!("OUT_DIR"), "/loom.rs"));
}

#[test]
fn every_planted_race_is_found() {
    planted_races::all_are_found("loom");
}
