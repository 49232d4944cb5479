//! The main world: responders, initiators with their services, callers and strangers, all in one thread and on one clock.
//!
//! ```text
//!   Plan ──▶ Region ─┬─ tick: tasks run, packets move            (net)
//!                    ├─ strike, relieve, restart, heal           (act)
//!                    ├─ call                                     (call)
//!                    └─ glance: what every process has ──▶ History ──▶ oracles
//! ```

mod act;
mod call;
mod glance;
mod site;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use turmoil_net::{HostId, KernelConfig, Net};

use self::act::Due;
use self::call::Calling;
use self::glance::Seen;
use self::site::Site;
use crate::cast::CLOUD;
use crate::dice::dice;
use crate::faults::{Death, Fault};
use crate::history::{Fact, History, Phase};
use crate::host::{Names, pause};
use crate::journals::Journals;
use crate::net::Place;
use crate::net::scope::hush;
use crate::net::wire::{Toll, Wire};
use crate::plan::Plan;
use crate::secrets::{self, Authority};
use crate::{clock, oracle};

/// How a simulation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Everything that happened.
    pub facts: Vec<(Duration, Fact)>,
    /// The first property that did not hold.
    pub failure: Option<oracle::Failure>,
    /// What the network did.
    pub toll: Toll,
    /// A digest of every packet with its moment.
    pub packets: u64,
    /// How often each fault had an effect.
    pub struck: BTreeMap<&'static str, u64>,
    /// What the oracles measured, in thousandths.
    pub measures: Vec<(&'static str, u64)>,
    /// How far it came.
    pub elapsed: Duration,
}

impl Outcome {
    /// A digest of everything that happened, with its moments.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (at, fact) in &self.facts {
            (at, fact.to_string()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Plays a plan to its end, or until a property does not hold.
#[must_use]
pub fn play(plan: &Plan, journals: Option<&Journals>) -> Outcome {
    hush();
    secrets::seed(dice(plan.seed, "secrets"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a thread and a clock");
    let tasks = LocalSet::new();
    let outcome = runtime.block_on(tasks.run_until(async {
        clock::begin();
        let mut region = Region::of(plan, journals.cloned());
        let failure = region.play().await;
        region.finish(failure).await
    }));
    drop(tasks);
    outcome
}

/// A world while it runs.
struct Region {
    plan: Arc<Plan>,
    wire: Wire,
    names: Names,
    history: History,
    oracles: oracle::Panel,
    authority: Arc<Authority>,
    sites: BTreeMap<Place, Site>,
    due: Due,
    calling: Calling,
    seen: Seen,
    /// Processes that hold notably more or less than when this was last said, and how many bytes.
    held: Vec<(Place, usize)>,
    struck: BTreeMap<&'static str, u64>,
    journals: Option<Journals>,
}

impl Region {
    fn of(plan: &Plan, journals: Option<Journals>) -> Self {
        let plan = Arc::new(plan.clone());
        let (net, sites) = kernels(&plan);
        let places = sites.iter().flat_map(|(place, site)| site.addresses().map(|address| (address, *place))).collect();
        let mut region = Self {
            wire: Wire::new(net.enter(), places, plan.weather, dice(plan.seed, "wire")),
            names: Names::default(),
            history: History::default(),
            oracles: oracle::Panel::of(&plan),
            authority: Arc::new(Authority::new()),
            sites,
            due: Due::of(&plan),
            calling: Calling::of(&plan),
            seen: Seen::default(),
            held: Vec::new(),
            struck: BTreeMap::new(),
            journals,
            plan,
        };
        region.publish_names();
        let places: Vec<Place> = region.sites.keys().copied().collect();
        for place in places {
            region.start(place);
        }
        region
    }

    async fn play(&mut self) -> Option<oracle::Failure> {
        let times = self.plan.times;
        let phases = [
            (Duration::ZERO, Phase::WarmUp),
            (times.warm, Phase::Faults),
            (times.heal, Phase::Healed),
            (times.quiet, Phase::Quiet),
            (times.drain, Phase::Draining),
            (times.end, Phase::Over),
        ];
        for (begin, phase) in phases {
            while clock::now() < begin {
                if let Some(failure) = self.tick().await {
                    return Some(failure);
                }
            }
            self.enter(phase);
            if let Some(failure) = self.judge() {
                return Some(failure);
            }
        }
        self.oracles.end(clock::now())
    }

    async fn tick(&mut self) -> Option<oracle::Failure> {
        pause(self.plan.tick).await;
        let now = clock::now();
        self.wire.step(now);
        self.act(now);
        self.call(now);
        self.glance(now);
        self.judge()
    }

    /// Shows the oracles what is new.
    fn judge(&mut self) -> Option<oracle::Failure> {
        let facts = self.history.facts();
        // What is allocated once for all simulations is held by the first, so that this is no part of what happened.
        self.oracles.see(&facts).or_else(|| self.oracles.weigh(&std::mem::take(&mut self.held)))
    }

    fn enter(&mut self, phase: Phase) {
        self.history.add(Fact::Phase(phase));
        match phase {
            Phase::WarmUp | Phase::Faults => {}
            Phase::Healed => self.heal(),
            Phase::Quiet => self.calling.stop(),
            Phase::Draining => self.wind_down(),
            Phase::Over => self.count_what_is_left(),
        }
    }

    /// Ends every process, and says how it went.
    async fn finish(mut self, failure: Option<oracle::Failure>) -> Outcome {
        let elapsed = clock::now();
        let (toll, packets) = (self.wire.toll(), self.wire.digest());
        for site in self.sites.values_mut() {
            site.kill();
        }
        // The tasks that were killed are dropped by their own runtime, and their sockets by their own kernels.
        pause(Duration::from_millis(1)).await;
        let facts = std::mem::take(&mut *self.history.facts());
        let thousandths =
            |share: f64| Duration::from_secs_f64(share.max(0.0)).as_millis().try_into().unwrap_or(u64::MAX);
        let measures = self.oracles.measures().into_iter().map(|(what, much)| (what, thousandths(much))).collect();
        Outcome { facts, failure, toll, packets, struck: self.struck, measures, elapsed }
    }

    /// The responders that the cloud's name stands for.
    fn publish_names(&mut self) {
        let named = self.sites.iter().filter(|(_, site)| !site.is_unnamed()).filter_map(|(_, site)| site.public);
        let stranger = &self.sites[&Place::Stranger];
        let false_cloud = stranger.service.as_ref().map(|_| stranger.kernel().1);
        self.names.set(CLOUD, named.chain(false_cloud).collect());
    }

    fn strike(&mut self, fault: Fault) {
        self.history.add(Fact::Struck(fault));
    }
}

/// A kernel for each start of each machine that the plan can bring.
fn kernels(plan: &Plan) -> (Net, BTreeMap<Place, Site>) {
    let ticks = u32::try_from(Duration::from_millis(200).as_millis() / plan.tick.as_millis()).unwrap_or(1);
    let config = KernelConfig::default()
        .mtu(plan.kernel.mtu)
        .send_buf_cap(plan.kernel.send_buffer)
        // A window that was shut is not opened again by small reads; no body fills this one.
        .recv_buf_cap(8 << 20)
        .default_backlog(4096)
        .retx_threshold(ticks)
        .retx_max(plan.kernel.resends);
    let mut net = Net::with_config(config);
    let mut sites = BTreeMap::new();
    let responders = (0..plan.responders).map(Place::Responder);
    let places = responders.chain((0..plan.initiators).map(Place::Initiator)).chain([Place::Caller, Place::Stranger]);
    for (number, place) in places.enumerate() {
        let network = u16::try_from(number).expect("not that many machines").to_be_bytes();
        let address = |host| IpAddr::V4(Ipv4Addr::new(10, network[0], network[1], host));
        let kernel = |start| (net.add_host(address(start)), address(start));
        let kernels: Vec<(HostId, IpAddr)> = (1..=starts(plan, place)).map(kernel).collect();
        let public = matches!(place, Place::Responder(_)).then(|| address(200));
        sites.insert(place, Site::of(place, kernels, public, plan));
    }
    (net, sites)
}

/// How many kernels a machine may need.
fn starts(plan: &Plan, place: Place) -> u8 {
    // A process that is killed leaves its kernel running, but ports that a listener had are taken for a while.
    let listens = matches!(place, Place::Responder(_));
    let needs = plan.faults.iter().filter(|(_, fault)| {
        if let Fault::Crash { place: there, how, .. } = fault {
            *there == place && (listens || *how != Death::Killed)
        } else if let Fault::Drain { place: there, .. } = fault {
            *there == place && listens
        } else {
            false
        }
    });
    u8::try_from(1 + needs.count()).expect("not that many starts")
}
