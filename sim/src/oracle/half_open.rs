//! L3, L4 HalfOpenReaped: ten seconds after one way of a link went silent neither end believes in a tunnel over it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Oracle;
use crate::faults::{Fault, Way};
use crate::history::{Fact, InitiatorView, Phase};
use crate::net::Place;
use crate::plan::Plan;

/// With the default settings, and a late tick.
const BOUND: Duration = Duration::from_millis(10_300);

/// An initiator and a responder.
type Link = (usize, usize);

/// See above.
pub(super) struct HalfOpenReaped {
    /// What lies on each way of each link, up and down, and since when nothing passes.
    cuts: BTreeMap<(Link, bool), (u32, Duration)>,
    up: BTreeMap<Link, u16>,
    there: BTreeMap<usize, Vec<u32>>,
    /// What is under way when a link is cut arrives as late as this.
    latest: Duration,
    gone_after: Duration,
}

impl HalfOpenReaped {
    pub(super) fn of(plan: &Plan) -> Self {
        let slow = plan.faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Slow { delay, .. } => Some(*delay),
            _ => None,
        });
        let narrow = if plan.weather.bandwidth.is_some() { Duration::from_millis(500) } else { Duration::ZERO };
        Self {
            cuts: BTreeMap::new(),
            up: BTreeMap::new(),
            there: BTreeMap::new(),
            latest: slow.sum::<Duration>() + plan.weather.latency.most() + narrow,
            gone_after: Duration::ZERO,
        }
    }

    /// Time stands still for somebody, or starts anew: what was measured there so far says nothing.
    fn spare(&mut self, at: Duration, place: Place) {
        for (((initiator, responder), _), (_, since)) in &mut self.cuts {
            if place == Place::Initiator(*initiator) || place == Place::Responder(*responder) {
                *since = at;
            }
        }
    }

    fn begin(&mut self, at: Duration, link: Link, way: Way) {
        for up in ways(way) {
            self.cuts.entry((link, *up)).or_insert((0, at)).0 += 1;
        }
    }

    fn end_cut(&mut self, link: Link, way: Way) {
        for up in ways(way) {
            if let Some((cuts, _)) = self.cuts.get_mut(&(link, *up)) {
                *cuts -= 1;
            }
        }
        self.cuts.retain(|_, (cuts, _)| *cuts > 0);
    }
}

/// Up and down, as far as they are meant.
const fn ways(way: Way) -> &'static [bool] {
    match way {
        Way::Both => &[true, false],
        Way::Up => &[true],
        Way::Down => &[false],
    }
}

impl Oracle for HalfOpenReaped {
    fn property(&self) -> &'static str {
        "HalfOpenReaped"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Struck(Fault::Cut { initiator, responder, way, .. }) => {
                self.begin(at, (*initiator, *responder), *way);
            }
            Fact::Relieved(Fault::Cut { initiator, responder, way, .. }) => {
                self.end_cut((*initiator, *responder), *way);
            }
            Fact::Relieved(Fault::Freeze { place, .. }) | Fact::Started(place) => self.spare(at, *place),
            // A process that stands still notices nothing, however long that takes.
            Fact::Struck(Fault::Freeze { place, lasts }) => self.spare(at + *lasts, *place),
            Fact::Phase(Phase::Healed) => self.cuts.clear(),
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

    fn measure(&self) -> Option<(&'static str, f64)> {
        Some(("seconds that a tunnel outlived its link", self.gone_after.as_secs_f64()))
    }

    fn pass(&mut self, now: Duration) -> Result<(), String> {
        for ((link, _), (_, since)) in &self.cuts {
            let waited = now.saturating_sub(*since + self.latest);
            let (initiator, responder) = *link;
            let up = self.up.get(link).copied().unwrap_or_default();
            let there = self.there.get(&responder).and_then(|there| there.get(initiator)).copied().unwrap_or_default();
            if up == 0 && there == 0 {
                continue;
            }
            self.gone_after = self.gone_after.max(waited);
            if waited > BOUND {
                return Err(format!(
                    "nothing passes since {since:?}, yet initiator-{initiator} has {up} tunnels to \
                     responder-{responder}, which has {there}"
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
        for way in [Way::Both, Way::Up, Way::Down] {
            let fault = Fault::Cut { initiator: 0, responder: 0, way, lasts: second * 20 };
            let mut oracle = HalfOpenReaped { latest: second, ..HalfOpenReaped::of(&Plan::swarm(0)) };
            let view = InitiatorView { target: 1, up: 1, ..InitiatorView::default() };
            oracle.see(second, &Fact::Initiator { place: Place::Initiator(0), to: 0, view }).expect("a tunnel");
            oracle.see(second, &Fact::Struck(fault)).expect("a cut");
            oracle.pass(second * 10).expect("there is time");
            oracle.pass(second * 13).expect_err("it should be gone");
            oracle.see(second * 16, &Fact::Relieved(fault)).expect("the cut is over");
            oracle.pass(second * 30).expect("the link is as good as new");
        }
    }
}
