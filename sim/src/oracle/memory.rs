//! S16 BoundedMemory: what a process holds is bounded by what it was asked for: something for itself, something for each
//! connection, and for each request no more of the bodies than its window and a few pieces, however much there is to come.

use std::collections::BTreeMap;
use std::time::Duration;

use revtun::http::limits::{READ_BUFFER, SEND_BUFFER, STREAM_WINDOW};

use super::Oracle;
use crate::faults::Fault;
use crate::history::{Fact, Question};
use crate::net::Place;
use crate::plan::Plan;

/// Bytes of a process without connections: TLS settings, tables, queues, tasks.
const HOUSE: usize = 1 << 20;
/// Bytes of a connection: buffers of TLS and HTTP, both ways.
const CONNECTION: usize = 128 * 1024;
/// Bytes of a body that nobody takes further. Where it comes out of a tunnel its window lets so much in, and where it goes into
/// one no more may wait to be sent; three pieces are on their way there.
const BODY: usize = {
    assert!(SEND_BUFFER + READ_BUFFER <= STREAM_WINDOW as usize);
    STREAM_WINDOW as usize + 3 * READ_BUFFER
};
/// Bytes of a request beside its bodies: heads, pieces in transit, its caller's connection.
const REQUEST: usize = 96 * 1024;
/// How long a request may be remembered after its caller had the answer, or the head of one that is never read: a caller
/// stays for 30 s, and no process stands still for longer than 40 s.
const LINGERS: Duration = Duration::from_secs(75);

/// See above.
pub(super) struct BoundedMemory {
    tunnels_each: usize,
    connections: BTreeMap<Place, usize>,
    requests: BTreeMap<u64, Request>,
    /// Until then initiators may hold what hosts that mean no good have asked for, which nobody counts.
    uncounted: Duration,
}

struct Request {
    via: usize,
    bytes: usize,
    answered: Option<Duration>,
}

impl BoundedMemory {
    /// For what `plan` brings.
    pub(super) fn of(plan: &Plan) -> Self {
        let tunnels_each = usize::from(plan.most_tunnels()) * plan.responders;
        Self { tunnels_each, connections: BTreeMap::new(), requests: BTreeMap::new(), uncounted: Duration::ZERO }
    }

    fn bound(&mut self, at: Duration, place: Place) -> usize {
        self.requests.retain(|_, request| request.answered.is_none_or(|answered| at < answered + LINGERS));
        let (connections, requests): (usize, usize) = match place {
            Place::Responder(number) => {
                let here = self.requests.values().filter(|request| request.via == number);
                (self.connections.get(&place).copied().unwrap_or_default(), here.map(|request| request.bytes).sum())
            }
            Place::Initiator(_) if at < self.uncounted => return usize::MAX,
            // A request to a cluster goes to any of its nodes. Tunnels that drain are replaced.
            Place::Initiator(_) => (2 * self.tunnels_each, self.requests.values().map(|request| request.bytes).sum()),
            Place::Caller | Place::Stranger => return usize::MAX,
        };
        HOUSE + CONNECTION * connections + requests
    }
}

/// What one request may take.
fn bytes_of(question: &Question) -> usize {
    REQUEST + question.up.unwrap_or_default().min(BODY) + question.down.min(BODY)
}

impl Oracle for BoundedMemory {
    fn property(&self) -> &'static str {
        "BoundedMemory"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Responder { place, view } => {
                let tunnels = view.tunnels.iter().chain(&view.draining).sum::<u32>() + view.strangers + view.handshakes;
                self.connections.insert(*place, tunnels as usize);
            }
            Fact::Struck(Fault::FalseCloud { lasts, .. }) => self.uncounted = at + *lasts + LINGERS,
            Fact::Asked(question) => {
                let request = Request { via: question.via, bytes: bytes_of(question), answered: None };
                self.requests.insert(question.request, request);
            }
            Fact::Answered { request, .. } => {
                if let Some(request) = self.requests.get_mut(request) {
                    request.answered = Some(at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn weigh(&mut self, at: Duration, place: Place, bytes: usize) -> Result<(), String> {
        let bound = self.bound(at, place);
        if bytes > bound {
            return Err(format!("{place} holds {} KiB, where {} are enough", bytes >> 10, bound >> 10));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::question;
    use super::*;
    use crate::history::{Answer, ResponderView};

    const PLACE: Place = Place::Responder(0);

    fn oracle() -> BoundedMemory {
        BoundedMemory::of(&Plan::swarm(0))
    }

    fn hold(oracle: &mut BoundedMemory, seconds: u64, bytes: usize) -> Result<(), String> {
        oracle.weigh(Duration::from_secs(seconds), PLACE, bytes)
    }

    #[test]
    fn a_body_is_held_up_to_its_window_and_no_further() {
        let mut oracle = oracle();
        let large = Question { down: 100 << 20, ..question(1) };
        oracle.see(Duration::ZERO, &Fact::Asked(large)).expect("a request is no failure");
        hold(&mut oracle, 1, 5 << 19).expect("a window, and what a process has");
        let seen = hold(&mut oracle, 1, 4 << 20).expect_err("two windows more");
        assert!(seen.contains("4096 KiB"), "{seen}");
    }

    #[test]
    fn what_was_answered_long_ago_counts_no_more() {
        let mut oracle = oracle();
        let large = Question { down: 100 << 20, ..question(1) };
        oracle.see(Duration::ZERO, &Fact::Asked(large)).expect("a request is no failure");
        let answered = Fact::Answered { request: 1, answer: Answer::Stalled };
        oracle.see(Duration::ZERO, &answered).expect("an answer is no failure");
        hold(&mut oracle, 74, 2 << 20).expect("it may still be there");
        hold(&mut oracle, 76, 2 << 20).expect_err("it is gone");
    }

    #[test]
    fn each_tunnel_has_its_own_buffers() {
        let mut oracle = oracle();
        hold(&mut oracle, 0, 2 << 20).expect_err("nothing is there");
        let view = ResponderView { tunnels: vec![20], ..ResponderView::default() };
        oracle.see(Duration::ZERO, &Fact::Responder { place: PLACE, view }).expect("tunnels are no failure");
        hold(&mut oracle, 0, 2 << 20).expect("tunnels are there");
    }
}
