//! The scenario of the world on turmoil's own network holds with a few seeds, equal seeds give equal runs to the byte, and a
//! network that stays silent is noticed.

use std::time::Duration;

use revtun_sim::turmoil_world::{TurmoilWorld, hold_and_release};

#[test]
fn hold_and_release_holds() {
    for seed in 0..5 {
        let outcome = hold_and_release(seed);
        if let Err(failure) = outcome.result {
            panic!("{}\nseed {seed}: {failure}", outcome.entries);
        }
        assert!(outcome.entries.bytes > 1_000, "something went over the network");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (once, again) = (hold_and_release(7), hold_and_release(7));
    assert_eq!(once.entries.lines, again.entries.lines);
    assert_eq!(once, again, "the same events, but other bytes or moments");
}

#[test]
fn another_seed_gives_another_run() {
    assert_ne!(hold_and_release(1).entries.digest, hold_and_release(2).entries.digest);
}

/// The canary: where nothing is ever released, both properties fail.
#[test]
fn a_network_that_stays_silent_is_noticed() {
    let mut world = TurmoilWorld::of(1);
    world.reach_target(Duration::from_secs(1)).expect("it comes up");
    world.hold();
    world.advance(Duration::from_secs(15)).expect("nothing that always holds is broken");
    let missing = world.reach_target(Duration::from_secs(2)).expect_err("no dial can succeed");
    assert_eq!(missing.property, "TargetReached");
    let silent = world.send_requests(1, Duration::from_secs(2)).expect_err("no tunnel carries the request");
    assert_eq!(silent.property, "NoSilentLoss");
}
