//! What is done to processes: crashes, drains, scrapes, and the drain of everything at the end.

use std::time::Duration;

use revtun_core::identity::{NodeId, TenantId};
use revtun_core::responder::{self, DrainScope, Target};

use super::{Action, SimWorld};
use crate::faults::{CrashKind, Fault};
use crate::history::Event;
use crate::net::HostId;
use crate::plan::Plan;

impl SimWorld {
    pub(super) fn crash(&mut self, now: Duration, host: HostId, how: CrashKind, down: Duration) -> bool {
        let host_state = self.host_states.get_mut(&host).expect("it exists");
        if !host_state.is_up() {
            return false;
        }
        let (_, address) = host_state.kernel();
        match how {
            CrashKind::Kill => host_state.kill_process(),
            CrashKind::Reboot => {
                self.network.reset_kernel(address);
                host_state.kill();
                host_state.reboot();
            }
            CrashKind::PowerLoss => {
                self.network.power_off(address);
                host_state.kill();
                host_state.reboot();
            }
        }
        if how == CrashKind::Kill && matches!(host, HostId::Responder(_)) {
            // Its ports stay in use while old connections linger; a real kernel would allow SO_REUSEADDR.
            host_state.reboot();
        }
        self.history.add(Event::Stopped(host));
        self.schedule.add(now + down, Action::Start(host));
        true
    }

    pub(super) fn drain(&mut self, now: Duration, host: HostId, grace: Duration) -> bool {
        let host_state = self.host_state(host);
        let Some(process) = host_state.process.clone().filter(|_| !host_state.draining) else { return false };
        host_state.draining = true;
        let (responder, initiator, envoy) =
            (host_state.responder.get(), host_state.initiator.get(), host_state.envoy.clone());
        let history = self.history.clone();
        history.add(Event::DrainRequested { host, grace });
        process.spawn(async move {
            if let Some(handle) = responder {
                handle.drain(grace).await;
            }
            if let Some(handle) = initiator {
                handle.drain(grace);
                handle.wait().await;
            }
            if let Some(envoy) = envoy {
                envoy.drain(grace).await;
            }
            history.add(Event::Drained(host));
        });
        if let Some(replaced) = self.plan.replacement_time(now, grace) {
            self.schedule
                .add(replaced, Action::Inject(Fault::Crash { host, how: CrashKind::Kill, down: Duration::ZERO }));
        }
        true
    }

    /// Drains the tunnels of one node, as an operator would.
    pub(super) fn drain_node(&mut self, responder: usize, initiator: usize, grace: Duration) -> bool {
        let host_state = self.host_state(HostId::Responder(responder));
        let (Some(process), Some(handle)) = (&host_state.process, host_state.responder.get()) else { return false };
        let (node, tenant) = (Plan::node(initiator), format!("tenant-{}", Plan::tenant(initiator)));
        let name = responder::TargetName::Node(NodeId::new(&node).expect("a legal name"));
        let target = Target { tenant: Some(TenantId::new(&tenant).expect("a legal name")), name };
        process.enter(|| handle.drain_scope(DrainScope::Target(target), grace));
        true
    }

    /// Reads all gauges and counters.
    pub(super) fn scrape(&mut self, host: HostId) -> bool {
        let host_state = self.host_state(host);
        if let Some(handle) = host_state.responder.get() {
            let _read = (handle.tunnels(), handle.counts(), handle.totals(), handle.is_draining());
            return true;
        }
        if host_state.envoy.is_some() {
            return false;
        }
        let Some(handle) = host_state.initiator.get() else { return false };
        let _read = (handle.tunnels(), handle.ready(), handle.totals());
        true
    }

    /// Drains every process of the core, as an operator would. The others are killed.
    pub(in crate::world) fn drain_all(&mut self) {
        let grace = (self.plan.times.end - self.plan.times.drain) / 3;
        let hosts: Vec<HostId> = self.host_states.keys().copied().collect();
        for host in hosts.into_iter().filter(|host| !matches!(host, HostId::Caller | HostId::Hostile)) {
            if self.plan.is_core(host) {
                self.drain(self.plan.times.end, host, grace);
            } else if self.host_states[&host].is_up() {
                self.host_state(host).kill();
                self.history.add(Event::Stopped(host));
            }
        }
    }

    /// Records the tasks and sockets that drained processes leave behind.
    pub(in crate::world) fn record_leftovers(&mut self) {
        for (host, host_state) in self.host_states.iter().filter(|(host, _)| !self.plan.is_envoy(**host)) {
            let Some(process) = host_state.process.as_ref().filter(|_| host_state.draining) else { continue };
            let stat = turmoil_net::netstat(process.address());
            let own = stat.entries.iter().filter(|entry| entry.local.port() != crate::actors::SERVICE);
            let sockets = match host {
                HostId::Responder(_) => own.filter(|entry| entry.peer.is_none()).count(),
                HostId::Initiator(_) | HostId::Caller | HostId::Hostile => 0,
            };
            self.history.add(Event::Leftovers { host: *host, tasks: process.tasks(), sockets });
        }
    }
}
