//! Plays scenarios: `revtun-sim run --seed 7`, `revtun-sim run --seeds 1..100`, `revtun-sim scenarios`.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use revtun_sim::scenario::{SCENARIOS, Scenario};

/// Deterministic simulation of the shipped revtun runtime.
#[derive(Debug, Parser)]
#[command(name = "revtun-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play scenarios; exit 1 if a property does not hold, with the command that replays it.
    Run(RunArgs),
    /// List the scenarios.
    Scenarios,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Play with this seed only, and print the journal.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Play with each of these seeds: FIRST..END, without END.
    #[arg(long, value_parser = parse_seeds, default_value = "0..20")]
    seeds: Range<u64>,
    /// Play only the scenario of this name.
    #[arg(long, value_parser = parse_scenario)]
    scenario: Option<Scenario>,
    /// Trace every machine to a file in this folder, for `revtun check-trace`.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let seeds = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    seeds.filter(|seeds| !seeds.is_empty()).ok_or_else(|| "seeds are FIRST..END, such as 0..100".to_owned())
}

fn parse_scenario(name: &str) -> Result<Scenario, String> {
    Scenario::find(name).ok_or_else(|| "no such scenario; `revtun-sim scenarios` lists them".to_owned())
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Scenarios => {
            for Scenario { name, about, .. } in SCENARIOS {
                println!("{name:8} {about}");
            }
            ExitCode::SUCCESS
        }
    }
}

fn run(args: &RunArgs) -> ExitCode {
    let seeds = args.seed.map_or_else(|| args.seeds.clone(), |seed| seed..seed + 1);
    let scenarios = args.scenario.map_or_else(|| SCENARIOS.to_vec(), |scenario| vec![scenario]);
    let mut failures = 0;
    for scenario in &scenarios {
        for seed in seeds.clone() {
            let outcome = scenario.play_traced(seed, args.trace.as_deref());
            if args.seed.is_some() {
                print!("{}", outcome.entries);
            }
            if let Err(failure) = outcome.result {
                failures += 1;
                println!("{} with seed {seed}: {failure}", scenario.name);
                println!("    replay: revtun-sim run --scenario {} --seed {seed}", scenario.name);
            }
        }
    }
    let played = scenarios.len() as u64 * (seeds.end - seeds.start);
    println!("{played} played, {failures} failed");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
