//! `revtun-sim ci`: what every check of a change plays.

use std::ops::Range;
use std::process::ExitCode;

use revtun_sim::campaign::Tally;
use revtun_sim::plan::Overrides;
use revtun_sim::regression_seeds::{EARLY_REGRESSION_SEEDS, REGRESSION_SEEDS};
use revtun_sim::scenario::{SCENARIOS, Scenario};

use super::replay::replay_command;
use super::run::{play, report, summarize, wall_clock};
use crate::cli::CiArgs;

/// Seeds of every scenario that is not the swarm.
const EACH: u64 = 20;

/// Scenarios in large worlds with one responder: how many seeds, and how many initiators with three tunnels each.
const LARGE: [(&str, u64, usize); 3] = [("restart", 8, 20), ("fleet", 20, 200), ("fleet", 2, 1_000)];

pub(crate) fn ci(args: &CiArgs) -> ExitCode {
    let mut wrong = Vec::new();
    let mut all = Tally::default();
    let mut check = |scenario: &Scenario, overrides: Overrides, seeds: Range<u64>| {
        let begun = wall_clock();
        let tally = play(scenario, &overrides, &seeds);
        summarize(&tally, begun.elapsed());
        report(scenario, &overrides, &tally);
        let failures = tally.failures.iter();
        wrong.extend(
            failures.map(|(seed, failure)| format!("{failure}; {}", replay_command(scenario, *seed, &overrides))),
        );
        all.add(tally);
    };
    for scenario in SCENARIOS {
        println!("\n{}: {}", scenario.name, scenario.about);
        let swarm = scenario.name == "swarm";
        for (seed, matter) in EARLY_REGRESSION_SEEDS.into_iter().chain(REGRESSION_SEEDS).filter(|_| swarm) {
            println!("\nseed {seed}, once: {matter}");
            check(&scenario, Overrides::default(), seed..seed + 1);
        }
        if swarm {
            println!("\nseeds from {} on", args.from);
            check(&scenario, Overrides::default(), args.from..args.from + args.seeds);
        } else {
            check(&scenario, Overrides::default(), 0..args.seeds.min(EACH));
        }
        for (_, seeds, initiators) in LARGE.into_iter().filter(|(name, ..)| *name == scenario.name) {
            println!("\nwith {initiators} initiators");
            let overrides = Overrides { responders: Some(1), initiators: Some(initiators), ..Overrides::default() };
            check(&scenario, overrides, 0..args.seeds.min(seeds));
        }
    }
    let inert = all.inert();
    if !inert.is_empty() && args.seeds >= EACH {
        wrong.push(format!("these faults never had an effect: {}", inert.join(", ")));
    }
    println!("\n{} simulations in all", all.played);
    // Again at the end, where readers of long logs look first.
    wrong.iter().for_each(|wrong| println!("FAILED: {wrong}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
