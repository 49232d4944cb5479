//! L10 MakeBeforeBreak: where processes are only drained and replaced, one after another, every node always has a tunnel
//! that takes requests; and drained tunnels are replaced by new ones at once. Envoys are exempt: they redial at intervals
//! of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::Fault;
use crate::history::{Event, InitiatorView, Phase};
use crate::net::HostId;
use crate::plan::Plan;

/// The longest time until a replaced responder has its tunnels, without latency.
const BACK: Duration = Duration::from_millis(800);
/// Latencies that are added to that.
const TRIPS: u32 = 10;

/// The longest time from a drained tunnel to the next dial.
const AT_ONCE: Duration = Duration::from_millis(100);

/// See above.
pub(super) struct MakeBeforeBreak {
    /// The plan has only drains of responders, of which one is always up.
    rolling_drains: bool,
    /// The plan has only drains of nodes.
    node_drains: bool,
    warm: bool,
    tunnels: BTreeMap<usize, Vec<u32>>,
    /// Initiators with fewer tunnels than their target, up or pending, and since when.
    short: BTreeMap<(HostId, usize), Duration>,
}

impl MakeBeforeBreak {
    pub(super) fn of(plan: &Plan) -> Self {
        let good = plan.link_conditions.is_good() && !plan.is_capped() && plan.envoys.is_empty();
        let only = |kind: fn(&Fault) -> bool| good && plan.faults.iter().all(|(_, fault)| kind(fault));
        Self {
            rolling_drains: only(|fault| matches!(fault, Fault::Drain { host: HostId::Responder(_), .. }))
                && one_stays(plan),
            node_drains: only(|fault| matches!(fault, Fault::DrainNode { .. })),
            warm: false,
            tunnels: BTreeMap::new(),
            short: BTreeMap::new(),
        }
    }

    fn count(&mut self, responder: usize, tunnels: &[u32]) -> Result<(), String> {
        self.tunnels.insert(responder, tunnels.to_vec());
        for initiator in 0..tunnels.len() {
            let here = |tunnels: &Vec<u32>| tunnels.get(initiator).copied().unwrap_or_default();
            if self.rolling_drains && self.warm && self.tunnels.values().map(here).sum::<u32>() == 0 {
                return Err(format!("no responder has a tunnel of initiator-{initiator} that takes requests"));
            }
        }
        Ok(())
    }
}

/// Whether there is always a responder that is neither draining nor away.
fn one_stays(plan: &Plan) -> bool {
    let back = BACK + plan.link_conditions.latency.max() * TRIPS;
    let away = |(at, fault): &(Duration, Fault)| {
        let Fault::Drain { host, grace } = fault else { return None };
        let back = match plan.replacement_time(*at, *grace) {
            Some(replaced) => replaced + back,
            None if plan.is_core(*host) => plan.times.heal + back,
            None => Duration::MAX,
        };
        Some((*host, *at..back))
    };
    let away: Vec<_> = plan.faults.iter().filter_map(away).collect();
    away.iter().all(|(_, one)| {
        let with_it = away.iter().filter(|(_, other)| other.contains(&one.start));
        with_it.map(|(host, _)| host).collect::<BTreeSet<_>>().len() < plan.responders
    })
}

impl Oracle for MakeBeforeBreak {
    fn property(&self) -> &'static str {
        "MakeBeforeBreak"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        match event {
            Event::Phase(Phase::Faults) => self.warm = true,
            Event::Phase(Phase::Draining) => (self.rolling_drains, self.node_drains) = (false, false),
            Event::Responder { host: HostId::Responder(responder), view } => {
                return self.count(*responder, &view.tunnels);
            }
            Event::Initiator { host, to, view: InitiatorView { target, pending, up, .. } } => {
                if pending + up < *target {
                    self.short.entry((*host, *to)).or_insert(at);
                } else {
                    self.short.remove(&(*host, *to));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, now: Duration) -> Result<(), String> {
        if !(self.node_drains && self.warm) {
            return Ok(());
        }
        let late = self.short.iter().find(|(_, since)| now > **since + AT_ONCE);
        late.map_or(Ok(()), |((host, to), _)| {
            Err(format!("{host} lets tunnels to responder-{to} go without dialling others"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ResponderView;
    use crate::net::link_conditions::LinkConditions;

    fn oracle(rolling_drains: bool, node_drains: bool) -> MakeBeforeBreak {
        MakeBeforeBreak { rolling_drains, node_drains, warm: true, ..MakeBeforeBreak::of(&Plan::swarm(0)) }
    }

    #[test]
    fn a_node_without_any_tunnel_is_noticed() {
        let mut oracle = oracle(true, false);
        let mut observe = |responder, tunnels| {
            let view = ResponderView { tunnels: vec![tunnels], draining: vec![3], ..ResponderView::default() };
            oracle.observe(Duration::ZERO, &Event::Responder { host: HostId::Responder(responder), view })
        };
        observe(0, 2).expect("the first has some");
        observe(1, 2).expect("both have some");
        observe(0, 0).expect("the second has some");
        observe(1, 0).expect_err("nobody has any");
    }

    #[test]
    fn a_responder_stays_if_drains_follow_one_another() {
        let stays = |second: u64| {
            let drain = |responder| Fault::Drain { host: HostId::Responder(responder), grace: Duration::from_secs(4) };
            let faults = vec![(Duration::from_secs(10), drain(0)), (Duration::from_secs(second), drain(1))];
            one_stays(&Plan {
                responders: 2,
                core: (2, 1),
                link_conditions: LinkConditions::GOOD,
                faults,
                ..Plan::swarm(0)
            })
        };
        assert!(!stays(10) && !stays(16), "the first is away");
        assert!(stays(17) && stays(56), "it is back");
    }

    #[test]
    fn a_drained_tunnel_is_replaced_at_once() {
        let mut oracle = oracle(false, true);
        let mut observe = |at: u64, pending| {
            let at = Duration::from_millis(at);
            let view = InitiatorView { target: 2, pending, up: 1, draining: 1 };
            oracle
                .observe(at, &Event::Initiator { host: HostId::Initiator(0), to: 0, view })
                .expect("judged by time alone");
            oracle.advance(at + Duration::from_millis(90))
        };
        observe(0, 0).expect("it has just left");
        observe(50, 1).expect("another is dialled");
        observe(1000, 0).expect("the next has left");
        oracle.advance(Duration::from_millis(1101)).expect_err("nobody dials");
    }
}
