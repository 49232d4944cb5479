//! The command line.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use revtun_sim::plan::Overrides;
use revtun_sim::scenario::Scenario;

/// Deterministic simulation of the shipped revtun runtime.
#[derive(Debug, Parser)]
#[command(name = "revtun-sim", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play simulations on all cores; exit 1 if a property does not hold, and print the shrunk failure and how to replay it.
    Run(RunArgs),
    /// Play one simulation and print what happens in it.
    Replay(ReplayArgs),
    /// Play what every check of a change plays: seeds of the swarm, every scenario, and large worlds.
    Ci(CiArgs),
    /// Prove that equal seeds give equal packets, twice in this process and once in another.
    Meta(MetaArgs),
    /// List the scenarios.
    Scenarios,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Only this seed.
    #[arg(long, conflicts_with_all = ["seeds", "minutes"])]
    pub(crate) seed: Option<u64>,
    /// Each of these seeds: FIRST..END, without END.
    #[arg(long, value_parser = parse_seeds, conflicts_with = "minutes")]
    pub(crate) seeds: Option<Range<u64>>,
    /// Stop at the first failure, and only name it.
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) first: bool,
    /// With `--first`: only failures of this property count.
    #[arg(long, requires = "first", value_name = "NAME")]
    pub(crate) property: Option<String>,
    /// New seeds for this many minutes; the first is printed.
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// The scenario.
    #[arg(long, value_parser = parse_scenario, default_value = "swarm")]
    pub(crate) scenario: Scenario,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The seed.
    pub(crate) seed: u64,
    /// The scenario.
    #[arg(long, value_parser = parse_scenario, default_value = "swarm")]
    pub(crate) scenario: Scenario,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Only these faults, by their numbers in the plan, such as 0,4,7.
    #[arg(long, value_delimiter = ',', num_args = 0..)]
    pub(crate) keep: Option<Vec<usize>>,
    /// On a network without loss or delay spikes.
    #[arg(long)]
    pub(crate) good_network: bool,
    /// Write the log to this file instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Draw it: a self-contained page, or the picture alone if the name ends in `.svg`.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write a journal of every machine to a file in this folder, for `revtun replay`.
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// The first seed of the swarm. A different one for each change plays different worlds each time.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) from: u64,
    /// This many seeds of the swarm, and at most this many of each other scenario.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) seeds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct MetaArgs {
    /// Each of these seeds: FIRST..END, without END.
    #[arg(long, value_parser = parse_seeds, default_value = "0..10")]
    pub(crate) seeds: Range<u64>,
    /// Only print the digests.
    #[arg(long)]
    pub(crate) digests: bool,
}

/// The shape of the worlds.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Shape {
    /// This many initiators.
    #[arg(long)]
    pub(crate) initiators: Option<usize>,
    /// This many responders.
    #[arg(long)]
    pub(crate) responders: Option<usize>,
    /// Without the machines' own invariant checks: only what is observable from outside counts.
    #[arg(long)]
    pub(crate) unchecked: bool,
}

impl Shape {
    /// As overrides of a plan.
    pub(crate) fn overrides(&self) -> Overrides {
        let Self { initiators, responders, unchecked } = *self;
        Overrides { initiators, responders, unchecked, ..Overrides::default() }
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let seeds = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    seeds.filter(|seeds| !seeds.is_empty()).ok_or_else(|| "seeds are FIRST..END, such as 0..100".to_owned())
}

fn parse_scenario(name: &str) -> Result<Scenario, String> {
    Scenario::find(name).ok_or_else(|| "no such scenario; `revtun-sim scenarios` lists them".to_owned())
}
