//! S14 NoSilentLoss: a request is answered once, or fails with a reason that the caller receives, or is lost together with
//! its responder.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::{Event, RequestOutcome, RequestSpec};
use crate::net::HostId;
use crate::plan::Plan;

/// See above.
pub(super) struct NoSilentLoss {
    requests: BTreeMap<u64, TrackedRequest>,
    /// A fault has begun.
    disturbed: bool,
    /// Responders that need not answer, and why.
    unavailable: BTreeSet<(usize, Unavailability)>,
    /// Responders that are Envoys: their local replies have no reason, and they end responses after 15 s.
    envoys: BTreeSet<HostId>,
}

/// Why a responder need not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unavailability {
    Down,
    Draining,
    Frozen,
}

struct TrackedRequest {
    spec: RequestSpec,
    answered: bool,
    served: u32,
    /// Its responder was unavailable at some time since.
    excused: bool,
}

impl NoSilentLoss {
    pub(super) fn of(plan: &Plan) -> Self {
        let envoys = plan.envoys.clone();
        Self { requests: BTreeMap::new(), disturbed: false, unavailable: BTreeSet::new(), envoys }
    }

    fn unavailable(&mut self, responder: usize, reason: Unavailability) {
        self.unavailable.insert((responder, reason));
        let open = self.requests.values_mut().filter(|tracked| !tracked.answered && tracked.spec.via == responder);
        open.for_each(|tracked| tracked.excused = true);
    }

    fn started(&mut self, responder: usize) {
        self.unavailable.retain(|(unavailable, _)| *unavailable != responder);
    }

    fn served(&mut self, request: u64) -> Result<(), String> {
        let Some(tracked) = self.requests.get_mut(&request) else {
            return Err(format!("nobody sent request {request}"));
        };
        tracked.served += 1;
        // Idempotent requests are retried if their tunnel was lost.
        if tracked.served > 1 && tracked.spec.up.is_some() {
            return Err(format!("request {} was served {} times", tracked.spec, tracked.served));
        }
        Ok(())
    }

    fn answered(&mut self, request: u64, outcome: &RequestOutcome) -> Result<(), String> {
        let Some(tracked) = self.requests.get_mut(&request) else {
            return Err(format!("nobody sent request {request}"));
        };
        if std::mem::replace(&mut tracked.answered, true) {
            return Err(format!("request {} was answered twice", tracked.spec));
        }
        let envoy = self.envoys.contains(&HostId::Responder(tracked.spec.via));
        let fine = match outcome {
            RequestOutcome::Served { .. } | RequestOutcome::NotRead => tracked.served > 0,
            RequestOutcome::LocalReply { reason, .. } => reason.is_some() || tracked.excused || envoy,
            RequestOutcome::BodyError => self.disturbed || envoy,
            // hyper drops an unsent response head together with a failed body.
            RequestOutcome::ConnectionLost(_) if envoy && self.disturbed && tracked.served > 0 => true,
            RequestOutcome::ConnectionLost(_) | RequestOutcome::ConnectFailed | RequestOutcome::TimedOut => {
                tracked.excused
            }
        };
        if fine { Ok(()) } else { Err(format!("request {}: {outcome:?}", tracked.spec)) }
    }
}

impl Oracle for NoSilentLoss {
    fn property(&self) -> &'static str {
        "NoSilentLoss"
    }

    fn observe(&mut self, _: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::RequestSent(spec) => {
                let excused = self.unavailable.iter().any(|(responder, _)| *responder == spec.via);
                let tracked = TrackedRequest { spec: spec.clone(), answered: false, served: 0, excused };
                self.requests.insert(spec.request, tracked);
            }
            Event::RequestServed { request, .. } => return self.served(*request),
            Event::RequestEnded { request, outcome } => return self.answered(*request, outcome),
            Event::FaultInjected(fault) => {
                self.disturbed = true;
                if let Fault::Freeze { host: HostId::Responder(responder), .. } = fault {
                    self.unavailable(*responder, Unavailability::Frozen);
                }
            }
            Event::FaultEnded(Fault::Freeze { host: HostId::Responder(responder), .. }) => {
                self.unavailable.remove(&(*responder, Unavailability::Frozen));
            }
            Event::Started(HostId::Responder(responder)) => self.started(*responder),
            Event::Stopped(HostId::Responder(responder)) => self.unavailable(*responder, Unavailability::Down),
            Event::DrainRequested { host, .. } => {
                // Requests that are open at the end of the grace are aborted.
                self.disturbed = true;
                if let HostId::Responder(responder) = host {
                    self.unavailable(*responder, Unavailability::Draining);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.requests.values().find(|tracked| !tracked.answered && !tracked.excused) {
            Some(tracked) => Err(format!("request {} was forgotten", tracked.spec)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::property::tests::request_spec;

    fn oracle() -> NoSilentLoss {
        let mut oracle = NoSilentLoss::of(&Plan::swarm(0));
        oracle
            .observe(Duration::ZERO, &Event::RequestSent(RequestSpec { up: Some(1), ..request_spec(1) }))
            .expect("a request");
        oracle
    }

    fn answered(outcome: RequestOutcome) -> Event {
        Event::RequestEnded { request: 1, outcome }
    }

    #[test]
    fn a_request_that_nobody_answers_is_noticed() {
        oracle().end().expect_err("it was forgotten");
    }

    #[test]
    fn a_local_reply_needs_a_reason() {
        let own = |reason: Option<&str>| {
            answered(RequestOutcome::LocalReply { status: 503, reason: reason.map(str::to_owned) })
        };
        oracle().observe(Duration::ZERO, &own(Some("no-tunnel"))).expect("it says why");
        oracle().observe(Duration::ZERO, &own(None)).expect_err("it does not say why");
    }

    #[test]
    fn what_is_lost_with_its_responder_is_lost() {
        let mut oracle = oracle();
        oracle.observe(Duration::ZERO, &Event::Stopped(HostId::Responder(0))).expect("a crash");
        oracle.observe(Duration::ZERO, &answered(RequestOutcome::TimedOut)).expect("nobody could answer");
    }

    #[test]
    fn nothing_is_answered_or_served_twice() {
        let served = Event::RequestServed { request: 1, by: 0, exact: true };
        let mut oracle = oracle();
        oracle.observe(Duration::ZERO, &served).expect("once");
        oracle.observe(Duration::ZERO, &answered(RequestOutcome::Served { by: 0, exact: true })).expect("once");
        oracle.observe(Duration::ZERO, &answered(RequestOutcome::BodyError)).expect_err("answered twice");
        oracle.observe(Duration::ZERO, &served).expect_err("a POST was repeated");
    }

    #[test]
    fn an_answer_that_no_service_gave_is_noticed() {
        oracle()
            .observe(Duration::ZERO, &answered(RequestOutcome::Served { by: 0, exact: true }))
            .expect_err("who served it?");
    }
}
