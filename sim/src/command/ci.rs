//! `revtun-sim ci`: what every check of a change plays.

use std::ops::Range;
use std::process::ExitCode;

use revtun_sim::campaign::Tally;
use revtun_sim::plan::Cuts;
use revtun_sim::scenario::{EARLY, REMEMBERED, SCENARIOS, Scenario};

use super::replay_command;
use super::run::{begin, play, report, summarize};
use crate::cli::CiArgs;

/// Seeds of every scenario that is not the swarm.
const EACH: u64 = 20;

/// Scenarios in large worlds with one responder: how many seeds, and how many initiators with three tunnels each.
const LARGE: [(&str, u64, usize); 3] = [("restart", 8, 20), ("fleet", 20, 200), ("fleet", 2, 1_000)];

pub(crate) fn ci(args: &CiArgs) -> ExitCode {
    let mut wrong = Vec::new();
    let mut all = Tally::default();
    let mut check = |scenario: &Scenario, cuts: Cuts, seeds: Range<u64>| {
        let begun = begin();
        let tally = play(scenario, &cuts, &seeds);
        summarize(&tally, begun.elapsed());
        report(scenario, &cuts, &tally);
        let failures = tally.failures.iter();
        wrong.extend(failures.map(|(seed, failure)| format!("{failure}; {}", replay_command(scenario, *seed, &cuts))));
        all.add(tally);
    };
    for scenario in SCENARIOS {
        println!("\n{}: {}", scenario.name, scenario.about);
        let swarm = scenario.name == "swarm";
        for (seed, matter) in EARLY.into_iter().chain(REMEMBERED).filter(|_| swarm) {
            println!("\nseed {seed}, once: {matter}");
            check(&scenario, Cuts::default(), seed..seed + 1);
        }
        if swarm {
            println!("\nseeds from {} on", args.from);
            check(&scenario, Cuts::default(), args.from..args.from + args.seeds);
        } else {
            check(&scenario, Cuts::default(), 0..args.seeds.min(EACH));
        }
        for (_, seeds, initiators) in LARGE.into_iter().filter(|(name, ..)| *name == scenario.name) {
            println!("\nwith {initiators} initiators");
            let cuts = Cuts { responders: Some(1), initiators: Some(initiators), ..Cuts::default() };
            check(&scenario, cuts, 0..args.seeds.min(seeds));
        }
    }
    let inert = all.inert();
    if !inert.is_empty() && args.seeds >= EACH {
        wrong.push(format!("these faults never had an effect: {}", inert.join(", ")));
    }
    println!("\n{} simulations in all", all.played);
    // Once more at the end, where whoever reads a long log looks first.
    wrong.iter().for_each(|wrong| println!("FAILED: {wrong}"));
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
