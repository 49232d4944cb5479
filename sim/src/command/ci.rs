//! `revtun-sim ci`: what every check of a change plays.

use std::process::ExitCode;

use revtun_sim::campaign::Tally;
use revtun_sim::plan::Cuts;
use revtun_sim::scenario::{OPEN, SCENARIOS, Scenario};

use super::run::{begin, play, report, summarize};
use crate::cli::CiArgs;

/// Seeds of every scenario that is not the swarm.
const EACH: u64 = 20;

pub(crate) fn ci(args: &CiArgs) -> ExitCode {
    let mut good = true;
    let mut all = Tally::default();
    for scenario in SCENARIOS {
        let (initiators, seeds) = match scenario.name {
            "swarm" => (None, args.seeds),
            "fleet" => (Some(200), args.seeds.min(EACH)),
            _ => (None, args.seeds.min(EACH)),
        };
        println!("\n{}: {}", scenario.name, scenario.about);
        good &= check(&scenario, &Cuts { initiators, ..Cuts::default() }, seeds, &mut all);
    }
    let inert = all.inert();
    if !inert.is_empty() && args.seeds >= EACH {
        println!("these faults never had an effect: {}", inert.join(", "));
        good = false;
    }
    println!("\n{} simulations in all", all.played);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the first `seeds` seeds go as they are known to.
fn check(scenario: &Scenario, cuts: &Cuts, seeds: u64, all: &mut Tally) -> bool {
    let begun = begin();
    let mut tally = play(scenario, cuts, &(0..seeds));
    summarize(&tally, begun.elapsed());
    let mut mended = 0;
    let open = OPEN.into_iter().filter(|(name, seed, _)| *name == scenario.name && *seed < seeds);
    for (_, seed, property) in open {
        if tally.failures.get(&seed).is_some_and(|failure| failure.property == property) {
            tally.failures.remove(&seed);
            println!("still open: seed {seed}, {property}");
        } else {
            println!("no longer open: seed {seed}, {property}; take it off the list in sim/src/scenario.rs");
            mended += 1;
        }
    }
    let outcome = report(scenario, cuts, &tally);
    all.add(tally);
    outcome == ExitCode::SUCCESS && mended == 0
}
