//! What the log of this process counts, beside what an end counts.

use std::sync::atomic::Ordering;

use revtun_program::admin::{DrainQuery, Subject};
use revtun_program::metrics::Exposition;
use serde_json::Value;

use super::{LOG, PANICS};

/// An end, and the log of its process.
pub(crate) struct Logged<S>(pub(crate) S);

impl<S: Subject> Subject for Logged<S> {
    fn healthy(&self) -> Result<(), String> {
        self.0.healthy()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }

    fn details(&self) -> Vec<String> {
        self.0.details()
    }

    fn tunnels(&self) -> Value {
        self.0.tunnels()
    }

    fn metrics(&self, page: &mut Exposition) {
        self.0.metrics(page);
        let Some(log) = LOG.get() else { return };
        page.counter("revtun_log_lines_dropped_total", "Lines of the log that nobody will read, by reason.")
            .by("reason", log.queue.dropped());
        page.counter("revtun_log_lines_left_out_total", "Lines of the log left out since many like it came before.")
            .value(log.limits.left_out());
        page.counter("revtun_panics_total", "Panics, each of which is a bug of revtun.")
            .value(PANICS.load(Ordering::Relaxed));
    }

    fn everything(&self) -> String {
        self.0.everything()
    }

    fn drain(&self, query: &DrainQuery) -> Result<String, String> {
        self.0.drain(query)
    }
}
