//! L10 ReplaceBeforeClose: where processes are only replaced in good order, one after another, every node always has a tunnel
//! somewhere that takes requests; and whose tunnels are taken out of use has others under way at once. An Envoy looks after
//! its tunnels at times of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Oracle;
use crate::faults::Fault;
use crate::history::{Fact, InitiatorView, Phase};
use crate::net::Place;
use crate::plan::Plan;

/// How long it takes at most until a responder that was replaced has its tunnels, where packets take no time.
const BACK: Duration = Duration::from_millis(800);
/// So many times as long as a packet takes are added to that.
const TRIPS: u32 = 10;

/// From one tunnel that leaves to the next that is dialled.
const AT_ONCE: Duration = Duration::from_millis(100);

/// See above.
pub(super) struct ReplaceBeforeClose {
    /// Nothing is disturbed, and there is always another responder.
    rolls: bool,
    /// Nothing is disturbed, and responders stay where they are.
    renews: bool,
    warm: bool,
    tunnels: BTreeMap<usize, Vec<u32>>,
    /// Who has fewer than it should have, up or under way, and since when.
    short: BTreeMap<(Place, usize), Duration>,
}

impl ReplaceBeforeClose {
    pub(super) fn of(plan: &Plan) -> Self {
        let calm = plan.weather.is_calm() && !plan.is_capped() && plan.envoys.is_empty();
        let only = |kind: fn(&Fault) -> bool| calm && plan.faults.iter().all(|(_, fault)| kind(fault));
        Self {
            rolls: only(|fault| matches!(fault, Fault::Drain { place: Place::Responder(_), .. })) && one_stays(plan),
            renews: only(|fault| matches!(fault, Fault::Renew { .. })),
            warm: false,
            tunnels: BTreeMap::new(),
            short: BTreeMap::new(),
        }
    }

    fn count(&mut self, responder: usize, tunnels: &[u32]) -> Result<(), String> {
        self.tunnels.insert(responder, tunnels.to_vec());
        for initiator in 0..tunnels.len() {
            let here = |tunnels: &Vec<u32>| tunnels.get(initiator).copied().unwrap_or_default();
            if self.rolls && self.warm && self.tunnels.values().map(here).sum::<u32>() == 0 {
                return Err(format!("no responder has a tunnel of initiator-{initiator} that takes requests"));
            }
        }
        Ok(())
    }
}

/// Whether there is always a responder that is neither draining nor away.
fn one_stays(plan: &Plan) -> bool {
    let back = BACK + plan.weather.latency.most() * TRIPS;
    let away = |(at, fault): &(Duration, Fault)| {
        let Fault::Drain { place, grace } = fault else { return None };
        let back = match plan.replaced(*at, *grace) {
            Some(replaced) => replaced + back,
            None if plan.is_core(*place) => plan.times.heal + back,
            None => Duration::MAX,
        };
        Some((*place, *at..back))
    };
    let away: Vec<_> = plan.faults.iter().filter_map(away).collect();
    away.iter().all(|(_, one)| {
        let with_it = away.iter().filter(|(_, other)| other.contains(&one.start));
        with_it.map(|(place, _)| place).collect::<BTreeSet<_>>().len() < plan.responders
    })
}

impl Oracle for ReplaceBeforeClose {
    fn property(&self) -> &'static str {
        "ReplaceBeforeClose"
    }

    fn see(&mut self, at: Duration, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Phase(Phase::Faults) => self.warm = true,
            Fact::Phase(Phase::Draining) => (self.rolls, self.renews) = (false, false),
            Fact::Responder { place: Place::Responder(responder), view } => {
                return self.count(*responder, &view.tunnels);
            }
            Fact::Initiator { place, to, view: InitiatorView { target, pending, up, .. } } => {
                if pending + up < *target {
                    self.short.entry((*place, *to)).or_insert(at);
                } else {
                    self.short.remove(&(*place, *to));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, now: Duration) -> Result<(), String> {
        if !(self.renews && self.warm) {
            return Ok(());
        }
        let late = self.short.iter().find(|(_, since)| now > **since + AT_ONCE);
        late.map_or(Ok(()), |((place, to), _)| {
            Err(format!("{place} lets tunnels to responder-{to} go without dialling others"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;
    use crate::net::trouble::Weather;

    fn oracle(rolls: bool, renews: bool) -> ReplaceBeforeClose {
        ReplaceBeforeClose { rolls, renews, warm: true, ..ReplaceBeforeClose::of(&Plan::swarm(0)) }
    }

    #[test]
    fn a_node_without_any_tunnel_is_noticed() {
        let mut oracle = oracle(true, false);
        let mut see = |responder, tunnels| {
            let view = ResponderView { tunnels: vec![tunnels], draining: vec![3], ..ResponderView::default() };
            oracle.see(Duration::ZERO, &Fact::Responder { place: Place::Responder(responder), view })
        };
        see(0, 2).expect("the first has some");
        see(1, 2).expect("both have some");
        see(0, 0).expect("the second has some");
        see(1, 0).expect_err("nobody has any");
    }

    #[test]
    fn a_responder_stays_if_drains_follow_one_another() {
        let stays = |second: u64| {
            let drain = |responder| Fault::Drain { place: Place::Responder(responder), grace: Duration::from_secs(4) };
            let faults = vec![(Duration::from_secs(10), drain(0)), (Duration::from_secs(second), drain(1))];
            one_stays(&Plan { responders: 2, core: (2, 1), weather: Weather::CALM, faults, ..Plan::swarm(0) })
        };
        assert!(!stays(10) && !stays(16), "the first is away");
        assert!(stays(17) && stays(56), "it is back");
    }

    #[test]
    fn a_tunnel_that_leaves_is_replaced_at_once() {
        let mut oracle = oracle(false, true);
        let mut see = |at: u64, pending| {
            let at = Duration::from_millis(at);
            let view = InitiatorView { target: 2, pending, up: 1, draining: 1 };
            oracle.see(at, &Fact::Initiator { place: Place::Initiator(0), to: 0, view }).expect("judged by time alone");
            oracle.pass(at + Duration::from_millis(90))
        };
        see(0, 0).expect("it has just left");
        see(50, 1).expect("another is dialled");
        see(1000, 0).expect("the next has left");
        oracle.pass(Duration::from_millis(1101)).expect_err("nobody dials");
    }
}
