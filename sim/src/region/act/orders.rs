//! What is done to processes: they are killed, told to drain or to take tunnels out of use, read, and wound down.

use std::time::Duration;

use revtun_core::identity::{NodeId, TenantId};
use revtun_core::responder::{self, DrainScope, Target};

use super::{Deed, Region};
use crate::faults::{Death, Fault};
use crate::history::Fact;
use crate::net::Place;
use crate::plan::Plan;

impl Region {
    pub(super) fn crash(&mut self, now: Duration, place: Place, how: Death, down: Duration) -> bool {
        let site = self.sites.get_mut(&place).expect("it exists");
        if !site.is_up() {
            return false;
        }
        let (_, address) = site.kernel();
        match how {
            Death::Killed => site.kill_process(),
            Death::Reset => {
                self.wire.reset_kernel(address);
                site.kill();
                site.reboot();
            }
            Death::PowerLoss => {
                self.wire.darken(address);
                site.kill();
                site.reboot();
            }
        }
        if how == Death::Killed && matches!(place, Place::Responder(_)) {
            // Its ports are taken as long as old connections linger, which no kernel of today would mind.
            site.reboot();
        }
        self.history.add(Fact::Stopped(place));
        self.due.add(now + down, Deed::Start(place));
        true
    }

    pub(super) fn drain(&mut self, now: Duration, place: Place, grace: Duration) -> bool {
        let site = self.site(place);
        let Some(process) = site.process.clone().filter(|_| !site.winding_down) else { return false };
        site.winding_down = true;
        let (responder, initiator, envoy) = (site.responder.get(), site.initiator.get(), site.envoy.clone());
        let history = self.history.clone();
        history.add(Fact::DrainOrdered { place, grace });
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
            history.add(Fact::Drained(place));
        });
        if let Some(replaced) = self.plan.replaced(now, grace) {
            self.due.add(replaced, Deed::Strike(Fault::Crash { place, how: Death::Killed, down: Duration::ZERO }));
        }
        true
    }

    /// Takes the tunnels of a node out of use, as an operator would.
    pub(super) fn renew(&mut self, responder: usize, initiator: usize, grace: Duration) -> bool {
        let site = self.site(Place::Responder(responder));
        let (Some(process), Some(handle)) = (&site.process, site.responder.get()) else { return false };
        let (node, tenant) = (Plan::node(initiator), format!("tenant-{}", Plan::tenant(initiator)));
        let name = responder::TargetName::Node(NodeId::new(&node).expect("a legal name"));
        let target = Target { tenant: Some(TenantId::new(&tenant).expect("a legal name")), name };
        process.enter(|| handle.drain_scope(DrainScope::Target(target), grace));
        true
    }

    /// Reads everything that an operator can read.
    pub(super) fn scrape(&mut self, place: Place) -> bool {
        let site = self.site(place);
        if let Some(handle) = site.responder.get() {
            let _read = (handle.tunnels(), handle.counts(), handle.totals(), handle.is_draining());
            return true;
        }
        if site.envoy.is_some() {
            return false;
        }
        let Some(handle) = site.initiator.get() else { return false };
        let _read = (handle.tunnels(), handle.ready(), handle.totals());
        true
    }

    /// Tells every process of the core to wind down, as an operator would. The others end as they are.
    pub(in crate::region) fn wind_down(&mut self) {
        let grace = (self.plan.times.end - self.plan.times.drain) / 3;
        let places: Vec<Place> = self.sites.keys().copied().collect();
        for place in places.into_iter().filter(|place| !matches!(place, Place::Caller | Place::Stranger)) {
            if self.plan.is_core(place) {
                self.drain(self.plan.times.end, place, grace);
            } else if self.sites[&place].is_up() {
                self.site(place).kill();
                self.history.add(Fact::Stopped(place));
            }
        }
    }

    /// Counts what is left of processes that had the time to wind down.
    pub(in crate::region) fn count_what_is_left(&mut self) {
        for (place, site) in self.sites.iter().filter(|(place, _)| !self.plan.is_envoy(**place)) {
            let Some(process) = site.process.as_ref().filter(|_| site.winding_down) else { continue };
            let stat = turmoil_net::netstat(process.address());
            let own = stat.entries.iter().filter(|entry| entry.local.port() != crate::cast::SERVICE);
            let sockets = match place {
                Place::Responder(_) => own.filter(|entry| entry.peer.is_none()).count(),
                Place::Initiator(_) | Place::Caller | Place::Stranger => 0,
            };
            self.history.add(Fact::Left { place: *place, tasks: process.tasks(), sockets });
        }
    }
}
