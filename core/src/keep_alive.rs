//! When to probe a peer that is quiet, and when to give it up: one probe at a time.

use core::time::Duration;

use crate::Instant;

/// How long the answer to an HTTP/2 PING on a tunnel may take. This matters only for tunnels that drain: the liveness of all
/// others is decided earlier by the machines, which know of every sign of life, while a PING waits behind all data queued on a
/// slow path.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// The probes of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    interval: Duration,
    /// When to probe, unless something comes before; while a probe is unanswered, when it was sent.
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Quiet { probe_at: Instant },
    Probing { since: Instant },
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send a probe.
    Probe,
    /// Wait until then.
    Wait(Instant),
    /// The peer has not answered.
    TimedOut,
}

impl KeepAlive {
    /// Probes whenever nothing came for `interval`; the first one that long after `now`.
    #[must_use]
    pub fn new(now: Instant, interval: Duration) -> Self {
        Self { interval, state: State::Quiet { probe_at: now.after(interval) } }
    }

    /// Something came. A probe that is unanswered stays so.
    pub fn heard(&mut self, now: Instant) {
        if let State::Quiet { probe_at } = &mut self.state {
            *probe_at = now.after(self.interval);
        }
    }

    /// The probe was answered.
    pub fn answered(&mut self, now: Instant) {
        self.state = State::Quiet { probe_at: now.after(self.interval) };
    }

    /// What to do `now`. A probe counts as sent.
    pub fn next(&mut self, now: Instant) -> Next {
        match self.state {
            State::Quiet { probe_at } if now >= probe_at => {
                self.state = State::Probing { since: now };
                Next::Probe
            }
            State::Quiet { probe_at } => Next::Wait(probe_at),
            State::Probing { since } if now >= since.after(PROBE_TIMEOUT) => Next::TimedOut,
            State::Probing { since } => Next::Wait(since.after(PROBE_TIMEOUT)),
        }
    }

    /// Whether a probe is unanswered.
    #[must_use]
    pub const fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing { .. })
    }
}

/// Whether the network may give up an HTTP/1.1 connection whose peer acknowledges nothing that was sent.
///
/// HTTP/1.1 has no PING: what proves life is that the peer's host answers the probes of an idle connection, and that it
/// acknowledges what was sent. A peer that does not read acknowledges no more than fits into its window, so while a response does
/// not fit into the path the limit is lifted; then the idle timeout of bodies decides. The next byte of the peer, which has one
/// request at a time, says that it has read everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AckLimit {
    is_lifted: bool,
}

impl AckLimit {
    /// A write did not fit. Returns whether the limit is to be lifted.
    pub const fn write_blocked(&mut self) -> bool {
        !core::mem::replace(&mut self.is_lifted, true)
    }

    /// Bytes came. Returns whether the limit is to be set again.
    pub const fn received(&mut self) -> bool {
        core::mem::replace(&mut self.is_lifted, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_lifted_once_and_set_again_by_the_next_byte() {
        let mut limit = AckLimit::default();
        assert!(!limit.received());
        assert_eq!([limit.write_blocked(), limit.write_blocked()], [true, false]);
        assert_eq!([limit.received(), limit.received()], [true, false]);
        assert!(limit.write_blocked());
    }

    fn at(seconds: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_quiet_peer_is_probed_and_one_that_sends_is_not() {
        let mut keep_alive = KeepAlive::new(at(0), Duration::from_secs(2));
        assert_eq!(keep_alive.next(at(1)), Next::Wait(at(2)));
        keep_alive.heard(at(1));
        assert_eq!(keep_alive.next(at(2)), Next::Wait(at(3)));
        assert_eq!(keep_alive.next(at(3)), Next::Probe);
        assert!(keep_alive.is_probing());
        keep_alive.answered(at(4));
        assert!(!keep_alive.is_probing());
        assert_eq!(keep_alive.next(at(4)), Next::Wait(at(6)));
    }

    #[test]
    fn a_peer_that_sends_but_never_answers_is_given_up() {
        let mut keep_alive = KeepAlive::new(at(0), Duration::from_secs(2));
        assert_eq!(keep_alive.next(at(2)), Next::Probe);
        for second in 2..32 {
            keep_alive.heard(at(second));
            assert_eq!(keep_alive.next(at(second)), Next::Wait(at(32)), "one at a time");
        }
        assert_eq!(keep_alive.next(at(32)), Next::TimedOut);
    }
}
