//! The state of one host: its kernels and the processes that run on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use revtun::initiator::InitiatorHandle;
use revtun::responder::ResponderHandle;
use turmoil_net::HostId as KernelId;

use crate::actors::envoy::state::EnvoyState;
use crate::actors::revtun_ends::Slot;
use crate::net::HostId;
use crate::net::process::Process;
use crate::plan::Plan;
use crate::process_world::ProcessWorld;

/// See above.
pub(super) struct HostState {
    /// The address at which it is dialled, whichever kernel runs.
    pub(super) public: Option<IpAddr>,
    kernels: Vec<(KernelId, IpAddr)>,
    /// The index of the kernel that runs now.
    booted: usize,
    /// The responder, the initiator, the caller, or a hostile peer.
    pub(super) process: Option<Arc<Process>>,
    /// The service of an initiator, or the hostile responder.
    pub(super) service: Option<Arc<Process>>,
    pub(super) responder: Slot<ResponderHandle<ProcessWorld>>,
    pub(super) initiator: Slot<InitiatorHandle<ProcessWorld>>,
    /// The state of the Envoy, if one runs here.
    pub(super) envoy: Option<EnvoyState>,
    /// Tunnels to each responder.
    pub(super) count: u16,
    pub(super) skew: Arc<AtomicI64>,
    pub(super) starts: u64,
    /// Told to drain; what it leaves behind is counted at the end.
    pub(super) draining: bool,
    /// How many faults keep its address out of DNS.
    pub(super) dns_removals: u32,
}

/// A host at one time: which process runs, with which target, and how often it and the service had a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostSnapshot {
    starts: u64,
    count: u16,
    process: Option<u64>,
    service: Option<u64>,
}

impl HostState {
    pub(super) fn of(host: HostId, kernels: Vec<(KernelId, IpAddr)>, public: Option<IpAddr>, plan: &Plan) -> Self {
        let count = match host {
            HostId::Initiator(number) => plan.counts[number],
            HostId::Responder(_) | HostId::Caller | HostId::Hostile => 0,
        };
        Self {
            public,
            kernels,
            booted: 0,
            process: None,
            service: None,
            responder: Slot::empty(),
            initiator: Slot::empty(),
            envoy: None,
            count,
            skew: Arc::new(AtomicI64::new(0)),
            starts: 0,
            draining: false,
            dns_removals: 0,
        }
    }

    /// Every address it can have.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.kernels.iter().map(|(_, address)| *address).chain(self.public)
    }

    /// The kernel that runs now, and its address.
    pub(super) fn kernel(&self) -> (KernelId, IpAddr) {
        self.kernels[self.booted]
    }

    /// Boots another kernel, if there is one left.
    pub(super) fn reboot(&mut self) {
        self.booted = (self.booted + 1).min(self.kernels.len() - 1);
    }

    /// What an observation depends on: if all of this is what it was, so is everything that can be observed.
    pub(super) fn snapshot(&self) -> HostSnapshot {
        let turns = |process: &Option<Arc<Process>>| process.as_ref().map(|process| process.turns());
        HostSnapshot {
            starts: self.starts,
            count: self.count,
            process: turns(&self.process),
            service: turns(&self.service),
        }
    }

    /// Whether the process runs.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn is_removed_from_dns(&self) -> bool {
        self.dns_removals > 0
    }

    pub(super) fn skew(&self, millis: i64) {
        self.skew.fetch_add(millis, Ordering::Relaxed);
    }

    /// The process ends without a drain.
    pub(super) fn kill_process(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
            // A handle that is dropped sends its machine an event; the tasks that would apply the effects are gone.
            process.enter(|| (self.responder.clear(), self.initiator.clear()));
        }
        (self.responder, self.initiator, self.envoy) = (Slot::empty(), Slot::empty(), None);
    }

    /// Everything on the host ends.
    pub(super) fn kill(&mut self) {
        self.kill_process();
        if let Some(service) = self.service.take() {
            service.kill();
        }
    }
}
