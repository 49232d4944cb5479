//! The policy of connections to a local service: which idle one a request takes, how long idle ones are kept, and when a
//! request is repeated that died with its connection.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::Instant;

/// Idle connections, ready for another request.
///
/// A request takes the one that was used last. So under light load a few connections are used again and again, and what
/// many requests at once have left over is closed once it has been idle for the timeout.
#[derive(Clone, Debug)]
pub struct IdlePool<C> {
    max: usize,
    timeout: Duration,
    /// By ticket, and so by the time since when they are idle.
    idle: VecDeque<(Ticket, C)>,
    tickets: u64,
}

/// The place of an idle connection among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    number: u64,
    since: Instant,
}

impl<C> IdlePool<C> {
    /// A pool of at most `max` connections, each of which may be idle for `timeout`.
    #[must_use]
    pub const fn new(max: usize, timeout: Duration) -> Self {
        Self { max, timeout, idle: VecDeque::new(), tickets: 0 }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.idle.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.idle.is_empty()
    }

    /// The connection that was used last.
    pub fn take(&mut self) -> Option<C> {
        self.idle.pop_back().map(|(_, connection)| connection)
    }

    /// A connection is idle from `now` on. Returns one that has to be closed, if there are too many: the one that is idle for
    /// the longest time.
    pub fn put(&mut self, now: Instant, connection: C) -> Option<C> {
        let ticket = Ticket { number: self.tickets, since: now };
        self.tickets += 1;
        self.idle.push_back((ticket, connection));
        if self.idle.len() > self.max { self.idle.pop_front().map(|(_, connection)| connection) } else { None }
    }

    /// A connection that has been idle for too long, and is to be closed. To be asked until there is none.
    pub fn expired(&mut self, now: Instant) -> Option<C> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        self.idle.pop_front().map(|(_, connection)| connection)
    }

    /// When the next one has been idle for too long.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.idle.front().map(|(ticket, _)| ticket.since.after(self.timeout))
    }

    /// Takes the first connection behind the one with ticket `last`, or of all, to look whether it is still open. It comes back
    /// by [`Self::put_back`].
    pub fn take_next(&mut self, last: Option<Ticket>) -> Option<(Ticket, C)> {
        let next = last.map_or(0, |last| self.idle.partition_point(|(ticket, _)| *ticket <= last));
        self.idle.remove(next)
    }

    /// A connection that was [taken](Self::take_next) returns to its place.
    pub fn put_back(&mut self, ticket: Ticket, connection: C) {
        let place = self.idle.partition_point(|(other, _)| *other < ticket);
        self.idle.insert(place, (ticket, connection));
    }
}

/// A request that was sent to the service and died with its connection, without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unanswered {
    /// Doing it twice is as good as doing it once (RFC 9110 §9.2.2).
    pub is_idempotent: bool,
    /// It has a body, of which nobody knows how much was taken.
    pub has_body: bool,
    /// The connection had carried a request before. On a new one it is no race with the service's closing, but the service.
    pub was_reused: bool,
    /// It was repeated before.
    pub was_repeated: bool,
}

impl Unanswered {
    /// Whether it is repeated, once and on a new connection (RFC 9112 §9.3.1).
    #[must_use]
    pub const fn is_repeated(self) -> bool {
        self.is_idempotent && !self.has_body && self.was_reused && !self.was_repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    fn at(millis: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_millis(millis))
    }

    #[test]
    fn what_was_used_last_is_used_next() {
        let mut pool = IdlePool::new(3, TIMEOUT);
        assert_eq!(pool.take(), None);
        assert_eq!([1, 2, 3].map(|connection| pool.put(at(connection), connection)), [None; 3]);
        assert_eq!(pool.take(), Some(3));
        assert_eq!(pool.put(at(9), 3), None);
        assert_eq!(pool.put(at(10), 4), Some(1), "the coldest makes room");
        assert_eq!([pool.take(), pool.take(), pool.take(), pool.take()], [Some(4), Some(3), Some(2), None]);
    }

    #[test]
    fn under_light_load_a_burst_is_gone_after_the_timeout() {
        let mut pool = IdlePool::new(1024, TIMEOUT);
        for connection in 0..60 {
            assert_eq!(pool.put(at(0), connection), None);
        }
        // A request every 100 ms.
        for tick in 1..=50 {
            let now = at(tick * 100);
            let connection = pool.take().expect("there are enough");
            assert_eq!(pool.put(now, connection), None);
            while pool.expired(now).is_some() {}
        }
        assert_eq!(pool.len(), 1);
        assert_eq!(pool.deadline(), Some(at(9_000)));
        assert_eq!((pool.expired(at(8_999)), pool.expired(at(9_000))), (None, Some(59)));
        assert!(pool.is_empty() && pool.deadline().is_none());
    }

    #[test]
    fn looking_at_each_changes_no_order() {
        let mut pool = IdlePool::new(10, TIMEOUT);
        for connection in 0..5 {
            pool.put(at(0), connection);
        }
        let (mut last, mut seen) = (None, alloc::vec::Vec::new());
        while let Some((ticket, connection)) = pool.take_next(last) {
            last = Some(ticket);
            seen.push(connection);
            match connection {
                // One is closed; another is used and comes back meanwhile.
                2 => {}
                3 => {
                    let hottest = pool.take().expect("one is left behind it");
                    pool.put_back(ticket, connection);
                    pool.put(at(1), hottest);
                }
                _ => pool.put_back(ticket, connection),
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        let taken = core::iter::from_fn(|| pool.take());
        assert_eq!(taken.collect::<alloc::vec::Vec<_>>(), [4, 3, 1, 0]);
    }

    #[test]
    fn a_request_is_repeated_once_if_that_does_no_harm() {
        let unanswered = Unanswered { is_idempotent: true, has_body: false, was_reused: true, was_repeated: false };
        assert!(unanswered.is_repeated());
        assert!(!Unanswered { is_idempotent: false, ..unanswered }.is_repeated());
        assert!(!Unanswered { has_body: true, ..unanswered }.is_repeated());
        assert!(!Unanswered { was_reused: false, ..unanswered }.is_repeated());
        assert!(!Unanswered { was_repeated: true, ..unanswered }.is_repeated());
    }
}
