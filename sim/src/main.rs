//! Plays simulations: `revtun-sim run --seed 7`, `revtun-sim replay 7`, `revtun-sim meta`, `revtun-sim scenarios`.

mod cli;
mod command;

use std::process::ExitCode;

use clap::Parser;

use self::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => command::run::run(&args),
        Command::Replay(args) => command::replay::replay(&args),
        Command::Ci(args) => command::ci::ci(&args),
        Command::Meta(args) => command::meta::meta(&args),
        Command::Scenarios => command::scenarios(),
    }
}
