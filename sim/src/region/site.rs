//! A machine: its kernels, and what runs there now.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use revtun::initiator::InitiatorHandle;
use revtun::responder::ResponderHandle;
use turmoil_net::HostId;

use crate::cast::ends::Slot;
use crate::cast::envoy::state::State;
use crate::host::Local;
use crate::net::Place;
use crate::net::scope::Process;
use crate::plan::Plan;

/// A machine.
pub(super) struct Site {
    /// The address that it is dialled at, whatever its kernels.
    pub(super) public: Option<IpAddr>,
    kernels: Vec<(HostId, IpAddr)>,
    /// Which of them runs now.
    booted: usize,
    /// The responder or the initiator, or whoever else is here.
    pub(super) process: Option<Arc<Process>>,
    /// The service beside an initiator, or a cloud that is none among strangers.
    pub(super) service: Option<Arc<Process>>,
    pub(super) responder: Slot<ResponderHandle<Local>>,
    pub(super) initiator: Slot<InitiatorHandle<Local>>,
    /// What an Envoy has, if one runs here.
    pub(super) envoy: Option<State>,
    /// Tunnels to each responder.
    pub(super) count: u16,
    pub(super) skew: Arc<AtomicI64>,
    pub(super) starts: u64,
    /// Told to wind down; what is left then is counted in the end.
    pub(super) winding_down: bool,
    /// How many faults keep it out of its name.
    pub(super) unnamed: u32,
}

impl Site {
    pub(super) fn of(place: Place, kernels: Vec<(HostId, IpAddr)>, public: Option<IpAddr>, plan: &Plan) -> Self {
        let count = match place {
            Place::Initiator(number) => plan.counts[number],
            Place::Responder(_) | Place::Caller | Place::Stranger => 0,
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
            winding_down: false,
            unnamed: 0,
        }
    }

    /// Every address it can have.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.kernels.iter().map(|(_, address)| *address).chain(self.public)
    }

    /// The kernel that runs now, and its address.
    pub(super) fn kernel(&self) -> (HostId, IpAddr) {
        self.kernels[self.booted]
    }

    /// Boots another kernel, if there is one left.
    pub(super) fn reboot(&mut self) {
        self.booted = (self.booted + 1).min(self.kernels.len() - 1);
    }

    /// Whether the process runs.
    pub(super) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    pub(super) fn is_unnamed(&self) -> bool {
        self.unnamed > 0
    }

    pub(super) fn skew(&self, millis: i64) {
        self.skew.fetch_add(millis, Ordering::Relaxed);
    }

    /// The process ends as if it had never been asked.
    pub(super) fn kill_process(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
            // A handle that is dropped tells its machine, but of the tasks nobody is left to obey.
            process.enter(|| (self.responder.clear(), self.initiator.clear()));
        }
        (self.responder, self.initiator, self.envoy) = (Slot::empty(), Slot::empty(), None);
    }

    /// Everything on the machine ends.
    pub(super) fn kill(&mut self) {
        self.kill_process();
        if let Some(service) = self.service.take() {
            service.kill();
        }
    }
}
