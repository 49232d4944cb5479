//! `revtun-sim ci`: what every check of a change plays.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::ExitCode;

use revtun_sim::campaign::Tally;
use revtun_sim::plan::Cuts;
use revtun_sim::scenario::{REMEMBERED, SCENARIOS, Scenario};

use super::run::{begin, play, report, summarize};
use crate::cli::CiArgs;

/// Seeds of every scenario that is not the swarm.
const EACH: u64 = 20;

pub(crate) fn ci(args: &CiArgs) -> ExitCode {
    let first = first_seed(&args.commit);
    println!("seeds from {first} on, drawn from {:?}", args.commit);
    let mut good = true;
    let mut all = Tally::default();
    for (scenario, seed, story) in REMEMBERED {
        let scenario = Scenario::find(scenario).expect("it was played once");
        println!("\nseed {seed} of {} again: {story}", scenario.name);
        good &= check(&scenario, &Cuts::default(), seed, 1, &mut all);
    }
    for scenario in SCENARIOS {
        let (initiators, seeds) = match scenario.name {
            "swarm" => (None, args.seeds),
            "fleet" => (Some(200), args.seeds.min(EACH)),
            _ => (None, args.seeds.min(EACH)),
        };
        println!("\n{}: {}", scenario.name, scenario.about);
        good &= check(&scenario, &Cuts { initiators, ..Cuts::default() }, first, seeds, &mut all);
        if scenario.name == "fleet" && args.seeds >= EACH {
            println!("\nthe same with 1000 initiators");
            good &= check(&scenario, &Cuts { initiators: Some(1000), ..Cuts::default() }, first, 2, &mut all);
        }
    }
    let inert = all.inert();
    if !inert.is_empty() && args.seeds >= EACH {
        println!("these faults never had an effect: {}", inert.join(", "));
        good = false;
    }
    println!("\n{} simulations in all", all.played);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(scenario: &Scenario, cuts: &Cuts, first: u64, seeds: u64, all: &mut Tally) -> bool {
    let begun = begin();
    let tally = play(scenario, cuts, &(first..first + seeds));
    summarize(&tally, begun.elapsed());
    let outcome = report(scenario, cuts, &tally);
    all.add(tally);
    outcome == ExitCode::SUCCESS
}

/// The same commit has the same seeds, and each commit has its own.
fn first_seed(commit: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    commit.hash(&mut hasher);
    hasher.finish() >> 16
}
