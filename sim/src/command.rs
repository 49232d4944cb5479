//! What the commands do.

pub(crate) mod ci;
pub(crate) mod meta;
pub(crate) mod replay;
pub(crate) mod run;

use std::process::ExitCode;

use revtun_sim::scenario::{SCENARIOS, Scenario};

/// Lists the scenarios.
pub(crate) fn scenarios() -> ExitCode {
    for Scenario { name, about, .. } in SCENARIOS {
        println!("{name:16} {about}");
    }
    ExitCode::SUCCESS
}
