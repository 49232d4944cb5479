//! The shutdown of a responder, in order: callers, then tunnels, then the last replies.
//!
//! ```text
//!   DrainCallers ── callers gone, or a while ──▶ DrainTunnels ── tunnels gone ──▶ LastReplies ── callers gone, or a while ──▶ Stopped
//! ```
//!
//! Callers go first: requests that are in flight, or on their way over an open connection, still find their tunnels.

use core::time::Duration;

use super::retry::{LAST_REQUEST_GRACE, TUNNEL_DRAIN_DELAY};
use crate::Instant;

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// No new connection of a caller is accepted; tunnels are as they were.
    DrainCallers,
    /// The tunnels are drained.
    DrainTunnels,
    /// No tunnel is left. A caller whose tunnel was closed at the end of the grace still gets its local reply.
    LastReplies,
    /// Over: what is left is dropped.
    Stopped,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The last connection of a caller is closed, and no other comes.
    CallersGone,
    /// The drain of all tunnels is complete.
    TunnelsGone,
    /// The deadline has passed.
    Tick,
}

/// A shutdown that has begun. There is no way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shutdown {
    stage: Stage,
    grace_ends: Instant,
    callers_gone: bool,
    deadline: Option<Instant>,
}

impl Shutdown {
    /// Begins `now`. What is in flight has `grace` to finish.
    #[must_use]
    pub fn begin(now: Instant, grace: Duration) -> Self {
        let grace_ends = now.after(grace);
        let deadline = Some(grace_ends.min(now.after(TUNNEL_DRAIN_DELAY)));
        Self { stage: Stage::DrainCallers, grace_ends, callers_gone: false, deadline }
    }

    /// Takes one event, and returns the stage that begins with it, if any.
    pub fn step(&mut self, now: Instant, event: Event) -> Option<Stage> {
        let due = self.deadline.is_some_and(|deadline| now >= deadline);
        self.callers_gone |= event == Event::CallersGone;
        let next = match self.stage {
            Stage::DrainCallers if self.callers_gone || due => Stage::DrainTunnels,
            Stage::DrainTunnels if event == Event::TunnelsGone && self.callers_gone => Stage::Stopped,
            Stage::DrainTunnels if event == Event::TunnelsGone => Stage::LastReplies,
            Stage::LastReplies if self.callers_gone || due => Stage::Stopped,
            Stage::DrainCallers | Stage::DrainTunnels | Stage::LastReplies | Stage::Stopped => return None,
        };
        self.stage = next;
        self.deadline = (next == Stage::LastReplies).then(|| self.grace_ends.after(LAST_REQUEST_GRACE));
        Some(next)
    }

    /// How far it is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether [`Event::CallersGone`] has come.
    #[must_use]
    pub const fn callers_gone(&self) -> bool {
        self.callers_gone
    }

    /// What is left of the grace.
    #[must_use]
    pub fn grace(&self, now: Instant) -> Duration {
        self.grace_ends.since(now)
    }

    /// When to send the next [`Event::Tick`].
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(millis: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_millis(millis))
    }

    #[test]
    fn without_callers_the_tunnels_are_drained_at_once_and_nothing_waits_behind_them() {
        let mut shutdown = Shutdown::begin(at(0), GRACE);
        assert_eq!(shutdown.step(at(1), Event::CallersGone), Some(Stage::DrainTunnels));
        assert_eq!((shutdown.deadline(), shutdown.grace(at(1))), (None, Duration::from_millis(29_999)));
        assert_eq!(shutdown.step(at(2), Event::TunnelsGone), Some(Stage::Stopped));
        assert_eq!(shutdown.step(at(9), Event::Tick), None);
    }

    #[test]
    fn tunnels_wait_for_last_requests_and_last_replies_follow_them() {
        let mut shutdown = Shutdown::begin(at(0), GRACE);
        assert_eq!(shutdown.deadline(), Some(at(1000)));
        assert_eq!(shutdown.step(at(999), Event::Tick), None, "too early");
        assert_eq!(shutdown.step(at(1000), Event::Tick), Some(Stage::DrainTunnels));
        assert_eq!(
            shutdown.step(at(30_000), Event::Tick),
            None,
            "the machine closes the tunnels at the end of the grace"
        );
        assert_eq!(shutdown.step(at(30_001), Event::TunnelsGone), Some(Stage::LastReplies));
        assert_eq!(shutdown.deadline(), Some(at(30_500)));
        assert_eq!(shutdown.step(at(30_500), Event::Tick), Some(Stage::Stopped));
    }

    #[test]
    fn callers_that_leave_while_tunnels_drain_are_not_waited_for() {
        let mut shutdown = Shutdown::begin(at(0), GRACE);
        assert_eq!(shutdown.step(at(1000), Event::Tick), Some(Stage::DrainTunnels));
        assert_eq!(shutdown.step(at(1500), Event::CallersGone), None);
        assert!(shutdown.callers_gone());
        assert_eq!(shutdown.step(at(2000), Event::TunnelsGone), Some(Stage::Stopped));
    }

    #[test]
    fn a_grace_of_zero_waits_for_nobody() {
        let mut shutdown = Shutdown::begin(at(5), Duration::ZERO);
        assert_eq!(shutdown.deadline(), Some(at(5)));
        assert_eq!(shutdown.step(at(5), Event::Tick), Some(Stage::DrainTunnels));
        assert_eq!(shutdown.grace(at(6)), Duration::ZERO);
        assert_eq!(shutdown.stage(), Stage::DrainTunnels);
    }
}
