//! The idle timeout of request and response bodies, counted in checks rather than measured.

use core::time::Duration;

/// How many checks in a row find no progress before a request is aborted. A flag that is set by any progress and
/// cleared by each check is enough: nobody has to note when a byte moved.
const CHECKS: u32 = 4;

/// What to do about a request after a check of its bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next {
    /// Check again after another [`IdleTimeout::check_interval`].
    Wait,
    /// Abort it with an error, and check again.
    Abort,
    /// Nobody takes the error: drop it.
    Drop,
}

/// The state of the idle timeout of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdleTimeout {
    idle_checks: u32,
}

impl IdleTimeout {
    /// The time between two checks, for an idle timeout of `timeout`: a request is aborted after at least that time
    /// without progress and at most a quarter more, and dropped a quarter later.
    #[must_use]
    pub fn check_interval(timeout: Duration) -> Duration {
        timeout / CHECKS
    }

    /// Records whether any byte moved (`progressed`) since the last check.
    pub const fn check(&mut self, progressed: bool) -> Next {
        if self.idle_checks <= CHECKS {
            self.idle_checks = if progressed { 0 } else { self.idle_checks + 1 };
        }
        match self.idle_checks {
            ..CHECKS => Next::Wait,
            CHECKS => Next::Abort,
            _ => Next::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_progress_is_aborted_and_then_dropped() {
        let mut idle_timeout = IdleTimeout::default();
        for progressed in [false, false, false, true, false, false, false] {
            assert_eq!(idle_timeout.check(progressed), Next::Wait);
        }
        assert_eq!(idle_timeout.check(false), Next::Abort);
        assert_eq!(idle_timeout.check(false), Next::Drop);
        assert_eq!(idle_timeout.check(true), Next::Drop, "too late");
    }

    #[test]
    fn a_request_is_aborted_no_earlier_than_after_the_timeout() {
        let timeout = Duration::from_secs(300);
        let mut idle_timeout = IdleTimeout::default();
        let checks = (1..).take_while(|_| idle_timeout.check(false) == Next::Wait).count();
        let idle_checks = u32::try_from(checks).expect("few") + 1;
        assert_eq!(IdleTimeout::check_interval(timeout) * idle_checks, timeout);
    }
}
