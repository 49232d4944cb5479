//! The log: one line an event, on standard error.

use std::io;

use revtun_program::config::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// What is logged unless somebody says otherwise.
const DEFAULT_LEVEL: &str = "info";

/// Starts the log, once a process.
pub(crate) fn start(settings: &LogSettings) {
    let level = settings.level.as_deref().unwrap_or(DEFAULT_LEVEL);
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(io::stderr);
    match settings.format {
        LogFormat::Human => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            builder.with_ansi(colours).with_target(false).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}
