//! S14, L10 NothingLostInCalm: where nobody disturbs anything, every request is answered by its service; and where processes
//! are only replaced in good order, so is every request that was sent before. Readers that have stopped stop nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::Fault;
use crate::history::{Answer, Fact, Phase, Question};
use crate::net::Place;
use crate::plan::Plan;

/// How long before an order a request has to be sent, so that it is there before it.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// How much more time than the service takes has to be given to a request, so that it ends within it, where that can be said.
const UNHURRIED: Duration = Duration::from_secs(2);

/// The longest way over which a tunnel is replaced before anybody gives up waiting for it.
const NEAR: Duration = Duration::from_millis(50);

/// See above.
pub(super) struct NothingLostInCalm {
    /// The world is such that it has to hold.
    calm: bool,
    /// Who is not healed in the end: if one of them drains, there may be no successor.
    gone: BTreeSet<Place>,
    warm: bool,
    open: BTreeMap<u64, (Duration, Question)>,
    /// Who was told to drain, so that requests sent from then on may be turned away.
    leaving: BTreeSet<Place>,
    /// Requests that were sent too late for somebody who leaves.
    late: BTreeSet<u64>,
}

impl NothingLostInCalm {
    pub(super) fn of(plan: &Plan) -> Self {
        let enough = |grace: Duration| !plan.is_crowded() && grace >= plan.calls.takes + UNHURRIED;
        let in_order = |fault: &Fault| match fault {
            Fault::Drain { grace, .. } => enough(*grace),
            // Requests wait for another tunnel, but not for long. An Envoy looks for those that are missing now and then.
            Fault::Renew { initiator, grace, .. } => {
                let soon = plan.weather.latency.most() <= NEAR && !plan.is_envoy(Place::Initiator(*initiator));
                soon && enough(*grace)
            }
            Fault::Scrape { .. } | Fault::Skew { .. } => true,
            _ => false,
        };
        let usual = revtun_core::responder::Config::default();
        let calm = plan.weather.is_calm()
            && plan.faults.iter().all(|(_, fault)| in_order(fault))
            && plan.responder.max_streams == usual.max_streams
            && plan.responder.max_waiting == usual.max_waiting
            && !plan.is_capped()
            && !plan.is_narrow();
        let places = plan.faults.iter().flat_map(|(_, fault)| fault.places());
        Self {
            calm,
            gone: places.filter(|place| !plan.is_core(*place)).collect(),
            warm: false,
            open: BTreeMap::new(),
            leaving: BTreeSet::new(),
            late: BTreeSet::new(),
        }
    }

    fn concerns(place: Place, question: &Question) -> bool {
        match place {
            Place::Responder(responder) => question.via == responder,
            // A cluster has other nodes, but which one is asked is not known here.
            Place::Initiator(initiator) => Plan::tenant(initiator) == question.tenant,
            Place::Caller | Place::Stranger => false,
        }
    }

    /// Open requests that concern `place` may be turned away, but for those that were under way at `order`.
    fn too_late(&mut self, place: Place, order: Duration) {
        let late = self
            .open
            .iter()
            .filter(|(_, (asked, question))| order < *asked + UNDER_WAY && Self::concerns(place, question));
        self.late.extend(late.map(|(request, _)| *request));
    }
}

impl Oracle for NothingLostInCalm {
    fn property(&self) -> &'static str {
        "NothingLostInCalm"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        if !self.calm {
            return Ok(());
        }
        match fact {
            Fact::Phase(Phase::Faults) => self.warm = true,
            Fact::Asked(question) => {
                if !self.warm || self.leaving.iter().any(|place| Self::concerns(*place, question)) {
                    self.late.insert(question.request);
                }
                self.open.insert(question.request, (at, question.clone()));
            }
            Fact::DrainOrdered { place, .. } => {
                self.too_late(*place, at);
                self.leaving.insert(*place);
            }
            // A successor needs a moment for its tunnels; until healing requests to it prove nothing. Who drains still is cut
            // short by it, and whatever was under way with it.
            Fact::Phase(Phase::Healed) => {
                for place in self.leaving.clone() {
                    self.too_late(place, Duration::ZERO);
                }
                self.leaving.retain(|place| self.gone.contains(place));
            }
            Fact::Answered { request, answer } => {
                let question = self.open.remove(request).map(|(_, question)| question);
                let served = matches!(answer, Answer::Served { .. } | Answer::Stalled);
                if !served && !self.late.contains(request) {
                    return Err(format!("request {request} ({question:?}): {answer:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::trouble::Weather;
    use crate::oracle::tests::question;

    const SECOND: Duration = Duration::from_secs(1);

    /// A world in which responder 0 drains, and is healed in the end if it is of the `core`.
    fn calm(core: usize) -> NothingLostInCalm {
        let drain = Fault::Drain { place: Place::Responder(0), grace: SECOND * 60 };
        let mut plan = Plan { faults: vec![(SECOND * 8, drain)], weather: Weather::CALM, ..Plan::swarm(0) };
        plan.kernel.send_buffer = 64 * 1024;
        plan.core = (core, 1);
        plan.responder = revtun_core::responder::Config::default();
        NothingLostInCalm::of(&plan)
    }

    fn own(request: u64) -> Fact {
        Fact::Answered { request, answer: Answer::Own { status: 503, reason: Some("x".to_owned()) } }
    }

    #[test]
    fn only_what_came_behind_an_order_may_be_turned_away() {
        let mut oracle = calm(1);
        let mut see = |at: u32, fact| oracle.see(SECOND * at, &fact);
        see(5, Fact::Phase(Phase::Faults)).expect("it begins");
        (1..4).for_each(|request| see(6, Fact::Asked(question(request))).expect("a request"));
        see(7, own(1)).expect_err("nothing was wrong");
        see(8, Fact::DrainOrdered { place: Place::Responder(0), grace: SECOND }).expect("an order");
        see(8, own(2)).expect_err("it was under way");
        see(9, Fact::Asked(question(4))).expect("a request");
        see(9, own(4)).expect("it came too late");
    }

    #[test]
    fn nobody_is_asked_for_what_healing_cuts_short_or_never_brings_back() {
        for (core, comes_back) in [(1, true), (0, false)] {
            let mut oracle = calm(core);
            let mut see = |at: u32, fact| oracle.see(SECOND * at, &fact);
            see(5, Fact::Phase(Phase::Faults)).expect("it begins");
            see(6, Fact::Asked(question(1))).expect("a request");
            see(8, Fact::DrainOrdered { place: Place::Responder(0), grace: SECOND }).expect("an order");
            see(9, Fact::Phase(Phase::Healed)).expect("it is healed");
            see(10, own(1)).expect("it was cut short");
            see(11, Fact::Asked(question(2))).expect("a request");
            assert_eq!(see(12, own(2)).is_err(), comes_back);
        }
    }
}
