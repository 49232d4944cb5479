//! Each planted race is found by the model that is there to find it.

use std::env;
use std::process::Command;

use revtun_interleavings::planted::{Race, races};

const LIST: &str = include_str!("../../../planted/bugs.toml");

/// What shuttle draws its schedules of a planted race from: the same ones always, so that the race always shows itself alike.
const SEED: &str = "8835793551826030699";

/// The model runs in a process of its own: a panic in the middle of a model may end the process.
pub(crate) fn all_are_found(tool: &str) {
    let races: Vec<_> = races(LIST).into_iter().filter(|race| race.tool == tool).collect();
    assert!(!races.is_empty());
    for Race { name, model, says, .. } in races {
        let test = format!("planted::{name}::models::{model}");
        let output = Command::new(env::current_exe().expect("a test has a file"))
            .args(["--ignored", "--exact", "--nocapture", &test])
            .env_remove("REVTUN_FIGURES")
            .env("RUST_BACKTRACE", "0")
            .env("SHUTTLE_RANDOM_SEED", SEED)
            .output()
            .expect("the test runs again");
        let status = output.status;
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(said.contains("running 1 test"), "{test}: {said}");
        assert!(!status.success(), "{test} does not see the race");
        assert!(said.contains(&says), "{test} fails without {says:?}: {said}");
        println!("{name}: found by {model} ({says})");
    }
}
