//! What an oracle is, and what it says when its property fails.

use std::fmt;
use std::time::Duration;

use crate::history::Event;
use crate::net::HostId;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name, as in the specification.
    pub property: &'static str,
    /// What was observed instead.
    pub observed: String,
    /// When.
    pub at: Duration,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not hold at {:.3} s: {}", self.property, self.at.as_secs_f64(), self.observed)
    }
}

/// One property.
pub(super) trait Oracle {
    /// Its name.
    fn property(&self) -> &'static str;

    /// An event.
    ///
    /// # Errors
    /// If the property does not hold: what was observed.
    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String>;

    /// The simulation is over.
    ///
    /// # Errors
    /// If the property does not hold: what was observed.
    fn end(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// The memory of a process changed to `bytes`.
    ///
    /// # Errors
    /// If the property does not hold: what was observed.
    fn observe_memory(&mut self, _at: Duration, _place: HostId, _bytes: usize) -> Result<(), String> {
        Ok(())
    }

    /// A measurement for the summary: what, and how much.
    fn measure(&self) -> Option<(&'static str, f64)> {
        None
    }

    /// Time advances to `now`. For properties with a deadline.
    ///
    /// # Errors
    /// If the property does not hold: what was observed.
    fn advance(&mut self, _now: Duration) -> Result<(), String> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use crate::history::RequestSpec;

    /// A small request, for tests of oracles.
    pub(in crate::oracle) fn request_spec(request: u64) -> RequestSpec {
        RequestSpec {
            request,
            via: 0,
            node: Some(0),
            tenant: 0,
            up: None,
            down: 0,
            service_time: Duration::ZERO,
            never_read: false,
        }
    }
}
