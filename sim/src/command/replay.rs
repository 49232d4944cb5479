//! `revtun-sim replay`.

use std::fmt::Write as _;
use std::process::ExitCode;

use revtun_sim::journals::Journals;
use revtun_sim::plan::Overrides;
use revtun_sim::report;
use revtun_sim::scenario::Scenario;
use revtun_sim::world::Outcome;

use crate::cli::ReplayArgs;

pub(crate) fn replay(args: &ReplayArgs) -> ExitCode {
    let overrides = Overrides { keep: args.keep.clone(), good_network: args.good_network, ..args.shape.overrides() };
    let plan = args.scenario.plan(args.seed, &overrides);
    let journals = args.journal.as_ref().map(|folder| Journals::in_folder(folder, &format!("seed-{}", args.seed)));
    let outcome = args.scenario.play(args.seed, &overrides, journals.as_ref());
    if let Some(journals) = journals {
        journals.finish();
    }
    let text = log(&outcome);
    let drawn = args.report.as_ref().map_or(Ok(()), |file| {
        let alone = file.extension().is_some_and(|extension| extension == "svg");
        std::fs::write(file, if alone { report::svg(&plan, &outcome) } else { report::page(&plan, &outcome) })
    });
    let written = match &args.output {
        None if args.report.is_some() => Ok(()),
        None => {
            print!("{plan}{text}");
            Ok(())
        }
        Some(file) => std::fs::write(file, format!("{plan}{text}")),
    };
    if let Err(error) = drawn.and(written) {
        eprintln!("cannot write: {error}");
        return ExitCode::FAILURE;
    }
    match outcome.failure {
        None => {
            println!("everything holds");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The command that replays this.
pub(super) fn replay_command(scenario: &Scenario, seed: u64, overrides: &Overrides) -> String {
    let mut command = format!("revtun-sim replay {seed} --scenario {}", scenario.name);
    for (flag, value) in [("responders", overrides.responders), ("initiators", overrides.initiators)] {
        if let Some(value) = value {
            command += &format!(" --{flag} {value}");
        }
    }
    for (flag, set) in [("good-network", overrides.good_network), ("unchecked", overrides.unchecked)] {
        if set {
            command += &format!(" --{flag}");
        }
    }
    if let Some(keep) = &overrides.keep {
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        command += &format!(" --keep {}", keep.join(","));
    }
    command
}

/// What happened, a line each.
fn log(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (at, event) in &outcome.events {
        writeln!(text, "{:>10.4} {event}", at.as_secs_f64()).expect("a string takes it");
    }
    writeln!(text, "{:?}, digest {:016x}", outcome.network_stats, outcome.packets).expect("a string takes it");
    text
}
