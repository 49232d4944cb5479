//! What the commands do.

pub(crate) mod ci;
pub(crate) mod meta;
pub(crate) mod replay;
pub(crate) mod run;

use std::process::ExitCode;

use revtun_sim::plan::Cuts;
use revtun_sim::scenario::{SCENARIOS, Scenario};

/// Lists the scenarios.
pub(crate) fn scenarios() -> ExitCode {
    for Scenario { name, about, .. } in SCENARIOS {
        println!("{name:12} {about}");
    }
    ExitCode::SUCCESS
}

/// The command that plays this again.
fn replay_command(scenario: &Scenario, seed: u64, cuts: &Cuts) -> String {
    let mut command = format!("revtun-sim replay {seed} --scenario {}", scenario.name);
    for (flag, value) in [("responders", cuts.responders), ("initiators", cuts.initiators)] {
        if let Some(value) = value {
            command += &format!(" --{flag} {value}");
        }
    }
    for (flag, set) in [("calm", cuts.calm), ("unchecked", cuts.unchecked)] {
        if set {
            command += &format!(" --{flag}");
        }
    }
    if let Some(keep) = &cuts.keep {
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        command += &format!(" --keep {}", keep.join(","));
    }
    command
}
