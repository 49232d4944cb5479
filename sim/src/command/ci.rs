//! `revtun-sim ci`: what every check of a change plays.

use std::ops::Range;
use std::process::ExitCode;

use revtun_sim::campaign::Tally;
use revtun_sim::plan::Cuts;
use revtun_sim::scenario::{REMEMBERED, SCENARIOS, Scenario};

use super::run::{begin, play, report, summarize};
use crate::cli::CiArgs;

/// Seeds of every scenario that is not the swarm.
const EACH: u64 = 20;

/// Fleets, and how many initiators they have.
const FLEETS: [(u64, usize); 2] = [(20, 200), (2, 1_000)];

pub(crate) fn ci(args: &CiArgs) -> ExitCode {
    let mut good = true;
    let mut all = Tally::default();
    let mut check = |scenario: &Scenario, initiators: Option<usize>, seeds: Range<u64>| {
        let cuts = Cuts { initiators, ..Cuts::default() };
        let begun = begin();
        let tally = play(scenario, &cuts, &seeds);
        summarize(&tally, begun.elapsed());
        good &= report(scenario, &cuts, &tally) == ExitCode::SUCCESS;
        all.add(tally);
    };
    for scenario in SCENARIOS {
        println!("\n{}: {}", scenario.name, scenario.about);
        match scenario.name {
            "swarm" => {
                for (seed, matter) in REMEMBERED {
                    println!("\nseed {seed}, once: {matter}");
                    check(&scenario, None, seed..seed + 1);
                }
                println!("\nseeds from {} on", args.from);
                check(&scenario, None, args.from..args.from + args.seeds);
            }
            "fleet" => {
                for (seeds, initiators) in FLEETS {
                    println!("\nof {initiators} initiators");
                    check(&scenario, Some(initiators), 0..args.seeds.min(seeds));
                }
            }
            _ => check(&scenario, None, 0..args.seeds.min(EACH)),
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
