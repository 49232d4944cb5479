//! S2 SupersededGetNoWork: when a node is back under a new instance, its requests go there, and not to the tunnels of its former
//! life, which nobody has closed. An Envoy does not say which life it is in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Oracle;
use crate::faults::{Death, Fault};
use crate::history::{Answer, Fact, Phase, Question};
use crate::net::Place;
use crate::plan::Plan;

/// From an initiator's first tunnel up until its responder gives it work at the latest: the answer's way, and the time in
/// which a tunnel settles.
const SETTLES: Duration = Duration::from_millis(300);
/// How long a request may take beside the service's own time. A tunnel whose other end is gone is noticed much later.
const QUICK: Duration = Duration::from_secs(2);

/// The largest body, and the longest way, with which a request is quick on a network that loses nothing.
const SMALL: usize = 10_000;
const NEAR: Duration = Duration::from_millis(100);

/// See above.
pub(super) struct SupersededGetNoWork {
    /// Nothing but initiators that lose their power disturbs this world.
    applies: bool,
    /// Since when the new instance of a node has had a tunnel to a responder. Nodes that never went have no entry.
    back: BTreeMap<(usize, usize), Option<Duration>>,
    open: BTreeMap<u64, (Duration, Question)>,
}

impl SupersededGetNoWork {
    pub(super) fn of(plan: &Plan) -> Self {
        let power_loss = |fault: &Fault| {
            matches!(
                fault,
                Fault::Crash { place: Place::Initiator(_), how: Death::PowerLoss, .. } | Fault::Scrape { .. }
            )
        };
        let quick = plan.weather.is_calm() && plan.weather.latency.most() <= NEAR && !plan.is_narrow();
        let quick = quick && plan.calls.body <= SMALL;
        let applies = quick && plan.envoys.is_empty() && plan.faults.iter().all(|(_, fault)| power_loss(fault));
        Self { applies, back: BTreeMap::new(), open: BTreeMap::new() }
    }

    fn is_for_the_living(&self, at: Duration, question: &Question) -> bool {
        let Some(initiator) = question.node else { return false };
        let back = self.back.get(&(initiator, question.via)).copied().flatten();
        back.is_some_and(|back| at >= back + SETTLES)
    }
}

impl Oracle for SupersededGetNoWork {
    fn property(&self) -> &'static str {
        "SupersededGetNoWork"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        if !self.applies {
            return Ok(());
        }
        match fact {
            Fact::Stopped(Place::Initiator(initiator)) => {
                self.back.retain(|(other, _), _| other != initiator);
                self.open.retain(|_, (_, question)| question.node != Some(*initiator));
            }
            Fact::Initiator { place: Place::Initiator(initiator), to, view } if view.up > 0 => {
                self.back.entry((*initiator, *to)).or_default().get_or_insert(at);
            }
            Fact::Phase(Phase::Draining) => self.applies = false,
            Fact::Asked(question) if self.is_for_the_living(at, question) => {
                self.open.insert(question.request, (at, question.clone()));
            }
            Fact::Answered { request, answer } => {
                let Some((asked, question)) = self.open.remove(request) else { return Ok(()) };
                let took = at - asked;
                let served = matches!(answer, Answer::Served { .. } | Answer::Stalled);
                if !served || took > question.takes + QUICK {
                    return Err(format!("request {question}: {answer:?} after {took:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, now: Duration) -> Result<(), String> {
        let late = self.open.values().find(|(asked, question)| now > *asked + question.takes + QUICK);
        late.map_or(Ok(()), |(_, question)| Err(format!("request {question}: nothing for {QUICK:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::question;
    use super::*;
    use crate::history::InitiatorView;

    const SECOND: Duration = Duration::from_secs(1);

    fn returned() -> SupersededGetNoWork {
        let mut oracle = SupersededGetNoWork { applies: true, back: BTreeMap::new(), open: BTreeMap::new() };
        let view = InitiatorView { target: 1, up: 1, ..InitiatorView::default() };
        let up = Fact::Initiator { place: Place::Initiator(0), to: 0, view };
        for (at, fact) in [(0, up.clone()), (1, Fact::Stopped(Place::Initiator(0))), (2, up)] {
            oracle.see(SECOND * at, &fact).expect("no request yet");
        }
        oracle
    }

    #[test]
    fn a_request_to_a_node_that_is_back_has_to_be_quick() {
        let mut oracle = returned();
        oracle.see(SECOND * 3, &Fact::Asked(question(1))).expect("a request is no failure");
        let answer = Answer::Served { by: 0, exact: true };
        oracle.see(SECOND * 4, &Fact::Answered { request: 1, answer }).expect("soon enough");
        oracle.see(SECOND * 5, &Fact::Asked(question(2))).expect("a request is no failure");
        oracle.pass(SECOND * 6).expect("still under way");
        oracle.pass(SECOND * 8).expect_err("somebody else got it");
    }

    #[test]
    fn what_is_asked_before_it_is_back_may_be_lost() {
        let mut oracle = returned();
        oracle.see(SECOND * 2, &Fact::Asked(question(1))).expect("a request is no failure");
        oracle.pass(SECOND * 9).expect("it may have gone to the tunnels of before");
    }
}
