//! S14 NoSilentLoss: a request is answered once, or fails for a reason that the caller is told, or was lost together with the
//! responder that had it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::Fault;
use crate::history::{Answer, Fact, Question};
use crate::net::Place;
use crate::plan::Plan;

/// See above.
pub(super) struct NoSilentLoss {
    asked: BTreeMap<u64, Asked>,
    /// Something has gone wrong already.
    disturbed: bool,
    /// Responders that cannot be asked for an answer, and why.
    unwell: BTreeSet<(usize, Ailment)>,
    /// Responders that are Envoys: they give no reasons that a caller can read, and end an answer that takes 15 s.
    envoys: BTreeSet<Place>,
}

/// What may be the matter with a responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ailment {
    Down,
    Leaving,
    Frozen,
}

struct Asked {
    question: Question,
    answered: bool,
    served: u32,
    /// Its responder was not well at some moment since.
    excused: bool,
}

impl NoSilentLoss {
    pub(super) fn of(plan: &Plan) -> Self {
        let envoys = plan.envoys.clone();
        Self { asked: BTreeMap::new(), disturbed: false, unwell: BTreeSet::new(), envoys }
    }

    fn unwell(&mut self, responder: usize, ailment: Ailment) {
        self.unwell.insert((responder, ailment));
        let open = self.asked.values_mut().filter(|asked| !asked.answered && asked.question.via == responder);
        open.for_each(|asked| asked.excused = true);
    }

    fn started(&mut self, responder: usize) {
        self.unwell.retain(|(unwell, _)| *unwell != responder);
    }

    fn served(&mut self, request: u64) -> Result<(), String> {
        let Some(asked) = self.asked.get_mut(&request) else { return Err(format!("nobody asked {request}")) };
        asked.served += 1;
        // What may be repeated without harm is, if the tunnel was lost.
        if asked.served > 1 && asked.question.up.is_some() {
            return Err(format!("request {} was served {} times", asked.question, asked.served));
        }
        Ok(())
    }

    fn answered(&mut self, request: u64, answer: &Answer) -> Result<(), String> {
        let Some(asked) = self.asked.get_mut(&request) else { return Err(format!("nobody asked {request}")) };
        if std::mem::replace(&mut asked.answered, true) {
            return Err(format!("request {} was answered twice", asked.question));
        }
        let envoy = self.envoys.contains(&Place::Responder(asked.question.via));
        let fine = match answer {
            Answer::Served { .. } | Answer::Stalled => asked.served > 0,
            Answer::Own { reason, .. } => reason.is_some() || asked.excused || envoy,
            Answer::Broken => self.disturbed || envoy,
            // What breaks off there may take its head with it, as in any proxy that is made of hyper alone.
            Answer::Lost(_) if envoy && self.disturbed && asked.served > 0 => true,
            Answer::Lost(_) | Answer::Unreachable | Answer::Silence => asked.excused,
        };
        if fine { Ok(()) } else { Err(format!("request {}: {answer:?}", asked.question)) }
    }
}

impl Oracle for NoSilentLoss {
    fn property(&self) -> &'static str {
        "NoSilentLoss"
    }

    fn see(&mut self, _: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Asked(question) => {
                let excused = self.unwell.iter().any(|(responder, _)| *responder == question.via);
                let asked = Asked { question: question.clone(), answered: false, served: 0, excused };
                self.asked.insert(question.request, asked);
            }
            Fact::Served { request, .. } => return self.served(*request),
            Fact::Answered { request, answer } => return self.answered(*request, answer),
            Fact::Struck(fault) => {
                self.disturbed = true;
                if let Fault::Freeze { place: Place::Responder(responder), .. } = fault {
                    self.unwell(*responder, Ailment::Frozen);
                }
            }
            Fact::Relieved(Fault::Freeze { place: Place::Responder(responder), .. }) => {
                self.unwell.remove(&(*responder, Ailment::Frozen));
            }
            Fact::Started(Place::Responder(responder)) => self.started(*responder),
            Fact::Stopped(Place::Responder(responder)) => self.unwell(*responder, Ailment::Down),
            Fact::DrainOrdered { place, .. } => {
                // What has not ended with the grace is broken off.
                self.disturbed = true;
                if let Place::Responder(responder) = place {
                    self.unwell(*responder, Ailment::Leaving);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.asked.values().find(|asked| !asked.answered && !asked.excused) {
            Some(asked) => Err(format!("request {} was forgotten", asked.question)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::tests::question;

    fn oracle() -> NoSilentLoss {
        let mut oracle = NoSilentLoss::of(&Plan::swarm(0));
        oracle.see(Duration::ZERO, &Fact::Asked(Question { up: Some(1), ..question(1) })).expect("a request");
        oracle
    }

    fn answered(answer: Answer) -> Fact {
        Fact::Answered { request: 1, answer }
    }

    #[test]
    fn a_request_that_nobody_answers_is_noticed() {
        oracle().end().expect_err("it was forgotten");
    }

    #[test]
    fn an_answer_of_our_own_needs_a_reason() {
        let own = |reason: Option<&str>| answered(Answer::Own { status: 503, reason: reason.map(str::to_owned) });
        oracle().see(Duration::ZERO, &own(Some("no-tunnel"))).expect("it says why");
        oracle().see(Duration::ZERO, &own(None)).expect_err("it does not say why");
    }

    #[test]
    fn what_is_lost_with_its_responder_is_lost() {
        let mut oracle = oracle();
        oracle.see(Duration::ZERO, &Fact::Stopped(Place::Responder(0))).expect("a crash");
        oracle.see(Duration::ZERO, &answered(Answer::Silence)).expect("nobody could answer");
    }

    #[test]
    fn nothing_is_answered_or_served_twice() {
        let served = Fact::Served { request: 1, by: 0, exact: true };
        let mut oracle = oracle();
        oracle.see(Duration::ZERO, &served).expect("once");
        oracle.see(Duration::ZERO, &answered(Answer::Served { by: 0, exact: true })).expect("once");
        oracle.see(Duration::ZERO, &answered(Answer::Broken)).expect_err("answered twice");
        oracle.see(Duration::ZERO, &served).expect_err("a POST was repeated");
    }

    #[test]
    fn an_answer_that_no_service_gave_is_noticed() {
        oracle().see(Duration::ZERO, &answered(Answer::Served { by: 0, exact: true })).expect_err("who served it?");
    }
}
