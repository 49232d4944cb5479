//! What is done to the world: faults, their ends, and healing.

mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use revtun::journal::Journal;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Region;
use crate::cast::{CLOUD, ends, envoy, false_cloud, guest, service, stranger};
use crate::clock;
use crate::dice::dice;
use crate::faults::{Death, Fault, Way};
use crate::history::Fact;
use crate::host::Local;
use crate::net::Place;
use crate::net::scope::Process;
use crate::net::trouble::Weather;
use crate::plan::Plan;

/// What is to be done, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    deeds: BTreeMap<(Duration, u64), Deed>,
    added: u64,
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Strike(Fault),
    Relieve(Fault),
    Start(Place),
    /// One half of a flap.
    Link {
        initiator: usize,
        responder: usize,
        cut: bool,
    },
}

impl Due {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut due = Self::default();
        for (at, fault) in &plan.faults {
            due.add(*at, Deed::Strike(*fault));
        }
        due
    }

    fn add(&mut self, at: Duration, deed: Deed) {
        self.added += 1;
        self.deeds.insert((at, self.added), deed);
    }
}

impl Region {
    /// Does what is due.
    pub(super) fn act(&mut self, now: Duration) {
        while let Some(next) = self.due.deeds.first_entry().filter(|next| next.key().0 <= now) {
            match next.remove() {
                Deed::Strike(fault) => {
                    self.strike(fault);
                    if self.do_harm(now, fault) {
                        *self.struck.entry(fault.kind()).or_default() += 1;
                    }
                }
                Deed::Relieve(fault) => self.relieve(fault),
                Deed::Start(place) => self.start(place),
                Deed::Link { initiator, responder, cut } => self.link(initiator, responder, Way::Both, cut),
            }
        }
    }

    /// Starts what belongs on a machine, unless it runs.
    pub(super) fn start(&mut self, place: Place) {
        let site = self.sites.get_mut(&place).expect("it exists");
        if site.is_up() {
            return;
        }
        let (kernel, address) = site.kernel();
        let process = Process::new(kernel, address);
        site.process = Some(Arc::clone(&process));
        site.starts += 1;
        site.winding_down = false;
        if let Some(public) = site.public {
            self.wire.publish(public, address);
        }
        let journal = self.journals.as_ref().map(|journals| journals.begin(&place.to_string(), site.starts));
        // With each step of a machine all of it is checked: of one that knows thousands that takes too long.
        let is_checked = self.plan.checked && !self.plan.is_large();
        let unseen = if is_checked { Journal::CHECKED } else { Journal::OFF };
        let journal = journal.unwrap_or(unseen);
        let dice = |what: &str| dice(self.plan.seed, &format!("{what} {place} {}", site.starts));
        let local = |process: &Arc<Process>, what| {
            Local::new(Arc::clone(process), self.names.clone(), dice(what), Arc::clone(&site.skew), journal.clone())
        };
        let world = local(&process, "process");
        let (plan, authority) = (Arc::clone(&self.plan), Arc::clone(&self.authority));
        let state = self.plan.is_envoy(place).then(envoy::state::State::new);
        site.envoy.clone_from(&state);
        match (place, state) {
            (Place::Responder(_), Some(state)) => process.spawn(envoy::responder::run(world, plan, authority, state)),
            (Place::Initiator(number), Some(state)) => {
                let (history, which) = (self.history.clone(), (number, site.count));
                process.spawn(envoy::initiator::run(world, plan, authority, state, history, which));
            }
            (Place::Responder(_), None) => {
                process.spawn(ends::responder(world, plan, authority, site.responder.clone()))
            }
            (Place::Initiator(number), None) => {
                process.spawn(ends::initiator(world, plan, authority, site.initiator.clone(), (number, site.count)));
                if site.service.is_none() {
                    let process = Process::new(kernel, address);
                    let world = local(&process, "service");
                    process.spawn(service::serve(world, self.history.clone(), number));
                    site.service = Some(process);
                }
            }
            (Place::Caller | Place::Stranger, _) => {}
        }
        self.history.add(Fact::Started(place));
    }

    /// Returns whether anything came of it.
    fn do_harm(&mut self, now: Duration, fault: Fault) -> bool {
        if let Some(lasts) = fault.lasts() {
            self.due.add(now + lasts, Deed::Relieve(fault));
        }
        match fault {
            Fault::Cut { initiator, responder, way, .. } => self.link(initiator, responder, way, true),
            Fault::Flap { initiator, responder, every, times } => {
                for turn in 0..2 * times {
                    let deed = Deed::Link { initiator, responder, cut: turn % 2 == 0 };
                    self.due.add(now + every * turn, deed);
                }
            }
            Fault::SynHole { responder, .. } => self.each_way_to(responder, |way| way.no_syn += 1),
            Fault::Storm { initiator, responder, loss, .. } => {
                self.both_ways(initiator, responder, |way| way.loss += loss);
            }
            Fault::Slow { initiator, responder, delay, .. } => {
                self.both_ways(initiator, responder, |way| way.delay += delay);
            }
            Fault::Rebind { initiator } => return self.wire.rebind(Place::Initiator(initiator)) > 0,
            Fault::Reset { initiator, responder } => {
                return self.wire.reset(Place::Initiator(initiator), Place::Responder(responder)) > 0;
            }
            Fault::Crash { place, how, down } => return self.crash(now, place, how, down),
            Fault::Reconfigure { initiator, count } => {
                let place = Place::Initiator(initiator);
                self.site(place).count = count;
                return self.crash(now, place, Death::Killed, Duration::ZERO);
            }
            Fault::Freeze { place, .. } => return self.with_process(place, Process::freeze),
            Fault::Skew { place, millis } => self.site(place).skew(millis),
            Fault::Drain { place, grace } => return self.drain(now, place, grace),
            Fault::Renew { responder, initiator, grace } => return self.renew(responder, initiator, grace),
            Fault::Vanish { responder, .. } => {
                self.site(Place::Responder(responder)).unnamed += 1;
                self.publish_names();
            }
            Fault::Scrape { place } => return self.scrape(place),
            Fault::Burst { responder, requests } => (0..requests).for_each(|_| self.call_at(Some(responder))),
            // What Envoys make of them is not ours to say.
            Fault::Stranger { responder, .. } | Fault::Guest { responder, .. }
                if self.plan.is_envoy(Place::Responder(responder)) =>
            {
                return false;
            }
            Fault::Stranger { responder, manner } => {
                let site = &self.sites[&Place::Stranger];
                let process = Arc::clone(site.process.as_ref().expect("strangers never die"));
                let dice = dice(self.plan.seed, &format!("stranger at {now:?}"));
                let journal = Journal::OFF;
                let world = Local::new(Arc::clone(&process), self.names.clone(), dice, Arc::clone(&site.skew), journal);
                let knowledge = stranger::Knowledge {
                    responder,
                    address: self.sites[&Place::Responder(responder)].public.expect("responders are known"),
                    authority: self.plan.tls.then(|| Arc::clone(&self.authority)),
                    history: self.history.clone(),
                };
                process.spawn(stranger::visit(world, manner, knowledge));
            }
            Fault::Guest { responder, manner } => {
                let process = Arc::clone(self.sites[&Place::Stranger].process.as_ref().expect("strangers never die"));
                let world = self.strange(&process, &format!("guest at {now:?}"));
                let responder = self.sites[&Place::Responder(responder)].public.expect("responders are known");
                let connector = || TlsConnector::from(Arc::clone(&self.authority.client(guest::IDENTITY).borrow()));
                let tls = self.plan.tls.then(|| (connector(), self.plan.is_whole()));
                process.spawn(guest::visit(world, responder, tls, manner));
            }
            Fault::FalseCloud { manner, .. } => {
                let site = &self.sites[&Place::Stranger];
                if site.service.is_some() {
                    return false;
                }
                let (kernel, address) = site.kernel();
                let process = Process::new(kernel, address);
                let world = self.strange(&process, "false cloud");
                let acceptor = || TlsAcceptor::from(Arc::clone(&self.authority.server(CLOUD).borrow()));
                let whole = self.plan.is_whole();
                let tls = self.plan.tls.then(|| false_cloud::Tls { acceptor: acceptor(), whole });
                process.spawn(false_cloud::run(world, tls, manner));
                self.site(Place::Stranger).service = Some(process);
                self.publish_names();
            }
        }
        true
    }

    /// The world of somebody who is not ours.
    fn strange(&self, process: &Arc<Process>, who: &str) -> Local {
        let (dice, skew) = (dice(self.plan.seed, who), Arc::clone(&self.sites[&Place::Stranger].skew));
        Local::new(Arc::clone(process), self.names.clone(), dice, skew, Journal::OFF)
    }

    fn relieve(&mut self, fault: Fault) {
        self.history.add(Fact::Relieved(fault));
        match fault {
            Fault::Cut { initiator, responder, way, .. } => self.link(initiator, responder, way, false),
            Fault::SynHole { responder, .. } => {
                self.each_way_to(responder, |way| way.no_syn = way.no_syn.saturating_sub(1));
            }
            Fault::Storm { initiator, responder, loss, .. } => {
                self.both_ways(initiator, responder, |way| way.loss = way.loss.saturating_sub(loss));
            }
            Fault::Slow { initiator, responder, delay, .. } => {
                self.both_ways(initiator, responder, |way| way.delay = way.delay.saturating_sub(delay));
            }
            Fault::Freeze { place, .. } => _ = self.with_process(place, Process::thaw),
            Fault::Vanish { responder, .. } => {
                let site = self.site(Place::Responder(responder));
                site.unnamed = site.unnamed.saturating_sub(1);
                self.publish_names();
            }
            Fault::FalseCloud { .. } => {
                if let Some(process) = self.site(Place::Stranger).service.take() {
                    process.kill();
                }
                self.publish_names();
            }
            Fault::Flap { .. }
            | Fault::Rebind { .. }
            | Fault::Reset { .. }
            | Fault::Crash { .. }
            | Fault::Reconfigure { .. }
            | Fault::Skew { .. }
            | Fault::Drain { .. }
            | Fault::Renew { .. }
            | Fault::Scrape { .. }
            | Fault::Burst { .. }
            | Fault::Stranger { .. }
            | Fault::Guest { .. } => {}
        }
    }

    /// Everything that belongs to the core is as good as new; whatever else is broken stays so.
    pub(super) fn heal(&mut self) {
        let plan = Arc::clone(&self.plan);
        let in_core = |place: Place| plan.is_core(place);
        self.due.deeds.retain(|_, deed| match deed {
            Deed::Strike(_) => false,
            Deed::Relieve(fault) => fault.places().into_iter().all(in_core),
            Deed::Start(place) => in_core(*place),
            Deed::Link { .. } => false,
        });
        let relieved = std::mem::take(&mut self.due.deeds).into_values().filter_map(|deed| match deed {
            Deed::Relieve(fault) => Some(fault),
            Deed::Strike(_) | Deed::Start(_) | Deed::Link { .. } => None,
        });
        relieved.into_iter().for_each(|fault| self.relieve(fault));
        self.wire.troubles.heal(|from, to| in_core(from) && in_core(to));
        let Weather { duplicate, overtake, .. } = self.plan.weather;
        self.wire.set_weather(Weather { duplicate, overtake, ..Weather::CALM });
        let places: Vec<Place> = self.sites.keys().copied().filter(|place| in_core(*place)).collect();
        for place in places {
            if self.sites[&place].winding_down {
                self.crash(clock::now(), place, Death::Killed, Duration::ZERO);
            }
            self.with_process(place, Process::thaw);
            self.start(place);
        }
        for (_, site) in self.sites.iter_mut().filter(|(place, _)| in_core(**place)) {
            site.unnamed = 0;
        }
        self.publish_names();
    }

    fn link(&mut self, initiator: usize, responder: usize, which: Way, cut: bool) {
        let (low, high) = (Place::Initiator(initiator), Place::Responder(responder));
        for (from, to, here) in [(low, high, which != Way::Down), (high, low, which != Way::Up)] {
            let way = self.wire.troubles.way(from, to);
            way.cut = match (here, cut) {
                (false, _) => way.cut,
                (true, true) => way.cut + 1,
                (true, false) => way.cut.saturating_sub(1),
            };
        }
    }

    fn both_ways(&mut self, initiator: usize, responder: usize, change: impl Fn(&mut crate::net::trouble::Trouble)) {
        let (low, high) = (Place::Initiator(initiator), Place::Responder(responder));
        change(self.wire.troubles.way(low, high));
        change(self.wire.troubles.way(high, low));
    }

    fn each_way_to(&mut self, responder: usize, change: impl Fn(&mut crate::net::trouble::Trouble)) {
        for initiator in 0..self.plan.initiators {
            change(self.wire.troubles.way(Place::Initiator(initiator), Place::Responder(responder)));
        }
    }

    fn with_process(&mut self, place: Place, deed: impl Fn(&Process)) -> bool {
        let process = self.sites.get(&place).and_then(|site| site.process.as_deref());
        process.inspect(|process| deed(process)).is_some()
    }

    fn site(&mut self, place: Place) -> &mut super::Site {
        self.sites.get_mut(&place).expect("it exists")
    }
}
