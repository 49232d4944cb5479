//! The command line.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use revtun_sim::plan::Cuts;
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
    /// Play simulations on all cores; exit 1 if a property does not hold, with what is left of it and how to replay it.
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
    /// Go no further than to the first failure, and only name it.
    #[arg(long, conflicts_with = "minutes")]
    pub(crate) first: bool,
    /// With `--first`: only failures of this property count.
    #[arg(long, requires = "first", value_name = "NAME")]
    pub(crate) property: Option<String>,
    /// Fresh seeds for so long; the first is printed.
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// Only the scenario of this name; `swarm` unless said.
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
    /// In calm weather.
    #[arg(long)]
    pub(crate) calm: bool,
    /// Write what happens to this file instead.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Draw it: a page that needs nothing else, or the picture alone if the name ends in `.svg`.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Record the steps of every machine in a file in this folder, for `revtun replay`.
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CiArgs {
    /// The first seed of the swarm. With another for each change, other worlds are seen each time.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) from: u64,
    /// So many seeds of the swarm, and at most so many of each other scenario.
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

/// What worlds are like.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Shape {
    /// With so many initiators.
    #[arg(long)]
    pub(crate) initiators: Option<usize>,
    /// With so many responders.
    #[arg(long)]
    pub(crate) responders: Option<usize>,
    /// The machines do not check themselves: only what can be seen from outside counts.
    #[arg(long)]
    pub(crate) unchecked: bool,
}

impl Shape {
    /// As cuts of a plan.
    pub(crate) fn cuts(&self) -> Cuts {
        let Self { initiators, responders, unchecked } = *self;
        Cuts { initiators, responders, unchecked, ..Cuts::default() }
    }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let seeds = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    seeds.filter(|seeds| !seeds.is_empty()).ok_or_else(|| "seeds are FIRST..END, such as 0..100".to_owned())
}

fn parse_scenario(name: &str) -> Result<Scenario, String> {
    Scenario::find(name).ok_or_else(|| "no such scenario; `revtun-sim scenarios` lists them".to_owned())
}
