//! L3, L4 HalfOpenReaped: ten seconds after a link went silent in both directions neither end believes in a tunnel over it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Oracle;
use crate::faults::{Fault, Way};
use crate::history::{Fact, InitiatorView, Phase};
use crate::net::Place;
use crate::plan::Plan;

/// With the default settings, and a late tick.
const BOUND: Duration = Duration::from_millis(10_300);

/// See above.
pub(super) struct HalfOpenReaped {
    /// Since when nothing passes, by initiator and responder.
    silent: BTreeMap<(usize, usize), Duration>,
    cuts: BTreeMap<(usize, usize), u32>,
    up: BTreeMap<(usize, usize), u16>,
    there: BTreeMap<usize, Vec<u32>>,
    /// What is under way when a link is cut arrives as late as this.
    latest: Duration,
}

impl HalfOpenReaped {
    pub(super) fn of(_: &Plan) -> Self {
        Self {
            silent: BTreeMap::new(),
            cuts: BTreeMap::new(),
            up: BTreeMap::new(),
            there: BTreeMap::new(),
            latest: Duration::from_millis(2_500),
        }
    }

    /// Time stands still for somebody, or starts anew: nothing is measured there.
    fn spare(&mut self, place: Place) {
        self.silent.retain(|(initiator, responder), _| {
            place != Place::Initiator(*initiator) && place != Place::Responder(*responder)
        });
    }

    fn end_cut(&mut self, link: (usize, usize)) {
        let cuts = self.cuts.entry(link).or_default();
        *cuts = cuts.saturating_sub(1);
        if *cuts == 0 {
            self.silent.remove(&link);
        }
    }
}

impl Oracle for HalfOpenReaped {
    fn property(&self) -> &'static str {
        "HalfOpenReaped"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Struck(Fault::Cut { initiator, responder, way: Way::Both, .. }) => {
                let link = (*initiator, *responder);
                *self.cuts.entry(link).or_default() += 1;
                self.silent.entry(link).or_insert(at);
            }
            Fact::Relieved(Fault::Cut { initiator, responder, way: Way::Both, .. }) => {
                self.end_cut((*initiator, *responder));
            }
            Fact::Struck(Fault::Freeze { place, .. }) | Fact::Relieved(Fault::Freeze { place, .. }) => {
                self.spare(*place);
            }
            Fact::Phase(Phase::Healed) => self.silent.clear(),
            Fact::Stopped(place) => self.spare(*place),
            Fact::Initiator { place: Place::Initiator(initiator), to, view: InitiatorView { up, .. } } => {
                self.up.insert((*initiator, *to), *up);
            }
            Fact::Responder { place: Place::Responder(responder), view } => {
                self.there.insert(*responder, view.tunnels.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, now: Duration) -> Result<(), String> {
        for (link, since) in &self.silent {
            if now < *since + self.latest + BOUND {
                continue;
            }
            let (initiator, responder) = *link;
            let up = self.up.get(link).copied().unwrap_or_default();
            let there = self.there.get(&responder).and_then(|there| there.get(initiator)).copied().unwrap_or_default();
            if up > 0 || there > 0 {
                return Err(format!(
                    "nothing passes since {since:?}, yet initiator-{initiator} has {up} tunnels to responder-{responder}, which has {there}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_over_a_silent_link_has_to_go() {
        let second = Duration::from_secs(1);
        let fault = Fault::Cut { initiator: 0, responder: 0, way: Way::Both, lasts: second * 20 };
        let mut oracle = HalfOpenReaped::of(&Plan::swarm(0));
        let view = InitiatorView { target: 1, up: 1, ..InitiatorView::default() };
        oracle.see(second, &Fact::Initiator { place: Place::Initiator(0), to: 0, view }).expect("a tunnel");
        oracle.see(second, &Fact::Struck(fault)).expect("a cut");
        oracle.pass(second * 10).expect("there is time");
        oracle.pass(second * 15).expect_err("it should be gone");
        oracle.see(second * 16, &Fact::Relieved(fault)).expect("the cut is over");
        oracle.pass(second * 30).expect("the link is as good as new");
    }
}
