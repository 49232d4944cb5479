//! The log: one line an event, on standard error.
//!
//! ```text
//!   an event ──▶ level? ──▶ limits: seen too often? ──▶ a line ──▶ (bounded) ──▶ a thread of its own ──▶ standard error
//! ```
//!
//! Nobody waits for the log and nobody fails with it. A line for which there is no room, or that cannot be written, is
//! dropped, counted and told of once lines can be written again. What else goes to standard error, of failures and panics,
//! goes the same way once the log is started.

mod escape;
mod limits;
mod line;
mod metrics;
mod queue;

pub(crate) use self::metrics::Logged;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use revtun::world::Tokio;
use revtun_program::config::{LogFormat, LogSettings};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use self::limits::Limits;
use self::line::LogLine;
use self::queue::Queue;

/// How long a process that ends waits for its last lines to be written. A reader that takes longer has stalled.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of this process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

/// Panics of this process.
static PANICS: AtomicU64 = AtomicU64::new(0);

struct Log {
    queue: Queue,
    limits: &'static Limits,
    format: LogFormat,
}

/// Starts the log, once a process.
///
/// # Errors
/// If the system lacks a thread or a descriptor for it.
pub(crate) fn start(settings: &LogSettings) -> io::Result<()> {
    let filter = EnvFilter::builder().parse(settings.level()).map_err(io::Error::other)?;
    let world = Tokio::begin();
    let limits: &'static Limits = Box::leak(Box::new(Limits::new(world.clone())));
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("cannot start the log: {error}"));
    let colours = settings.format == LogFormat::Human && io::stderr().is_terminal();
    let queue = Queue::start(world, limits, settings.format, colours).map_err(failed)?;
    // Whatever goes wrong within the layer is printed by it unless it is told not to, and a print may panic or wait.
    let lines = fmt::layer().log_internal_errors(false).with_writer(queue.clone());
    let lines = match settings.format {
        LogFormat::Human => lines.with_ansi(colours).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed(),
    };
    let subscriber = registry().with(filter).with(limits).with(lines);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    let _started_before = LOG.set(Log { queue, limits, format: settings.format });
    Ok(())
}

/// Lets panics be told like everything else: in one line, which nobody waits for.
pub(crate) fn install_panic_hook() {
    panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tell_panic(panic);
    }));
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("nothing");
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
    // Within the log itself, and with the log off, it is told nevertheless.
    if tracing::enabled!(Level::ERROR) {
        let backtrace = backtrace.map(tracing::field::display);
        tracing::error!(at, backtrace, "panicked: {message}");
    } else {
        urgent(&format!("panicked at {at}: {message}"));
    }
}

/// Tells an error whatever the level and the limits are, in the format of the log.
pub(crate) fn urgent(line: &str) {
    match LOG.get() {
        Some(log) => log.queue.push(&LogLine::error(line).render(log.format)),
        None => say(&format!("revtun: {line}")),
    }
}

/// Writes `line` to standard error as it is, behind the lines of the log.
pub(crate) fn say(line: &str) {
    match LOG.get() {
        Some(log) => log.queue.push(format!("{line}\n").as_bytes()),
        // Whoever closed our standard error does not want to know.
        None => drop(writeln!(io::stderr(), "{line}")),
    }
}

/// Waits until everything that was logged so far is written, but not for a reader that has stalled.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.flush(LAST_LINES);
    }
}
