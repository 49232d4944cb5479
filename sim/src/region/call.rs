//! The requests that callers send.

use std::sync::Arc;
use std::time::Duration;

use super::Region;
use crate::cast::caller;
use crate::dice::{chance, dice};
use crate::history::Question;
use crate::host::Local;
use crate::net::Place;
use crate::plan::Plan;

/// When the next request is due.
pub(super) struct Calling {
    dice: fastrand::Rng,
    next: Option<Duration>,
    count: u64,
}

impl Calling {
    pub(super) fn of(plan: &Plan) -> Self {
        let next = (plan.calls.per_minute > 0).then_some(Duration::from_secs(1));
        Self { dice: dice(plan.seed, "calls"), next, count: 0 }
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
    }
}

impl Region {
    /// Sends what is due.
    pub(super) fn call(&mut self, now: Duration) {
        while let Some(next) = self.calling.next.filter(|next| *next <= now) {
            let pause = -(1.0 - self.calling.dice.f64()).ln() * 60.0 / f64::from(self.plan.calls.per_minute);
            self.calling.next = Some(next + Duration::from_secs_f64(pause));
            self.call_at(None);
        }
    }

    /// Sends a request to this responder, or to any.
    pub(super) fn call_at(&mut self, responder: Option<usize>) {
        let question = self.draw(responder);
        let site = &self.sites[&Place::Caller];
        let process = site.process.as_ref().expect("callers never die");
        let dice = dice(self.plan.seed, &format!("caller {}", question.request));
        let journal = revtun::journal::Journal::OFF;
        let world = Local::new(Arc::clone(process), self.names.clone(), dice, Arc::clone(&site.skew), journal);
        let public = self.sites[&Place::Responder(question.via)].public.expect("responders are known");
        process.spawn(caller::ask(world, self.history.clone(), question, public, self.plan.patience()));
    }

    fn draw(&mut self, responder: Option<usize>) -> Question {
        let Calling { dice, count, .. } = &mut self.calling;
        let plan = &self.plan;
        *count += 1;
        let initiator = dice.usize(..plan.initiators);
        let size = |dice: &mut fastrand::Rng| dice.usize(..=plan.calls.body);
        let via = dice.usize(..plan.responders);
        let stalls = chance(dice, plan.calls.stall);
        Question {
            request: *count,
            via: responder.unwrap_or(via),
            node: (dice.u8(..4) > 0).then_some(initiator),
            tenant: Plan::tenant(initiator),
            up: dice.bool().then(|| size(dice)),
            down: match (stalls, caller::speaks_http1(*count)) {
                (false, _) => size(dice),
                // What the kernel of one who never reads takes in.
                (true, true) => 3 << 20,
                (true, false) => 8 << 20,
            },
            takes: plan.calls.takes.mul_f64(dice.f64()),
            stalls,
        }
    }
}
