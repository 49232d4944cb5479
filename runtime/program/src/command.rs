//! One file for each subcommand.

mod check;
mod config;
mod connect;
mod demo;
mod initiator;
mod journals;
mod process;
mod replay;
mod responder;
mod route;

use crate::cli::Command;
use crate::error::CliError;

/// Does what the command line asks for.
pub(crate) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Responder(args) => responder::run(&args),
        Command::Initiator(args) => initiator::run(&args),
        Command::Connect(args) => connect::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Config(end, args) => config::run(end, &args),
        Command::Replay(args) => replay::run(&args),
        Command::Route(args, given) => route::run(&args, &given),
    }
}
