//! The simulated world: responders, initiators with their services, callers and hostile peers, in one thread and on one clock.
//!
//! ```text
//!   Plan ──▶ SimWorld ─┬─ tick: tasks run, packets move            (net)
//!                      ├─ inject and end faults, restart, heal     (inject)
//!                      ├─ send requests                            (workload)
//!                      └─ observe every process ──▶ History ──▶ oracles
//! ```

mod host;
mod inject;
mod observe;
mod workload;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use turmoil_net::{HostId as KernelId, KernelConfig, Net};

use self::host::HostState;
use self::inject::Schedule;
use self::observe::Observed;
use self::workload::RequestGenerator;
use crate::actors::CLOUD;
use crate::deterministic_tls::{self, CertificateAuthority};
use crate::dice::dice;
use crate::faults::{CrashKind, Fault};
use crate::history::{Event, History, Phase};
use crate::journals::Journals;
use crate::net::HostId;
use crate::net::network::{Network, NetworkStats};
use crate::net::process::capture_panics;
use crate::plan::Plan;
use crate::process_world::{Dns, sleep};
use crate::{clock, oracle};

/// How a simulation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Everything that happened.
    pub events: Vec<(Duration, Event)>,
    /// The first property that did not hold.
    pub failure: Option<oracle::Failure>,
    /// What the network did.
    pub network_stats: NetworkStats,
    /// A digest of every packet with its moment.
    pub packets: u64,
    /// How often each kind of fault had an effect.
    pub injected: BTreeMap<&'static str, u64>,
    /// What the oracles measured, in thousandths.
    pub measures: Vec<(&'static str, u64)>,
    /// Simulated time at its end.
    pub elapsed: Duration,
}

impl Outcome {
    /// A digest of everything that happened, with its moments.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (at, event) in &self.events {
            (at, event.to_string()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Plays a plan to its end, or until a property does not hold.
#[must_use]
pub fn play(plan: &Plan, journals: Option<&Journals>) -> Outcome {
    in_world(plan, journals, async |mut world| {
        let failure = world.play().await;
        world.finish(failure).await
    })
}

/// What `work` makes of a world at its beginning.
fn in_world<R>(plan: &Plan, journals: Option<&Journals>, work: impl AsyncFnOnce(SimWorld) -> R) -> R {
    capture_panics();
    deterministic_tls::seed(dice(plan.seed, "secrets"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a thread and a clock");
    let tasks = LocalSet::new();
    let outcome = runtime.block_on(tasks.run_until(async {
        clock::begin();
        work(SimWorld::of(plan, journals.cloned())).await
    }));
    drop(tasks);
    outcome
}

/// A running world.
struct SimWorld {
    plan: Arc<Plan>,
    network: Network,
    dns: Dns,
    /// How many faults have DNS say something else.
    dns_lies: u32,
    history: History,
    oracles: oracle::Oracles,
    authority: Arc<CertificateAuthority>,
    host_states: BTreeMap<HostId, HostState>,
    schedule: Schedule,
    requests: RequestGenerator,
    observed: Observed,
    /// Processes whose memory changed notably since the oracles last saw it, and their bytes now.
    memory_changes: Vec<(HostId, usize)>,
    injected: BTreeMap<&'static str, u64>,
    journals: Option<Journals>,
}

impl SimWorld {
    fn of(plan: &Plan, journals: Option<Journals>) -> Self {
        let plan = Arc::new(plan.clone());
        let (net, host_states) = kernels(&plan);
        let addresses = host_states
            .iter()
            .flat_map(|(host, host_state)| host_state.addresses().map(|address| (address, *host)))
            .collect();
        let mut world = Self {
            network: Network::new(net.enter(), addresses, plan.link_conditions, dice(plan.seed, "wire")),
            dns: Dns::default(),
            dns_lies: 0,
            history: History::default(),
            oracles: oracle::Oracles::of(&plan),
            authority: Arc::new(CertificateAuthority::new()),
            host_states,
            schedule: Schedule::of(&plan),
            requests: RequestGenerator::of(&plan),
            observed: Observed::default(),
            memory_changes: Vec::new(),
            injected: BTreeMap::new(),
            journals,
            plan,
        };
        world.publish_dns();
        let hosts: Vec<HostId> = world.host_states.keys().copied().collect();
        for host in hosts {
            world.start(host);
        }
        world
    }

    async fn play(&mut self) -> Option<oracle::Failure> {
        let times = self.plan.times;
        let phases = [
            (Duration::ZERO, Phase::WarmUp),
            (times.warm, Phase::Faults),
            (times.heal, Phase::Healed),
            (times.quiescent, Phase::Quiescent),
            (times.drain, Phase::Draining),
            (times.end, Phase::Over),
        ];
        for (begin, phase) in phases {
            while clock::now() < begin {
                if let Some(failure) = self.tick().await {
                    return Some(failure);
                }
            }
            self.enter_phase(phase);
            if let Some(failure) = self.check_oracles() {
                return Some(failure);
            }
        }
        self.oracles.end(clock::now())
    }

    async fn tick(&mut self) -> Option<oracle::Failure> {
        sleep(self.plan.tick).await;
        let now = clock::now();
        self.network.step(now);
        self.run_due_actions(now);
        self.send_due_requests(now);
        self.observe(now);
        self.check_oracles()
    }

    /// Gives the oracles what is new.
    fn check_oracles(&mut self) -> Option<oracle::Failure> {
        let events = self.history.events();
        // Not an event: what is allocated once for all simulations of a process counts for the first of them.
        self.oracles.observe(&events).or_else(|| self.oracles.observe_memory(&std::mem::take(&mut self.memory_changes)))
    }

    fn enter_phase(&mut self, phase: Phase) {
        self.history.add(Event::Phase(phase));
        match phase {
            Phase::WarmUp | Phase::Faults => {}
            Phase::Healed => self.heal(),
            Phase::Quiescent => self.requests.stop(),
            Phase::Draining => self.drain_all(),
            Phase::Over => self.record_leftovers(),
        }
    }

    /// Ends every process and returns the outcome.
    async fn finish(mut self, failure: Option<oracle::Failure>) -> Outcome {
        let elapsed = clock::now();
        let (network_stats, packets) = (self.network.stats(), self.network.digest());
        for host_state in self.host_states.values_mut() {
            host_state.kill();
        }
        // The tasks that were killed are dropped by their own runtime, and their sockets by their own kernels.
        sleep(Duration::from_millis(1)).await;
        let events = std::mem::take(&mut *self.history.events());
        let thousandths =
            |share: f64| Duration::from_secs_f64(share.max(0.0)).as_millis().try_into().unwrap_or(u64::MAX);
        let measures = self.oracles.measures().into_iter().map(|(what, much)| (what, thousandths(much))).collect();
        Outcome { events, failure, network_stats, packets, injected: self.injected, measures, elapsed }
    }

    /// Updates the addresses of the responders' DNS name.
    fn publish_dns(&mut self) {
        let named = self
            .host_states
            .iter()
            .filter(|(_, host_state)| !host_state.is_removed_from_dns())
            .filter_map(|(_, host_state)| host_state.public);
        let hostile = &self.host_states[&HostId::Hostile];
        let elsewhere = hostile.kernel().1;
        let hostile_responder = hostile.service.as_ref().map(|_| elsewhere);
        let addresses = if self.dns_lies > 0 { vec![elsewhere] } else { named.chain(hostile_responder).collect() };
        self.dns.set(CLOUD, addresses);
    }

    fn record_fault(&mut self, fault: Fault) {
        self.history.add(Event::FaultInjected(fault));
    }
}

/// A kernel for each start of each host that the plan can bring.
fn kernels(plan: &Plan) -> (Net, BTreeMap<HostId, HostState>) {
    let ticks = u32::try_from(Duration::from_millis(200).as_millis() / plan.tick.as_millis()).unwrap_or(1);
    let config = KernelConfig::default()
        .mtu(plan.kernel.mtu)
        .send_buf_cap(plan.kernel.send_buffer)
        // Small reads do not reopen a closed window here; no body fills a window of this size.
        .recv_buf_cap(8 << 20)
        .default_backlog(4096)
        .retx_threshold(ticks)
        .retx_max(plan.kernel.resends);
    let mut net = Net::with_config(config);
    let mut host_states = BTreeMap::new();
    let responders = (0..plan.responders).map(HostId::Responder);
    let hosts = responders.chain((0..plan.initiators).map(HostId::Initiator)).chain([HostId::Caller, HostId::Hostile]);
    for (number, host) in hosts.enumerate() {
        let network = u16::try_from(number).expect("not that many machines").to_be_bytes();
        let address = |host| IpAddr::V4(Ipv4Addr::new(10, network[0], network[1], host));
        let kernel = |start| (net.add_host(address(start)), address(start));
        let kernels: Vec<(KernelId, IpAddr)> = (1..=kernels_needed(plan, host)).map(kernel).collect();
        let public = matches!(host, HostId::Responder(_)).then(|| address(200));
        host_states.insert(host, HostState::of(host, kernels, public, plan));
    }
    (net, host_states)
}

/// How many kernels a host may need.
fn kernels_needed(plan: &Plan, host: HostId) -> u8 {
    // A killed process leaves its kernel running, but the ports of its listeners stay in use for a while.
    let listens = matches!(host, HostId::Responder(_));
    let needs = plan.faults.iter().filter(|(_, fault)| {
        if let Fault::Crash { host: there, how, .. } = fault {
            *there == host && (listens || *how != CrashKind::Kill)
        } else if let Fault::Drain { host: there, .. } = fault {
            *there == host && listens
        } else {
            false
        }
    });
    u8::try_from(1 + needs.count()).expect("not that many starts")
}
