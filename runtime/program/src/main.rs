//! The `revtun` binary: reads the command line, runs what it asks for, and says how that ended.
//!
//! Exit codes: 0 all went well, 1 our own failure, 2 a mistake of the user's. A second signal while draining ends the
//! process with 128 plus its number.

mod cli;
mod command;
mod error;
mod log;
mod signals;

use std::panic::catch_unwind;
use std::process::ExitCode;

use revtun::supervise::TaskPanicked;

use crate::error::CliError;

/// A request allocates some thirty times, all of it small and for short, and a body passes in buffers of some hundred KiB,
/// which this keeps at hand instead of giving them back to the system page by page.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    log::install_panic_hook();
    let outcome = catch_unwind(|| cli::read().and_then(command::run));
    let outcome = outcome.unwrap_or_else(|panic| Err(CliError::fatal(&TaskPanicked::of("main", &*panic))));
    let code = outcome.map_or_else(CliError::report, |()| ExitCode::SUCCESS);
    log::flush();
    code
}
