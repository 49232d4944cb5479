//! Time, left out: before a step a machine's moments are put where they make one armed timer due, a life long or short,
//! a ping late or not. Every real run is among the runs on such schedules, whatever its durations.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::fmt;
use std::time::Duration;

use revtun_core::journal::Record;
use revtun_core::{CANONICAL_NOW, Instant};

use crate::graph::Told;

/// How far away everything is that is not due.
pub(crate) const LATER: Duration = Duration::from_secs(60);

fn ago(seconds: u64) -> Instant {
    Instant::EPOCH.after(CANONICAL_NOW.since(Instant::EPOCH) - Duration::from_secs(seconds))
}

/// What happened, and the schedule that it happened on.
pub(crate) struct Scheduled<S>(pub(crate) Record, pub(crate) S);

impl<S: fmt::Display> Told for Scheduled<S> {
    fn action(&self) -> &str {
        self.0.tag()
    }
}

impl<S: fmt::Display> fmt::Display for Scheduled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(event, schedule) = self;
        write!(f, "{event}{schedule}")
    }
}
