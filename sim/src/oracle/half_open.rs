//! L3, L4 HalfOpenReaped: ten seconds after a link went silent no end that cannot hear the other believes in a tunnel over it.
//! One that still can hears the other close it; or else, since what a full window holds back is the close as well, counts from
//! when the other gave up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::{Fault, Way};
use crate::history::{Fact, InitiatorView, Phase};
use crate::net::Place;
use crate::plan::Plan;

/// With the default settings, a late tick, and a ping before that was as late as could be, which stretches patience a little.
const BOUND: Duration = Duration::from_millis(10_800);

/// After so long an end that hears nothing gives a tunnel up, with the default settings.
const SILENCE: Duration = Duration::from_secs(7);

/// For so long before a link went silent it matters what befell its ends, and meanwhile.
const REMEMBERED: Duration = Duration::from_secs(30);

/// An initiator and a responder.
type Link = (usize, usize);

/// See above.
pub(super) struct HalfOpenReaped {
    /// What lies on each way of each link, up and down, and since when nothing passes.
    cuts: BTreeMap<(Link, bool), (u32, Duration)>,
    up: BTreeMap<Link, u16>,
    there: BTreeMap<usize, Vec<u32>>,
    /// Until when these processes stand still. One that does notices nothing, however long that takes.
    frozen: BTreeMap<Place, Duration>,
    /// When something last befell a process or its links. What delays pings twice in a row, or silences tunnels too young to
    /// have shown how often they are pinged, makes an initiator patient.
    befallen: BTreeMap<Place, Duration>,
    /// These need not notice: one that dials never does by itself, and one that is dialled takes the time of its pings, which
    /// was measured, and is no concern of ours.
    envoys: BTreeSet<Place>,
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
            frozen: BTreeMap::new(),
            befallen: BTreeMap::new(),
            envoys: plan.envoys.clone(),
            latest: slow.sum::<Duration>() + plan.weather.latency.most() + narrow,
            gone_after: Duration::ZERO,
        }
    }

    /// Time stands still for somebody, or starts anew: what was measured there so far says nothing.
    fn spare(&mut self, at: Duration, place: Place) {
        for (((initiator, responder), _), (_, since)) in &mut self.cuts {
            if place == Place::Initiator(*initiator) || place == Place::Responder(*responder) {
                *since = (*since).max(at);
            }
        }
    }

    fn begin(&mut self, at: Duration, link: Link, way: Way) {
        let (initiator, responder) = link;
        let frozen = [Place::Initiator(initiator), Place::Responder(responder)].map(|place| self.frozen.get(&place));
        let since = frozen.into_iter().flatten().fold(at, |since, until| since.max(*until));
        for up in ways(way) {
            self.cuts.entry((link, *up)).or_insert((0, since)).0 += 1;
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
        if let Fact::Struck(fault) | Fact::Relieved(fault) = fact
            && !matches!(fact, Fact::Struck(Fault::Cut { .. }))
        {
            self.befallen.extend(fault.places().into_iter().map(|place| (place, at)));
        }
        match fact {
            Fact::Struck(Fault::Cut { initiator, responder, way, .. }) => {
                self.begin(at, (*initiator, *responder), *way);
            }
            Fact::Relieved(Fault::Cut { initiator, responder, way, .. }) => {
                self.end_cut((*initiator, *responder), *way);
            }
            Fact::Relieved(Fault::Freeze { place, .. }) | Fact::Started(place) => self.spare(at, *place),
            Fact::Struck(Fault::Freeze { place, lasts }) => {
                self.spare(at + *lasts, *place);
                self.frozen.insert(*place, at + *lasts);
            }
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
        for ((link, upwards), (_, since)) in &self.cuts {
            let (initiator, responder) = *link;
            let up = self.up.get(link).copied().unwrap_or_default();
            let there = self.there.get(&responder).and_then(|there| there.get(initiator)).copied().unwrap_or_default();
            let ours = |place| !self.envoys.contains(&place);
            let up = if ours(Place::Initiator(initiator)) { up } else { 0 };
            let there = if ours(Place::Responder(responder)) { there } else { 0 };
            let (deaf, hearing) = if *upwards { (there, u32::from(up)) } else { (u32::from(up), there) };
            let waited = now.saturating_sub(*since + self.latest);
            if deaf > 0 {
                self.gone_after = self.gone_after.max(waited);
            }
            let befallen = [Place::Initiator(initiator), Place::Responder(responder)];
            let befallen = befallen.iter().filter_map(|place| self.befallen.get(place));
            let patient = befallen.into_iter().any(|at| *at + REMEMBERED > *since);
            let bound = if patient { SILENCE + BOUND } else { BOUND };
            if (deaf > 0 && waited > bound) || (hearing > 0 && waited > SILENCE + bound) {
                let way = if *upwards { "up" } else { "down" };
                return Err(format!(
                    "nothing passes {way} since {since:?}, yet initiator-{initiator} has {up} tunnels to \
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
    use crate::history::ResponderView;

    fn tunnels(oracle: &mut HalfOpenReaped, up: u16, there: u32) {
        let at = Duration::from_secs(1);
        let initiator = InitiatorView { target: 1, up, ..InitiatorView::default() };
        let responder = ResponderView { tunnels: vec![there], ..ResponderView::default() };
        let place = Place::Initiator(0);
        oracle.see(at, &Fact::Initiator { place, to: 0, view: initiator }).expect("a view");
        oracle.see(at, &Fact::Responder { place: Place::Responder(0), view: responder }).expect("a view");
    }

    #[test]
    fn a_tunnel_over_a_silent_link_has_to_go() {
        let second = Duration::from_secs(1);
        for way in [Way::Both, Way::Up, Way::Down] {
            let fault = Fault::Cut { initiator: 0, responder: 0, way, lasts: second * 20 };
            let mut oracle = HalfOpenReaped { latest: second, ..HalfOpenReaped::of(&Plan::swarm(0)) };
            tunnels(&mut oracle, 1, 1);
            oracle.see(second, &Fact::Struck(fault)).expect("a cut");
            oracle.pass(second * 10).expect("there is time");
            oracle.pass(second * 13).expect_err("it should be gone");
            let deaf = if way == Way::Up { (1, 0) } else { (0, 1) };
            tunnels(&mut oracle, deaf.0, deaf.1);
            let hears = oracle.pass(second * 13);
            assert_eq!(hears.is_ok(), way != Way::Both, "who hears has more time");
            oracle.pass(second * 20).expect_err("but not for ever");
            oracle.see(second * 21, &Fact::Relieved(fault)).expect("the cut is over");
            oracle.pass(second * 30).expect("the link is as good as new");
        }
    }
}
