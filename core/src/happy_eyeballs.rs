//! In which order, and when, the addresses of a name are tried: happy eyeballs (RFC 8305).
//!
//! ```text
//!   addresses ──▶ order ──▶ first ── 250 ms or a failure ──▶ second ── 250 ms or a failure ──▶ …
//! ```
//!
//! An attempt that was begun goes on while later ones begin; the first that connects wins. So an address that swallows packets
//! costs 250 ms and not a connect timeout.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Instant;

/// The Connection Attempt Delay (RFC 8305 §5): how long an attempt is alone before the next one begins.
pub const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv6, which is preferred (RFC 6724 §2.1).
    V6,
    /// IPv4, also where it is written as an IPv6 address.
    V4,
}

impl Family {
    /// That of `address`.
    #[must_use]
    pub const fn of(address: &SocketAddr) -> Self {
        if address.ip().to_canonical().is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V6 => Self::V4,
            Self::V4 => Self::V6,
        }
    }
}

/// The order in which to try `addresses` (RFC 8305 §4): what connected the last time first, then the families by turns,
/// IPv6 first, each in the resolver's order; none twice.
#[must_use]
pub fn order(addresses: &[SocketAddr], last: Option<SocketAddr>) -> Vec<SocketAddr> {
    let mut ordered: Vec<SocketAddr> = last.into_iter().filter(|last| addresses.contains(last)).collect();
    let of = |family| addresses.iter().copied().filter(move |address| Family::of(address) == family);
    let (mut next, mut families) = match ordered.first().map(Family::of) {
        None | Some(Family::V4) => (0, [of(Family::V6), of(Family::V4)]),
        Some(Family::V6) => (0, [of(Family::V4), of(Family::V6)]),
    };
    let mut exhausted = 0;
    while exhausted < 2 {
        match families[next].find(|address| !ordered.contains(address)) {
            Some(address) => {
                ordered.push(address);
                exhausted = 0;
            }
            None => exhausted += 1,
        }
        next = 1 - next;
    }
    ordered
}

/// The attempts to connect to one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Race {
    /// In reverse: the last one is next.
    waiting: Vec<SocketAddr>,
    pending: usize,
    due: Instant,
}

/// What to do next in a [`Race`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Begin an attempt at this address, beside those that are under way.
    Attempt(SocketAddr),
    /// Wait for an attempt to end, at most until then; without a time, for as long as it takes.
    Wait(Option<Instant>),
    /// Every attempt has failed.
    Lost,
}

impl Race {
    /// Attempts at `addresses`, in their order, which begin `now`.
    #[must_use]
    pub fn new(mut addresses: Vec<SocketAddr>, now: Instant) -> Self {
        addresses.reverse();
        Self { waiting: addresses, pending: 0, due: now }
    }

    /// What to do `now`. An attempt counts as begun.
    pub fn next(&mut self, now: Instant) -> Next {
        match self.waiting.last().copied() {
            Some(address) if now >= self.due => {
                self.waiting.pop();
                self.pending += 1;
                self.due = now.after(CONNECTION_ATTEMPT_DELAY);
                Next::Attempt(address)
            }
            Some(_) => Next::Wait(Some(self.due)),
            None if self.pending > 0 => Next::Wait(None),
            None => Next::Lost,
        }
    }

    /// An attempt has failed: the next one begins at once.
    ///
    /// # Panics
    /// If more attempts fail than were begun, which is a bug of ours.
    pub fn failed(&mut self, now: Instant) {
        self.pending = self.pending.checked_sub(1).expect("an attempt fails once");
        self.due = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    fn at(millis: u64) -> Instant {
        Instant::EPOCH.after(Duration::from_millis(millis))
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        assert_eq!(order(&[v4(1), v4(2), v4(3), v6(1)], None), [v6(1), v4(1), v4(2), v4(3)]);
        assert_eq!(order(&[v6(1), v6(2), v4(1)], None), [v6(1), v4(1), v6(2)]);
        assert_eq!(order(&[v4(2), v4(1), v4(2)], None), [v4(2), v4(1)]);
        assert_eq!(order(&[], Some(v4(1))), []);
    }

    #[test]
    fn what_connected_the_last_time_is_first_and_the_other_family_second() {
        assert_eq!(order(&[v6(1), v6(2), v4(1), v4(2)], Some(v4(2))), [v4(2), v6(1), v4(1), v6(2)]);
        assert_eq!(order(&[v6(1), v6(2), v4(1)], Some(v6(2))), [v6(2), v4(1), v6(1)]);
        assert_eq!(order(&[v6(1)], Some(v6(9))), [v6(1)], "it does not belong to the name any more");
    }

    #[test]
    fn a_mapped_address_is_of_the_family_that_its_packets_are_of() {
        let mapped = SocketAddr::from((core::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 1));
        assert_eq!(Family::of(&mapped), Family::V4);
        assert_eq!([Family::V4, Family::V6].map(Family::other), [Family::V6, Family::V4]);
    }

    #[test]
    fn an_attempt_is_alone_for_a_while_and_none_is_given_up() {
        let mut race = Race::new([v6(1), v4(1), v4(2)].into(), at(0));
        assert_eq!(race.next(at(0)), Next::Attempt(v6(1)));
        assert_eq!(race.next(at(0)), Next::Wait(Some(at(250))));
        assert_eq!(race.next(at(249)), Next::Wait(Some(at(250))));
        assert_eq!(race.next(at(250)), Next::Attempt(v4(1)));
        assert_eq!(race.next(at(500)), Next::Attempt(v4(2)));
        assert_eq!(race.next(at(500)), Next::Wait(None));
        race.failed(at(600));
        race.failed(at(600));
        assert_eq!(race.next(at(600)), Next::Wait(None));
        race.failed(at(700));
        assert_eq!(race.next(at(700)), Next::Lost);
    }

    #[test]
    fn a_failure_begins_the_next_attempt_at_once() {
        let mut race = Race::new([v6(1), v4(1)].into(), at(0));
        assert_eq!(race.next(at(0)), Next::Attempt(v6(1)));
        race.failed(at(3));
        assert_eq!(race.next(at(3)), Next::Attempt(v4(1)));
        assert_eq!(race.next(at(3)), Next::Wait(None));
    }
}
