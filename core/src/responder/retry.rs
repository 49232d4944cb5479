//! The retry policy for requests, and durations of the responder that belong to no machine.

use core::time::Duration;

/// How often one request leaves this process, whatever happens to the tunnels that it meets.
pub const MAX_TRIES: u8 = 4;

/// How often one request meets a tunnel that gives it back unsent. Each such tunnel takes no more requests, or none at present,
/// so this many tunnels may be lost at once before a caller hears of it.
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

/// How long a request that expects 100 Continue waits for it before its body is sent without (RFC 9110 §10.1.1): the service
/// may not know what is expected of it.
pub const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// How far a request had come when its tunnel was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Progress {
    /// It never left this process: the tunnel gave it back.
    Unsent,
    /// The peer said that it did nothing about it: REFUSED_STREAM, or a GOAWAY that names an earlier stream as the
    /// last (RFC 9113 §8.7).
    Refused,
    /// It left, its connection was lost, and nobody knows how far it came.
    Sent,
    /// Its stream failed while the connection lives: that is the peer's answer to it (RFC 9113 §5.4.2).
    Failed,
    /// An answer to it has begun.
    Answered,
}

/// How one try of a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loss {
    /// How far it had come.
    pub progress: Progress,
    /// Whether all of it can still be sent: it was given back, or has no body.
    pub replayable: bool,
}

/// What becomes of a request whose tunnel was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// It looks for another tunnel.
    Retry,
    /// The caller is told.
    GiveUp,
}

/// The tries of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Retries {
    /// How often it left this process.
    tries: u8,
    /// How often a tunnel gave it back.
    unsent: u8,
    idempotent: bool,
}

impl Retries {
    /// Of a request that was not sent so far. `idempotent`: doing it twice is as good as doing it once (RFC 9110 §9.2.2).
    #[must_use]
    pub const fn new(idempotent: bool) -> Self {
        Self { tries: 0, unsent: 0, idempotent }
    }

    /// Counts a try that was lost, and says whether there may be another: only if all of the request is still there, and only
    /// if nobody can have acted on it yet or acting on it twice does no harm.
    pub const fn after_loss(&mut self, loss: Loss) -> Decision {
        let harmless = match loss.progress {
            Progress::Unsent | Progress::Refused => true,
            Progress::Sent => self.idempotent,
            Progress::Failed | Progress::Answered => false,
        };
        match loss.progress {
            Progress::Unsent => self.unsent += 1,
            Progress::Refused | Progress::Sent | Progress::Failed | Progress::Answered => self.tries += 1,
        }
        let often = self.tries < MAX_TRIES && self.unsent < MAX_UNSENT;
        if harmless && loss.replayable && often { Decision::Retry } else { Decision::GiveUp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decision after the first try.
    fn first(idempotent: bool, progress: Progress, replayable: bool) -> Decision {
        Retries::new(idempotent).after_loss(Loss { progress, replayable })
    }

    /// How many tries of this kind are followed by another.
    fn retried(progress: Progress) -> usize {
        let mut retries = Retries::new(true);
        let loss = Loss { progress, replayable: true };
        (0..).take_while(|_| retries.after_loss(loss) == Decision::Retry).count()
    }

    #[test]
    fn a_request_that_was_not_processed_is_retried_whatever_its_method() {
        for progress in [Progress::Unsent, Progress::Refused] {
            for idempotent in [false, true] {
                assert_eq!(first(idempotent, progress, true), Decision::Retry);
            }
        }
    }

    #[test]
    fn a_request_that_was_sent_is_retried_only_if_idempotent() {
        assert_eq!(first(false, Progress::Sent, true), Decision::GiveUp);
        assert_eq!(first(true, Progress::Sent, true), Decision::Retry);
    }

    #[test]
    fn a_request_that_has_an_answer_is_never_retried() {
        for progress in [Progress::Answered, Progress::Failed] {
            assert_eq!(first(true, progress, true), Decision::GiveUp);
        }
    }

    #[test]
    fn a_request_whose_body_was_consumed_is_never_retried() {
        for progress in [Progress::Unsent, Progress::Refused, Progress::Sent] {
            assert_eq!(first(true, progress, false), Decision::GiveUp);
        }
    }

    #[test]
    fn retries_are_limited() {
        assert_eq!(retried(Progress::Refused), usize::from(MAX_TRIES) - 1);
        assert_eq!(retried(Progress::Sent), usize::from(MAX_TRIES) - 1);
        assert_eq!(retried(Progress::Unsent), usize::from(MAX_UNSENT) - 1);
    }

    #[test]
    fn both_limits_hold_together() {
        let mut retries = Retries::new(false);
        let refused = Loss { progress: Progress::Refused, replayable: true };
        let unsent = Loss { progress: Progress::Unsent, replayable: true };
        for _ in 1..MAX_TRIES {
            assert_eq!(retries.after_loss(refused), Decision::Retry);
            assert_eq!(retries.after_loss(unsent), Decision::Retry);
        }
        assert_eq!(retries.after_loss(refused), Decision::GiveUp);
        assert_eq!(retries.after_loss(unsent), Decision::GiveUp);
    }
}
