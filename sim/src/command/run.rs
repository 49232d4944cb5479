//! `revtun-sim run`.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use revtun_sim::campaign::{self, Tally};
use revtun_sim::oracle::Failure;
use revtun_sim::plan::Cuts;
use revtun_sim::scenario::Scenario;
use revtun_sim::shrink::shrink;

use super::replay_command;
use crate::cli::RunArgs;

/// Failures of one run that are cut down and told at length.
const TOLD: usize = 3;

pub(crate) fn run(args: &RunArgs) -> ExitCode {
    let cuts = args.shape.cuts();
    let begun = begin();
    let seeds = args.seed.map_or_else(|| args.seeds.clone().unwrap_or(0..100), |seed| seed..seed + 1);
    let tally = match args.minutes {
        None if args.first => return first(args, &cuts, &seeds),
        None => play(&args.scenario, &cuts, &seeds),
        Some(minutes) => {
            let end = begun + Duration::from_secs_f64(minutes * 60.0);
            let first = fresh();
            println!("seeds from {first} on");
            campaign::play(&args.scenario, &cuts, first, |_| begin() < end, |tally| progress(tally, None))
        }
    };
    summarize(&tally, begun.elapsed());
    report(&args.scenario, &cuts, &tally)
}

/// Plays `seeds` until one fails.
fn first(args: &RunArgs, cuts: &Cuts, seeds: &Range<u64>) -> ExitCode {
    let counts = |failure: &Failure| args.property.as_deref().is_none_or(|name| name == failure.property);
    let failed = AtomicBool::new(false);
    let more = |seed| seed < seeds.end && !failed.load(Ordering::Relaxed);
    let told = |tally: &Tally| failed.store(tally.failures.values().any(counts), Ordering::Relaxed);
    let tally = campaign::play(&args.scenario, cuts, seeds.start, more, told);
    match tally.failures.iter().find(|(_, failure)| counts(failure)) {
        None => ExitCode::SUCCESS,
        Some((seed, failure)) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Plays each of `seeds` and shows how far it is.
pub(crate) fn play(scenario: &Scenario, cuts: &Cuts, seeds: &Range<u64>) -> Tally {
    let total = seeds.end - seeds.start;
    campaign::play(scenario, cuts, seeds.start, |seed| seed < seeds.end, |tally| progress(tally, Some(total)))
}

/// How long it took, how much was simulated, and what went wrong on the way.
pub(crate) fn summarize(tally: &Tally, took: Duration) {
    let ratio = tally.simulated.as_secs_f64() / took.as_secs_f64();
    let (hours, took) = (tally.simulated.as_secs_f64() / 3600.0, took.as_secs_f64());
    println!("{} played, {hours:.1} simulated hours in {took:.1} s: {ratio:.0} times real time", tally.played);
    let struck: Vec<String> = tally.struck.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("faults: {}", struck.join(", "));
    println!("network: {:?}", tally.toll);
    for (what, much) in &tally.measures {
        println!("at most {:.3} {what}", Duration::from_millis(*much).as_secs_f64());
    }
}

/// Tells of what failed, cut down.
pub(crate) fn report(scenario: &Scenario, cuts: &Cuts, tally: &Tally) -> ExitCode {
    for (seed, failure) in tally.failures.iter().take(TOLD) {
        tell(scenario, *seed, cuts, failure.clone());
    }
    for (seed, failure) in tally.failures.iter().skip(TOLD) {
        println!("seed {seed}: {failure}");
    }
    println!("{} passed, {} failed", tally.played - tally.failures.len() as u64, tally.failures.len());
    if tally.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(scenario: &Scenario, seed: u64, cuts: &Cuts, failure: Failure) {
    println!("\nseed {seed}: {failure}");
    let small = shrink(scenario, seed, cuts, failure);
    println!("cut down in {} simulations to: {}", small.attempts, small.failure);
    print!("{}", scenario.plan(seed, &small.cuts));
    println!("replay: {}\n", replay_command(scenario, seed, &small.cuts));
}

fn progress(tally: &Tally, total: Option<u64>) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let total = total.map_or_else(String::new, |total| format!(" of {total}"));
    // Whoever cannot see the progress misses nothing.
    let _unseen = write!(out, "\r{}{total} played, {} failed ", tally.played, tally.failures.len());
}

#[expect(clippy::disallowed_methods, reason = "how long simulations take is real time")]
pub(crate) fn begin() -> Instant {
    Instant::now()
}

/// Seeds that nobody has played.
#[expect(clippy::disallowed_methods, reason = "every run is to have seeds of its own")]
fn fresh() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1_000_000)
}
