//! The retry policy for requests, and durations of the responder that belong to no machine.

use core::time::Duration;

/// How often one request leaves this process, whatever happens to the tunnels that it meets.
pub const MAX_TRIES: u8 = 4;

/// How often one request meets a tunnel that gives it back unsent. Each such tunnel takes no more requests, so this
/// many tunnels may be lost at once before a caller hears of it.
pub const MAX_UNSENT: u8 = 64;

/// How long a listener rests after the system refused it a connection for want of file descriptors or memory: long
/// enough not to spin, short enough that nobody notices once there is room again.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How long a draining responder leaves a caller's HTTP/1.1 connection open for a request that may be on its way to it.
pub const LAST_REQUEST_GRACE: Duration = Duration::from_millis(500);

/// How long a draining responder keeps its tunnels as they are, for the last requests of its callers. Longer than
/// [`LAST_REQUEST_GRACE`], so that those find one.
pub const TUNNEL_DRAIN_DELAY: Duration = Duration::from_secs(1);

/// How long a responder goes on reading what is left of a request that it has answered already, and how much of it.
/// Whoever closes an HTTP/1.1 connection on unread bytes resets it, and the answer may be lost with it (RFC 9112 §9.6).
pub const LINGERING_CLOSE: Duration = Duration::from_secs(5);

/// See [`LINGERING_CLOSE`].
pub const LINGERING_CLOSE_BYTES: usize = 1 << 20;

/// How far a request had come when its tunnel was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// It never left this process: the tunnel gave it back.
    Unsent,
    /// The peer said that it did nothing about it: REFUSED_STREAM, or a GOAWAY that names an earlier stream as the
    /// last (RFC 9113 §8.7).
    Refused,
    /// It left, and nobody knows how far it came.
    Sent,
    /// An answer to it has begun.
    Answered,
}

/// A request whose tunnel was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// How often it left this process, this time included.
    pub tries: u8,
    /// How often a tunnel gave it back, this time included.
    pub unsent: u8,
    /// How far it had come.
    pub progress: Progress,
    /// Whether all of it can still be sent: it was given back, or has no body.
    pub replayable: bool,
    /// Whether doing it twice is as good as doing it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
}

/// What becomes of a request whose tunnel was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// It looks for another tunnel.
    Retry,
    /// The caller is told.
    GiveUp,
}

/// Whether a request may go out again after its tunnel was lost: only if all of it is still there, and only if
/// nobody can have acted on it yet or acting on it twice does no harm.
#[must_use]
pub const fn after_loss(attempt: Attempt) -> Decision {
    let harmless = match attempt.progress {
        Progress::Unsent | Progress::Refused => true,
        Progress::Sent => attempt.idempotent,
        Progress::Answered => false,
    };
    let often = attempt.tries < MAX_TRIES && attempt.unsent < MAX_UNSENT;
    if harmless && attempt.replayable && often { Decision::Retry } else { Decision::GiveUp }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Attempt =
        Attempt { tries: 1, unsent: 0, progress: Progress::Unsent, replayable: true, idempotent: false };

    #[test]
    fn a_request_that_was_not_processed_is_retried_whatever_its_method() {
        for progress in [Progress::Unsent, Progress::Refused] {
            for idempotent in [false, true] {
                assert_eq!(after_loss(Attempt { progress, idempotent, ..FIRST }), Decision::Retry);
            }
        }
    }

    #[test]
    fn a_request_that_was_sent_is_retried_only_if_idempotent() {
        assert_eq!(after_loss(Attempt { progress: Progress::Sent, ..FIRST }), Decision::GiveUp);
        assert_eq!(after_loss(Attempt { progress: Progress::Sent, idempotent: true, ..FIRST }), Decision::Retry);
    }

    #[test]
    fn a_request_whose_response_began_is_never_retried() {
        assert_eq!(after_loss(Attempt { progress: Progress::Answered, idempotent: true, ..FIRST }), Decision::GiveUp);
    }

    #[test]
    fn a_request_whose_body_was_consumed_is_never_retried() {
        for progress in [Progress::Unsent, Progress::Refused, Progress::Sent] {
            assert_eq!(
                after_loss(Attempt { progress, replayable: false, idempotent: true, ..FIRST }),
                Decision::GiveUp
            );
        }
    }

    #[test]
    fn retries_are_limited() {
        assert_eq!(after_loss(Attempt { tries: MAX_TRIES - 1, ..FIRST }), Decision::Retry);
        assert_eq!(after_loss(Attempt { tries: MAX_TRIES, ..FIRST }), Decision::GiveUp);
        assert_eq!(after_loss(Attempt { unsent: MAX_UNSENT - 1, ..FIRST }), Decision::Retry);
        assert_eq!(after_loss(Attempt { unsent: MAX_UNSENT, ..FIRST }), Decision::GiveUp);
    }
}
