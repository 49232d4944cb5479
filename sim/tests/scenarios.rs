//! Every scenario holds with a few seeds, and the same seed gives the same run, byte for byte. If the environment names a
//! folder `REVTUN_JOURNALS`, the steps of the machines of the first are recorded there.

use std::env;
use std::path::Path;
use std::time::Duration;

use revtun_sim::town::Town;
use revtun_sim::town::hosts::RESPONDER;
use revtun_sim::town::scenario::{SCENARIOS, Scenario};

#[test]
fn every_scenario_holds() {
    let journals = env::var_os("REVTUN_JOURNALS");
    for scenario in SCENARIOS {
        for seed in 0..5 {
            let outcome = scenario.play_recorded(seed, journals.as_deref().map(Path::new));
            if let Err(failure) = outcome.result {
                let replay = format!("cargo run -p revtun-sim -- run --scenario {} --seed {seed}", scenario.name);
                panic!("{}\n{}: {failure}\nreplay: {replay}", outcome.entries, scenario.name);
            }
            assert!(outcome.entries.bytes > 1_000, "{}: something went over the network", scenario.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for scenario in SCENARIOS {
        let (once, again) = (scenario.play(7), scenario.play(7));
        assert_eq!(once.entries.lines, again.entries.lines, "{}", scenario.name);
        assert_eq!(once, again, "{}: the same events, but other bytes or moments", scenario.name);
    }
}

#[test]
fn another_seed_gives_another_run() {
    let serve = Scenario::find("serve").expect("it is there");
    assert_ne!(serve.play(1).entries.digest, serve.play(2).entries.digest);
}

#[test]
fn a_town_without_a_responder_is_noticed() {
    let mut town = Town::of(1, None);
    town.whole(Duration::from_secs(1)).expect("it comes up");
    town.crash(RESPONDER);
    town.pass(Duration::from_secs(1)).expect("nothing that always holds is broken");
    let missing = town.whole(Duration::from_secs(2)).expect_err("there is nothing to dial");
    assert_eq!(missing.property, "TargetReached");
    let silent = town.ask(1, Duration::from_secs(2)).expect_err("there is nobody to ask");
    assert_eq!(silent.property, "NoSilentLoss");
}
