//! `revtun-sim run`.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use revtun_sim::campaign::{self, Tally};
use revtun_sim::oracle::Failure;
use revtun_sim::plan::Overrides;
use revtun_sim::scenario::Scenario;
use revtun_sim::shrink::shrink;

use super::replay::replay_command;
use crate::cli::RunArgs;

/// Failures of one run that are shrunk and reported in full.
const SHRUNK: usize = 3;

pub(crate) fn run(args: &RunArgs) -> ExitCode {
    let overrides = args.shape.overrides();
    let begun = wall_clock();
    let seeds = args.seed.map_or_else(|| args.seeds.clone().unwrap_or(0..100), |seed| seed..seed + 1);
    let tally = match args.minutes {
        None if args.first => return find_first(args, &overrides, &seeds),
        None => play(&args.scenario, &overrides, &seeds),
        Some(minutes) => {
            let end = begun + Duration::from_secs_f64(minutes * 60.0);
            let first = new_seed();
            println!("seeds from {first} on");
            campaign::play(&args.scenario, &overrides, first, |_| wall_clock() < end, |tally| progress(tally, None))
        }
    };
    summarize(&tally, begun.elapsed());
    report(&args.scenario, &overrides, &tally)
}

/// Plays `seeds` until one fails.
fn find_first(args: &RunArgs, overrides: &Overrides, seeds: &Range<u64>) -> ExitCode {
    let counts = |failure: &Failure| args.property.as_deref().is_none_or(|name| name == failure.property);
    let failed = AtomicBool::new(false);
    let more = |seed| seed < seeds.end && !failed.load(Ordering::Relaxed);
    let check = |tally: &Tally| failed.store(tally.failures.values().any(counts), Ordering::Relaxed);
    let tally = campaign::play(&args.scenario, overrides, seeds.start, more, check);
    match tally.failures.iter().find(|(_, failure)| counts(failure)) {
        None => ExitCode::SUCCESS,
        Some((seed, failure)) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Plays each of `seeds` and shows progress.
pub(crate) fn play(scenario: &Scenario, overrides: &Overrides, seeds: &Range<u64>) -> Tally {
    let total = seeds.end - seeds.start;
    campaign::play(scenario, overrides, seeds.start, |seed| seed < seeds.end, |tally| progress(tally, Some(total)))
}

/// Prints durations, fault counts, network counters and measurements.
pub(crate) fn summarize(tally: &Tally, took: Duration) {
    let ratio = tally.simulated.as_secs_f64() / took.as_secs_f64();
    let (hours, took) = (tally.simulated.as_secs_f64() / 3600.0, took.as_secs_f64());
    println!("{} played, {hours:.1} simulated hours in {took:.1} s: {ratio:.0} times real time", tally.played);
    let injected: Vec<String> = tally.injected.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("faults: {}", injected.join(", "));
    println!("network: {:?}", tally.network_stats);
    for (what, much) in &tally.measures {
        println!("at most {:.3} {what}", Duration::from_millis(*much).as_secs_f64());
    }
}

/// Prints failures, shrunk.
pub(crate) fn report(scenario: &Scenario, overrides: &Overrides, tally: &Tally) -> ExitCode {
    for (seed, failure) in tally.failures.iter().take(SHRUNK) {
        report_shrunk(scenario, *seed, overrides, failure.clone());
    }
    for (seed, failure) in tally.failures.iter().skip(SHRUNK) {
        println!("seed {seed}: {failure}");
    }
    println!("{} passed, {} failed", tally.played - tally.failures.len() as u64, tally.failures.len());
    if tally.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report_shrunk(scenario: &Scenario, seed: u64, overrides: &Overrides, failure: Failure) {
    println!("\nseed {seed}: {failure}");
    let small = shrink(scenario, seed, overrides, failure);
    println!("shrunk in {} simulations to: {}", small.attempts, small.failure);
    print!("{}", scenario.plan(seed, &small.overrides));
    println!("replay: {}\n", replay_command(scenario, seed, &small.overrides));
}

fn progress(tally: &Tally, total: Option<u64>) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let total = total.map_or_else(String::new, |total| format!(" of {total}"));
    // Progress is not essential.
    let _unseen = write!(out, "\r{}{total} played, {} failed ", tally.played, tally.failures.len());
}

#[expect(clippy::disallowed_methods, reason = "how long simulations take is real time")]
pub(crate) fn wall_clock() -> Instant {
    Instant::now()
}

/// A seed from the wall clock, so that every run has new ones.
#[expect(clippy::disallowed_methods, reason = "every run is to have seeds of its own")]
fn new_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1_000_000)
}
