//! A long run under attack: `cargo run -p revtun-tests --example soak -- --duration 10m`.
//!
//! `--no-attacks` leaves the honest tenants alone, `--restart-every 30s` kills and starts an end so often, `--tenants N` is
//! how many there are. Ends with code 0 if every request was answered and nothing grew; `REVTUN_BINARY` is what runs, or
//! else one that is built.

use std::time::Duration;

use revtun_program::config::duration;
use revtun_tests::soak::{Plan, run};

const USAGE: &str = "soak [--duration 10m] [--tenants 3] [--no-attacks] [--restart-every 30s]";

#[tokio::main]
async fn main() {
    let mut plan = Plan { duration: Duration::from_secs(600), tenants: 3, attacks: true, restarts: None };
    let mut words = std::env::args().skip(1);
    let value = |word: &str, words: &mut dyn Iterator<Item = String>| {
        words.next().unwrap_or_else(|| panic!("{word} needs a value; {USAGE}"))
    };
    let time = |text: &str| duration::parse(text).unwrap_or_else(|fault| panic!("{fault:?}; {USAGE}"));
    while let Some(word) = words.next() {
        match word.as_str() {
            "--duration" => plan.duration = time(&value(&word, &mut words)),
            "--restart-every" => plan.restarts = Some(time(&value(&word, &mut words))),
            "--tenants" => plan.tenants = value(&word, &mut words).parse().expect("a number of tenants"),
            "--no-attacks" => plan.attacks = false,
            other => panic!("{other} is not known; {USAGE}"),
        }
    }
    println!("{}", run(plan).await);
}
