//! `revtun-sim meta`: equal seeds give equal packets, moments and events, in this process and in another.

use std::env;
use std::process::{Command, ExitCode};

use revtun_sim::plan::Overrides;
use revtun_sim::scenario::Scenario;

use crate::cli::MetaArgs;

pub(crate) fn meta(args: &MetaArgs) -> ExitCode {
    let swarm = Scenario::find("swarm").expect("it is there");
    let digests = || args.seeds.clone().map(|seed| digest(&swarm, seed)).collect::<Vec<_>>();
    let once = digests();
    if args.digests {
        once.iter().for_each(|digest| println!("{digest}"));
        return ExitCode::SUCCESS;
    }
    let again = digests();
    let elsewhere = match digests_of_another_process(args) {
        Ok(digests) => digests,
        Err(error) => {
            eprintln!("cannot play in another process: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut different = 0;
    for (number, seed) in args.seeds.clone().enumerate() {
        let all = [Some(&once[number]), again.get(number), elsewhere.get(number)];
        if all.iter().any(|digest| *digest != all[0]) {
            different += 1;
            println!("seed {seed} gives {all:?}");
        }
    }
    println!("{} seeds, three times each: {different} differ", once.len());
    if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A seed, a digest of every packet with its time, and one of every event.
fn digest(scenario: &Scenario, seed: u64) -> String {
    let outcome = scenario.play(seed, &Overrides::default(), None);
    format!("{seed} {:016x} {:016x}", outcome.packets, outcome.digest())
}

fn digests_of_another_process(args: &MetaArgs) -> std::io::Result<Vec<String>> {
    let seeds = format!("{}..{}", args.seeds.start, args.seeds.end);
    let output = Command::new(env::current_exe()?).args(["meta", "--digests", "--seeds", &seeds]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(ToOwned::to_owned).collect())
}
