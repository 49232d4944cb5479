//! Fault injection: faults begin and end, processes start, the core is healed.

mod processes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use revtun::journal::Journal;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::SimWorld;
use crate::actors::{CLOUD, envoy, garbage_client, hostile_initiator, hostile_responder, revtun_ends, service};
use crate::clock;
use crate::dice::dice;
use crate::faults::{CrashKind, Direction, Fault};
use crate::history::Event;
use crate::net::HostId;
use crate::net::link_conditions::{LinkConditions, LinkState};
use crate::net::process::Process;
use crate::plan::Plan;
use crate::process_world::ProcessWorld;

/// Actions, in the order of their times.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    actions: BTreeMap<(Duration, u64), Action>,
    added: u64,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Inject(Fault),
    EndFault(Fault),
    Start(HostId),
    /// One half of a flap: the link is cut or healed.
    SetPartition {
        initiator: usize,
        responder: usize,
        cut: bool,
    },
}

impl Schedule {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut schedule = Self::default();
        for (at, fault) in &plan.faults {
            schedule.add(*at, Action::Inject(*fault));
        }
        schedule
    }

    fn add(&mut self, at: Duration, action: Action) {
        self.added += 1;
        self.actions.insert((at, self.added), action);
    }
}

impl SimWorld {
    /// Runs the actions that are due at `now`.
    pub(super) fn run_due_actions(&mut self, now: Duration) {
        while let Some(next) = self.schedule.actions.first_entry().filter(|next| next.key().0 <= now) {
            match next.remove() {
                Action::Inject(fault) => {
                    self.record_fault(fault);
                    if self.inject(now, fault) {
                        *self.injected.entry(fault.kind()).or_default() += 1;
                    }
                }
                Action::EndFault(fault) => self.end_fault(fault),
                Action::Start(host) => self.start(host),
                Action::SetPartition { initiator, responder, cut } => {
                    self.set_partition(initiator, responder, Direction::Both, cut)
                }
            }
        }
    }

    /// Starts the process of `host`, unless it runs.
    pub(super) fn start(&mut self, host: HostId) {
        let host_state = self.host_states.get_mut(&host).expect("it exists");
        if host_state.is_up() {
            return;
        }
        let (kernel, address) = host_state.kernel();
        let process = Process::new(kernel, address);
        host_state.process = Some(Arc::clone(&process));
        host_state.starts += 1;
        host_state.draining = false;
        if let Some(public) = host_state.public {
            self.network.publish(public, address);
        }
        let runs_machine = matches!(host, HostId::Responder(_) | HostId::Initiator(_)) && !self.plan.is_envoy(host);
        let journals = self.journals.as_ref().filter(|_| runs_machine);
        let journal = journals.map(|journals| journals.begin(&host.to_string(), host_state.starts));
        // A check visits the whole machine, at every step: too slow where one has thousands of tunnels.
        let is_checked = self.plan.checked && !self.plan.is_large();
        let unrecorded = if is_checked { Journal::CHECKED } else { Journal::OFF };
        let journal = journal.unwrap_or(unrecorded);
        let dice = |what: &str| dice(self.plan.seed, &format!("{what} {host} {}", host_state.starts));
        let process_world = |process: &Arc<Process>, what| {
            ProcessWorld::new(
                Arc::clone(process),
                self.dns.clone(),
                dice(what),
                Arc::clone(&host_state.skew),
                journal.clone(),
            )
        };
        let world = process_world(&process, "process");
        let (plan, authority) = (Arc::clone(&self.plan), Arc::clone(&self.authority));
        let state = self.plan.is_envoy(host).then(envoy::state::EnvoyState::new);
        host_state.envoy.clone_from(&state);
        match (host, state) {
            (HostId::Responder(_), Some(state)) => process.spawn(envoy::responder::run(world, plan, authority, state)),
            (HostId::Initiator(number), Some(state)) => {
                let (history, which) = (self.history.clone(), (number, host_state.count));
                process.spawn(envoy::initiator::run(world, plan, authority, state, history, which));
            }
            (HostId::Responder(_), None) => {
                process.spawn(revtun_ends::responder(world, plan, authority, host_state.responder.clone()))
            }
            (HostId::Initiator(number), None) => {
                process.spawn(revtun_ends::initiator(
                    world,
                    plan,
                    authority,
                    host_state.initiator.clone(),
                    (number, host_state.count),
                ));
                if host_state.service.is_none() {
                    let process = Process::new(kernel, address);
                    let world = process_world(&process, "service");
                    process.spawn(service::serve(world, self.history.clone(), number));
                    host_state.service = Some(process);
                }
            }
            (HostId::Caller | HostId::Hostile, _) => {}
        }
        self.history.add(Event::Started(host));
    }

    /// Begins a fault. Returns whether it had an effect.
    fn inject(&mut self, now: Duration, fault: Fault) -> bool {
        if let Some(duration) = fault.duration() {
            self.schedule.add(now + duration, Action::EndFault(fault));
        }
        match fault {
            Fault::Partition { initiator, responder, direction, .. } => {
                self.set_partition(initiator, responder, direction, true)
            }
            Fault::Flap { initiator, responder, every, times } => {
                for turn in 0..2 * times {
                    let action = Action::SetPartition { initiator, responder, cut: turn % 2 == 0 };
                    self.schedule.add(now + every * turn, action);
                }
            }
            Fault::SynDrop { responder, .. } => self.each_initiator_to(responder, |link| link.syns_blocked += 1),
            Fault::PacketLoss { initiator, responder, loss, .. } => {
                self.both_directions(initiator, responder, |link| link.loss += loss);
            }
            Fault::Delay { initiator, responder, delay, .. } => {
                self.both_directions(initiator, responder, |link| link.delay += delay);
            }
            Fault::NatRebind { initiator } => return self.network.rebind(HostId::Initiator(initiator)) > 0,
            Fault::MiddleboxReset { initiator, responder } => {
                return self.network.reset(HostId::Initiator(initiator), HostId::Responder(responder)) > 0;
            }
            Fault::Crash { host, how, down } => return self.crash(now, host, how, down),
            Fault::Reconfigure { initiator, count } => {
                let host = HostId::Initiator(initiator);
                self.host_state(host).count = count;
                return self.crash(now, host, CrashKind::Kill, Duration::ZERO);
            }
            Fault::Freeze { host, .. } => return self.with_process(host, Process::freeze),
            Fault::ClockSkew { host, millis } => self.host_state(host).skew(millis),
            Fault::Drain { host, grace } => return self.drain(now, host, grace),
            Fault::DrainNode { responder, initiator, grace } => return self.drain_node(responder, initiator, grace),
            Fault::DnsRemoval { responder, .. } => {
                self.host_state(HostId::Responder(responder)).dns_removals += 1;
                self.publish_dns();
            }
            Fault::DnsOutage { .. } => self.dns.fail(true),
            Fault::DnsLie { .. } => {
                self.dns_lies += 1;
                self.publish_dns();
            }
            Fault::DnsDelay { delay, .. } => self.dns.delay(delay, true),
            Fault::Scrape { host } => return self.scrape(host),
            Fault::RequestBurst { responder, requests } => {
                (0..requests).for_each(|_| self.send_request(Some(responder)))
            }
            // How Envoys handle them is not under test.
            Fault::GarbageClient { responder, .. } | Fault::HostileInitiator { responder, .. }
                if self.plan.is_envoy(HostId::Responder(responder)) =>
            {
                return false;
            }
            Fault::GarbageClient { responder, behaviour } => {
                let process = self.hostile_process();
                let world = self.hostile_world(&process, &format!("stranger at {now:?}"));
                let target = garbage_client::Target {
                    responder,
                    address: self.host_states[&HostId::Responder(responder)].public.expect("responders are known"),
                    authority: self.plan.tls.then(|| Arc::clone(&self.authority)),
                    history: self.history.clone(),
                };
                process.spawn(garbage_client::run(world, behaviour, target));
            }
            Fault::HostileInitiator { responder, behaviour } => {
                let process = self.hostile_process();
                let world = self.hostile_world(&process, &format!("guest at {now:?}"));
                let responder = self.host_states[&HostId::Responder(responder)].public.expect("responders are known");
                let connector =
                    || TlsConnector::from(Arc::clone(&self.authority.client(hostile_initiator::IDENTITY).borrow()));
                let tls = self.plan.tls.then(|| (connector(), self.plan.keeps_tls()));
                process.spawn(hostile_initiator::run(world, responder, tls, behaviour));
            }
            Fault::HostileResponder { behaviour, .. } => {
                let host_state = &self.host_states[&HostId::Hostile];
                if host_state.service.is_some() {
                    return false;
                }
                let (kernel, address) = host_state.kernel();
                let process = Process::new(kernel, address);
                let world = self.hostile_world(&process, "false cloud");
                let acceptor = || TlsAcceptor::from(Arc::clone(&self.authority.server(CLOUD).borrow()));
                let whole = self.plan.keeps_tls();
                let tls = self.plan.tls.then(|| hostile_responder::Tls { acceptor: acceptor(), whole });
                process.spawn(hostile_responder::run(world, tls, behaviour));
                self.host_state(HostId::Hostile).service = Some(process);
                self.publish_dns();
            }
        }
        true
    }

    /// The process of garbage clients and hostile initiators.
    fn hostile_process(&self) -> Arc<Process> {
        Arc::clone(self.host_states[&HostId::Hostile].process.as_ref().expect("hostile peers never stop"))
    }

    /// The world of a hostile peer. What is random there comes from `purpose`.
    fn hostile_world(&self, process: &Arc<Process>, purpose: &str) -> ProcessWorld {
        let (dice, skew) = (dice(self.plan.seed, purpose), Arc::clone(&self.host_states[&HostId::Hostile].skew));
        ProcessWorld::new(Arc::clone(process), self.dns.clone(), dice, skew, Journal::OFF)
    }

    fn end_fault(&mut self, fault: Fault) {
        self.history.add(Event::FaultEnded(fault));
        match fault {
            Fault::Partition { initiator, responder, direction, .. } => {
                self.set_partition(initiator, responder, direction, false)
            }
            Fault::SynDrop { responder, .. } => {
                self.each_initiator_to(responder, |link| link.syns_blocked = link.syns_blocked.saturating_sub(1));
            }
            Fault::PacketLoss { initiator, responder, loss, .. } => {
                self.both_directions(initiator, responder, |link| link.loss = link.loss.saturating_sub(loss));
            }
            Fault::Delay { initiator, responder, delay, .. } => {
                self.both_directions(initiator, responder, |link| link.delay = link.delay.saturating_sub(delay));
            }
            Fault::Freeze { host, .. } => _ = self.with_process(host, Process::thaw),
            Fault::DnsRemoval { responder, .. } => {
                let host_state = self.host_state(HostId::Responder(responder));
                host_state.dns_removals = host_state.dns_removals.saturating_sub(1);
                self.publish_dns();
            }
            Fault::DnsOutage { .. } => self.dns.fail(false),
            Fault::DnsLie { .. } => {
                self.dns_lies = self.dns_lies.saturating_sub(1);
                self.publish_dns();
            }
            Fault::DnsDelay { delay, .. } => self.dns.delay(delay, false),
            Fault::HostileResponder { .. } => {
                if let Some(process) = self.host_state(HostId::Hostile).service.take() {
                    process.kill();
                }
                self.publish_dns();
            }
            Fault::Flap { .. }
            | Fault::NatRebind { .. }
            | Fault::MiddleboxReset { .. }
            | Fault::Crash { .. }
            | Fault::Reconfigure { .. }
            | Fault::ClockSkew { .. }
            | Fault::Drain { .. }
            | Fault::DrainNode { .. }
            | Fault::Scrape { .. }
            | Fault::RequestBurst { .. }
            | Fault::GarbageClient { .. }
            | Fault::HostileInitiator { .. } => {}
        }
    }

    /// Ends every fault that concerns only the core, and starts its processes; the rest stays broken.
    pub(super) fn heal(&mut self) {
        let plan = Arc::clone(&self.plan);
        let in_core = |host: HostId| plan.is_core(host);
        self.schedule.actions.retain(|_, action| match action {
            Action::Inject(_) => false,
            Action::EndFault(fault) => fault.hosts().into_iter().all(in_core),
            Action::Start(host) => in_core(*host),
            Action::SetPartition { .. } => false,
        });
        let ended = std::mem::take(&mut self.schedule.actions).into_values().filter_map(|action| match action {
            Action::EndFault(fault) => Some(fault),
            Action::Inject(_) | Action::Start(_) | Action::SetPartition { .. } => None,
        });
        ended.into_iter().for_each(|fault| self.end_fault(fault));
        self.network.links.heal(|from, to| in_core(from) && in_core(to));
        let LinkConditions { duplicate, reorder, .. } = self.plan.link_conditions;
        self.network.set_link_conditions(LinkConditions { duplicate, reorder, ..LinkConditions::GOOD });
        let hosts: Vec<HostId> = self.host_states.keys().copied().filter(|host| in_core(*host)).collect();
        for host in hosts {
            if self.host_states[&host].draining {
                self.crash(clock::now(), host, CrashKind::Kill, Duration::ZERO);
            }
            self.with_process(host, Process::thaw);
            self.start(host);
        }
        for (_, host_state) in self.host_states.iter_mut().filter(|(host, _)| in_core(**host)) {
            host_state.dns_removals = 0;
        }
        self.publish_dns();
    }

    fn set_partition(&mut self, initiator: usize, responder: usize, which: Direction, cut: bool) {
        let (low, high) = (HostId::Initiator(initiator), HostId::Responder(responder));
        for (from, to, here) in [(low, high, which != Direction::Down), (high, low, which != Direction::Up)] {
            let link = self.network.links.direction(from, to);
            link.cut = match (here, cut) {
                (false, _) => link.cut,
                (true, true) => link.cut + 1,
                (true, false) => link.cut.saturating_sub(1),
            };
        }
    }

    fn both_directions(&mut self, initiator: usize, responder: usize, change: impl Fn(&mut LinkState)) {
        let (low, high) = (HostId::Initiator(initiator), HostId::Responder(responder));
        change(self.network.links.direction(low, high));
        change(self.network.links.direction(high, low));
    }

    fn each_initiator_to(&mut self, responder: usize, change: impl Fn(&mut LinkState)) {
        for initiator in 0..self.plan.initiators {
            change(self.network.links.direction(HostId::Initiator(initiator), HostId::Responder(responder)));
        }
    }

    fn with_process(&mut self, host: HostId, action: impl Fn(&Process)) -> bool {
        let process = self.host_states.get(&host).and_then(|host_state| host_state.process.as_deref());
        process.inspect(|process| action(process)).is_some()
    }

    fn host_state(&mut self, host: HostId) -> &mut super::HostState {
        self.host_states.get_mut(&host).expect("it exists")
    }
}
