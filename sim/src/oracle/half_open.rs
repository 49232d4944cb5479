//! L3, L4 HalfOpenReaped: ten seconds after a link went silent, no end that receives nothing has a tunnel over it.
//! An end that still receives sees the other close it, or, since a full window holds back the close as well, has as long
//! again after the other gave up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::property::Oracle;
use crate::faults::{Direction, Fault};
use crate::history::{Event, InitiatorView, Phase};
use crate::net::HostId;
use crate::plan::Plan;

/// The liveness window with default settings, plus a late tick and a late ping before, which extends the timeout.
const BOUND: Duration = Duration::from_millis(10_800);

/// How long an end waits without receiving anything, with default settings.
const SILENCE: Duration = Duration::from_secs(7);

/// Faults matter for this long before a link goes silent.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// An initiator and a responder.
type Link = (usize, usize);

/// See above.
pub(super) struct HalfOpenReaped {
    /// Partitions of each direction of each link (true is up), and since when.
    cuts: BTreeMap<(Link, bool), (u32, Duration)>,
    up: BTreeMap<Link, u16>,
    at_responder: BTreeMap<usize, Vec<u32>>,
    /// Until when processes are frozen, and cannot notice anything.
    frozen: BTreeMap<HostId, Duration>,
    /// When a fault last concerned a process or its links: delayed pings, or silence on tunnels too young to have a measured
    /// ping interval, extend an initiator's timeout.
    last_fault: BTreeMap<HostId, Duration>,
    /// Exempt: an Envoy that dials never notices, and one that is dialled has ping intervals of its own, which are not under
    /// test.
    envoys: BTreeSet<HostId>,
    /// The largest latency of what is in transit when a partition begins.
    latest: Duration,
    gone_after: Duration,
}

impl HalfOpenReaped {
    pub(super) fn of(plan: &Plan) -> Self {
        let slow = plan.faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Delay { delay, .. } => Some(*delay),
            _ => None,
        });
        let narrow = if plan.link_conditions.bandwidth.is_some() { Duration::from_millis(500) } else { Duration::ZERO };
        Self {
            cuts: BTreeMap::new(),
            up: BTreeMap::new(),
            at_responder: BTreeMap::new(),
            frozen: BTreeMap::new(),
            last_fault: BTreeMap::new(),
            envoys: plan.envoys.clone(),
            latest: slow.sum::<Duration>() + plan.link_conditions.latency.max() + narrow,
            gone_after: Duration::ZERO,
        }
    }

    /// A process is frozen or started: its time counts from `at`.
    fn restart_clock(&mut self, at: Duration, host: HostId) {
        for (((initiator, responder), _), (_, since)) in &mut self.cuts {
            if host == HostId::Initiator(*initiator) || host == HostId::Responder(*responder) {
                *since = (*since).max(at);
            }
        }
    }

    fn begin(&mut self, at: Duration, link: Link, direction: Direction) {
        let (initiator, responder) = link;
        let frozen = [HostId::Initiator(initiator), HostId::Responder(responder)].map(|host| self.frozen.get(&host));
        let since = frozen.into_iter().flatten().fold(at, |since, until| since.max(*until));
        for up in directions(direction) {
            self.cuts.entry((link, *up)).or_insert((0, since)).0 += 1;
        }
    }

    fn end_cut(&mut self, link: Link, direction: Direction) {
        for up in directions(direction) {
            if let Some((cuts, _)) = self.cuts.get_mut(&(link, *up)) {
                *cuts -= 1;
            }
        }
        self.cuts.retain(|_, (cuts, _)| *cuts > 0);
    }
}

/// The single directions: true is up.
const fn directions(direction: Direction) -> &'static [bool] {
    match direction {
        Direction::Both => &[true, false],
        Direction::Up => &[true],
        Direction::Down => &[false],
    }
}

impl Oracle for HalfOpenReaped {
    fn property(&self) -> &'static str {
        "HalfOpenReaped"
    }

    fn observe(&mut self, at: Duration, event: &Event) -> Result<(), String> {
        if let Event::FaultInjected(fault) | Event::FaultEnded(fault) = event
            && !matches!(event, Event::FaultInjected(Fault::Partition { .. }))
        {
            self.last_fault.extend(fault.hosts().into_iter().map(|host| (host, at)));
        }
        match event {
            Event::FaultInjected(Fault::Partition { initiator, responder, direction, .. }) => {
                self.begin(at, (*initiator, *responder), *direction);
            }
            Event::FaultEnded(Fault::Partition { initiator, responder, direction, .. }) => {
                self.end_cut((*initiator, *responder), *direction);
            }
            Event::FaultEnded(Fault::Freeze { host, .. }) | Event::Started(host) => self.restart_clock(at, *host),
            Event::FaultInjected(Fault::Freeze { host, duration }) => {
                self.restart_clock(at + *duration, *host);
                self.frozen.insert(*host, at + *duration);
            }
            Event::Phase(Phase::Healed) => self.cuts.clear(),
            Event::Initiator { host: HostId::Initiator(initiator), to, view: InitiatorView { up, .. } } => {
                self.up.insert((*initiator, *to), *up);
            }
            Event::Responder { host: HostId::Responder(responder), view } => {
                self.at_responder.insert(*responder, view.tunnels.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn measure(&self) -> Option<(&'static str, f64)> {
        Some(("seconds that a tunnel outlived its link", self.gone_after.as_secs_f64()))
    }

    fn advance(&mut self, now: Duration) -> Result<(), String> {
        for ((link, upwards), (_, since)) in &self.cuts {
            let (initiator, responder) = *link;
            let up = self.up.get(link).copied().unwrap_or_default();
            let at_responder = self
                .at_responder
                .get(&responder)
                .and_then(|at_responder| at_responder.get(initiator))
                .copied()
                .unwrap_or_default();
            let ours = |host| !self.envoys.contains(&host);
            let up = if ours(HostId::Initiator(initiator)) { up } else { 0 };
            let at_responder = if ours(HostId::Responder(responder)) { at_responder } else { 0 };
            let (not_receiving, receiving) =
                if *upwards { (at_responder, u32::from(up)) } else { (u32::from(up), at_responder) };
            let waited = now.saturating_sub(*since + self.latest);
            if not_receiving > 0 {
                self.gone_after = self.gone_after.max(waited);
            }
            let last_fault = [HostId::Initiator(initiator), HostId::Responder(responder)];
            let last_fault = last_fault.iter().filter_map(|host| self.last_fault.get(host));
            let extended = last_fault.into_iter().any(|at| *at + REMEMBERED_FOR > *since);
            let bound = if extended { SILENCE + BOUND } else { BOUND };
            if (not_receiving > 0 && waited > bound) || (receiving > 0 && waited > SILENCE + bound) {
                let direction = if *upwards { "up" } else { "down" };
                return Err(format!(
                    "nothing passes {direction} since {since:?}, yet initiator-{initiator} has {up} tunnels to \
                     responder-{responder}, which has {at_responder}"
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

    fn tunnels(oracle: &mut HalfOpenReaped, up: u16, at_responder: u32) {
        let at = Duration::from_secs(1);
        let initiator = InitiatorView { target: 1, up, ..InitiatorView::default() };
        let responder = ResponderView { tunnels: vec![at_responder], ..ResponderView::default() };
        let host = HostId::Initiator(0);
        oracle.observe(at, &Event::Initiator { host, to: 0, view: initiator }).expect("a view");
        oracle.observe(at, &Event::Responder { host: HostId::Responder(0), view: responder }).expect("a view");
    }

    #[test]
    fn a_tunnel_over_a_silent_link_has_to_go() {
        let second = Duration::from_secs(1);
        for direction in [Direction::Both, Direction::Up, Direction::Down] {
            let fault = Fault::Partition { initiator: 0, responder: 0, direction, duration: second * 20 };
            let mut oracle = HalfOpenReaped { latest: second, ..HalfOpenReaped::of(&Plan::swarm(0)) };
            tunnels(&mut oracle, 1, 1);
            oracle.observe(second, &Event::FaultInjected(fault)).expect("a cut");
            oracle.advance(second * 10).expect("there is time");
            oracle.advance(second * 13).expect_err("it should be gone");
            let not_receiving = if direction == Direction::Up { (1, 0) } else { (0, 1) };
            tunnels(&mut oracle, not_receiving.0, not_receiving.1);
            let hears = oracle.advance(second * 13);
            assert_eq!(hears.is_ok(), direction != Direction::Both, "who hears has more time");
            oracle.advance(second * 20).expect_err("but not for ever");
            oracle.observe(second * 21, &Event::FaultEnded(fault)).expect("the cut is over");
            oracle.advance(second * 30).expect("the link is as good as new");
        }
    }
}
