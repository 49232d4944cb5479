//! S16 BoundedMemory: the memory of a process is bounded: a constant, an amount for each connection, and for each request
//! its window and a few read buffers, however large its bodies.

use std::collections::BTreeMap;
use std::time::Duration;

use revtun::http::limits::{READ_BUFFER, SEND_BUFFER, STREAM_WINDOW};

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::{Event, RequestSpec};
use crate::net::HostId;
use crate::plan::Plan;

/// Bytes of a process without connections: TLS settings, tables, queues, tasks.
const HOUSE: usize = 1 << 20;
/// Bytes of a connection: buffers of TLS and HTTP, both ways.
const CONNECTION: usize = 128 * 1024;
/// Bytes of a body that is not read. Out of a tunnel at most its window arrives, and into one at most the send buffer
/// waits; three read buffers are in transit.
const BODY: usize = {
    assert!(SEND_BUFFER + READ_BUFFER <= STREAM_WINDOW as usize);
    STREAM_WINDOW as usize + 3 * READ_BUFFER
};
/// Bytes of a request without its bodies: heads, pieces in transit, its caller's connection.
const REQUEST: usize = 96 * 1024;
/// How long a request may keep memory after its caller had the response, or the head of one that is never read: such a
/// caller stays for 30 s, and no process is frozen for longer than 40 s.
const LINGERS: Duration = Duration::from_secs(75);

/// See above.
pub(super) struct BoundedMemory {
    tunnels_each: usize,
    connections: BTreeMap<HostId, usize>,
    requests: BTreeMap<u64, Request>,
    /// Until then initiators may hold memory for requests of hostile responders, which are not counted.
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
        let tunnels_each = usize::from(plan.max_target()) * plan.responders;
        Self { tunnels_each, connections: BTreeMap::new(), requests: BTreeMap::new(), uncounted: Duration::ZERO }
    }

    fn bound(&mut self, at: Duration, host: HostId) -> usize {
        self.requests.retain(|_, request| request.answered.is_none_or(|answered| at < answered + LINGERS));
        let (connections, requests): (usize, usize) = match host {
            HostId::Responder(number) => {
                let here = self.requests.values().filter(|request| request.via == number);
                (self.connections.get(&host).copied().unwrap_or_default(), here.map(|request| request.bytes).sum())
            }
            HostId::Initiator(_) if at < self.uncounted => return usize::MAX,
            // A request to a cluster goes to any of its nodes. Draining tunnels have replacements.
            HostId::Initiator(_) => (2 * self.tunnels_each, self.requests.values().map(|request| request.bytes).sum()),
            HostId::Caller | HostId::Hostile => return usize::MAX,
        };
        HOUSE + CONNECTION * connections + requests
    }
}

/// What one request may take.
fn bytes_of(spec: &RequestSpec) -> usize {
    REQUEST + spec.up.unwrap_or_default().min(BODY) + spec.down.min(BODY)
}

impl Oracle for BoundedMemory {
    fn property(&self) -> &'static str {
        "BoundedMemory"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Responder { host, view } => {
                let tunnels =
                    view.tunnels.iter().chain(&view.draining).sum::<u32>() + view.unknown_nodes + view.handshakes;
                self.connections.insert(*host, tunnels as usize);
            }
            Event::FaultInjected(Fault::HostileResponder { duration, .. }) => self.uncounted = at + *duration + LINGERS,
            Event::RequestSent(spec) => {
                let request = Request { via: spec.via, bytes: bytes_of(spec), answered: None };
                self.requests.insert(spec.request, request);
            }
            Event::RequestEnded { request, .. } => {
                if let Some(request) = self.requests.get_mut(request) {
                    request.answered = Some(at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn observe_memory(&mut self, at: Duration, host: HostId, bytes: usize) -> Result<(), String> {
        let bound = self.bound(at, host);
        if bytes > bound {
            return Err(format!("{host} holds {} KiB, where {} are enough", bytes >> 10, bound >> 10));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::property::tests::request_spec;
    use super::*;
    use crate::history::{RequestOutcome, ResponderView};

    const PLACE: HostId = HostId::Responder(0);

    fn oracle() -> BoundedMemory {
        BoundedMemory::of(&Plan::swarm(0))
    }

    fn hold(oracle: &mut BoundedMemory, seconds: u64, bytes: usize) -> Result<(), String> {
        oracle.observe_memory(Duration::from_secs(seconds), PLACE, bytes)
    }

    #[test]
    fn a_body_is_held_up_to_its_window_and_no_further() {
        let mut oracle = oracle();
        let large = RequestSpec { down: 100 << 20, ..request_spec(1) };
        oracle.observe(Duration::ZERO, &Event::RequestSent(large)).expect("a request is no failure");
        hold(&mut oracle, 1, 5 << 19).expect("a window, and what a process has");
        let observed = hold(&mut oracle, 1, 4 << 20).expect_err("two windows more");
        assert!(observed.contains("4096 KiB"), "{observed}");
    }

    #[test]
    fn requests_answered_long_ago_do_not_count() {
        let mut oracle = oracle();
        let large = RequestSpec { down: 100 << 20, ..request_spec(1) };
        oracle.observe(Duration::ZERO, &Event::RequestSent(large)).expect("a request is no failure");
        let answered = Event::RequestEnded { request: 1, outcome: RequestOutcome::NotRead };
        oracle.observe(Duration::ZERO, &answered).expect("an answer is no failure");
        hold(&mut oracle, 74, 2 << 20).expect("it may still be there");
        hold(&mut oracle, 76, 2 << 20).expect_err("it is gone");
    }

    #[test]
    fn each_tunnel_has_its_own_buffers() {
        let mut oracle = oracle();
        hold(&mut oracle, 0, 2 << 20).expect_err("nothing is there");
        let view = ResponderView { tunnels: vec![20], ..ResponderView::default() };
        oracle.observe(Duration::ZERO, &Event::Responder { host: PLACE, view }).expect("tunnels are no failure");
        hold(&mut oracle, 0, 2 << 20).expect("tunnels are there");
    }
}
