//! The workload: the requests that callers send, and when.

use std::sync::Arc;
use std::time::Duration;

use super::SimWorld;
use crate::actors::caller;
use crate::dice::{chance, dice};
use crate::history::RequestSpec;
use crate::net::HostId;
use crate::plan::Plan;
use crate::process_world::ProcessWorld;

/// Draws requests and the times at which they are sent.
pub(super) struct RequestGenerator {
    dice: fastrand::Rng,
    next: Option<Duration>,
    count: u64,
}

impl RequestGenerator {
    pub(super) fn of(plan: &Plan) -> Self {
        let next = (plan.workload.per_minute > 0).then_some(Duration::from_secs(1));
        Self { dice: dice(plan.seed, "calls"), next, count: 0 }
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
    }
}

impl SimWorld {
    /// Sends the requests that are due at `now`.
    pub(super) fn send_due_requests(&mut self, now: Duration) {
        while let Some(next) = self.requests.next.filter(|next| *next <= now) {
            let pause = -(1.0 - self.requests.dice.f64()).ln() * 60.0 / f64::from(self.plan.workload.per_minute);
            self.requests.next = Some(next + Duration::from_secs_f64(pause));
            self.send_request(None);
        }
    }

    /// Sends one request via this responder, or via a random one.
    pub(super) fn send_request(&mut self, responder: Option<usize>) {
        let spec = self.draw(responder);
        let host_state = &self.host_states[&HostId::Caller];
        let process = host_state.process.as_ref().expect("callers never die");
        let dice = dice(self.plan.seed, &format!("caller {}", spec.request));
        let journal = revtun::journal::Journal::OFF;
        let world =
            ProcessWorld::new(Arc::clone(process), self.dns.clone(), dice, Arc::clone(&host_state.skew), journal);
        let public = self.host_states[&HostId::Responder(spec.via)].public.expect("responders are known");
        process.spawn(caller::send(world, self.history.clone(), spec, public, self.plan.client_timeout()));
    }

    fn draw(&mut self, responder: Option<usize>) -> RequestSpec {
        let RequestGenerator { dice, count, .. } = &mut self.requests;
        let plan = &self.plan;
        *count += 1;
        let initiator = dice.usize(..plan.initiators);
        let size = |dice: &mut fastrand::Rng| dice.usize(..=plan.workload.body);
        let via = dice.usize(..plan.responders);
        let never_read = chance(dice, plan.workload.never_read);
        RequestSpec {
            request: *count,
            via: responder.unwrap_or(via),
            node: (dice.u8(..4) > 0).then_some(initiator),
            tenant: Plan::tenant(initiator),
            up: dice.bool().then(|| size(dice)),
            down: match (never_read, caller::uses_http1(*count)) {
                (false, _) => size(dice),
                // More than the receive buffer of a client that never reads.
                (true, true) => 3 << 20,
                (true, false) => 8 << 20,
            },
            service_time: plan.workload.service_time.mul_f64(dice.f64()),
            never_read,
        }
    }
}
