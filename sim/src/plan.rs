//! The plan of a simulation, drawn from its seed before anything runs, so that it can be printed, repeated and reduced.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use revtun_core::{initiator, responder};

use crate::dice::{chance, dice};
use crate::faults::{self, Fault};
use crate::net::HostId;
use crate::net::link_conditions::{Latency, LinkConditions};
use crate::regression_seeds::EARLY_REGRESSION_SEEDS;

/// The plan of a simulation.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Responders, behind one DNS name.
    pub responders: usize,
    /// Initiators, each with tunnels to every responder.
    pub initiators: usize,
    /// Target counts, by initiator: tunnels to each responder.
    pub counts: Vec<u16>,
    /// Tunnels use TLS, and initiators have client certificates.
    pub tls: bool,
    /// The step of the network's clock.
    pub tick: Duration,
    /// The conditions of every link.
    pub link_conditions: LinkConditions,
    /// The settings of every kernel.
    pub kernel: Kernel,
    /// When each phase begins.
    pub times: PhaseTimes,
    /// The faults, and when they begin.
    pub faults: Vec<(Duration, Fault)>,
    /// Responders and initiators that are healed: the first this many of each.
    pub core: (usize, usize),
    /// Responders and initiators that are Envoys.
    pub envoys: BTreeSet<HostId>,
    /// How often an Envoy as initiator dials missing tunnels.
    pub envoy_maintenance: Duration,
    /// The requests that callers send.
    pub workload: Workload,
    /// The configuration of every initiator's machine.
    pub initiator: initiator::Config,
    /// The configuration of every responder's machine.
    pub responder: responder::Config,
    /// The responders' timeout of a request.
    pub request_timeout: Duration,
    /// Machines check their invariants after every step. Otherwise only what is observable from outside counts.
    pub checked: bool,
}

/// The settings of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The largest packet in bytes, with 40 bytes of headers.
    pub mtu: u32,
    /// The send buffer of a connection in bytes.
    pub send_buffer: usize,
    /// Retransmissions, every 200 ms, before a connection is given up.
    pub resends: u32,
}

/// When each phase of a simulation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseTimes {
    /// Every tunnel must be up; faults begin.
    pub warm: Duration,
    /// The core is healed.
    pub heal: Duration,
    /// The core must have reached its targets.
    pub converged: Duration,
    /// No new requests.
    pub quiescent: Duration,
    /// Everything is drained.
    pub drain: Duration,
    /// The end.
    pub end: Duration,
}

/// The requests that callers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Requests per minute, on average.
    pub per_minute: u32,
    /// The largest body in bytes, in each direction.
    pub body: usize,
    /// The longest service time.
    pub service_time: Duration,
    /// Callers that never read the response, in thousandths.
    pub never_read: u32,
}

/// The target count of initiators that an override adds.
const USUAL_COUNT: u16 = 3;

/// Changes of a plan, by which failures are shrunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Keep only these faults, by their index in the plan.
    pub keep: Option<Vec<usize>>,
    /// This many initiators.
    pub initiators: Option<usize>,
    /// This many responders.
    pub responders: Option<usize>,
    /// Good link conditions.
    pub good_network: bool,
    /// Machines do not check their invariants.
    pub unchecked: bool,
}

impl PhaseTimes {
    /// The usual two minutes.
    pub const USUAL: Self = Self {
        warm: Duration::from_secs(5),
        heal: Duration::from_secs(58),
        converged: Duration::from_secs(95),
        quiescent: Duration::from_secs(97),
        drain: Duration::from_secs(105),
        end: Duration::from_secs(120),
    };
}

impl Plan {
    /// The plan of `seed`, with faults of every kind.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut dice = dice(seed, "shape");
        let responders = dice.usize(1..=2);
        let initiators = dice.usize(2..=3);
        let times = PhaseTimes::USUAL;
        let mut plan = Self {
            seed,
            responders,
            initiators,
            counts: (0..initiators).map(|_| dice.u16(1..=4)).collect(),
            tls: !chance(&mut dice, 120),
            tick: Duration::from_millis([1, 5, 5, 5, 5, 10, 10][dice.usize(..7)]),
            link_conditions: draw_link_conditions(&mut dice),
            kernel: draw_kernel(&mut dice),
            times,
            faults: Vec::new(),
            core: (dice.usize(1..=responders), dice.usize(1..=initiators)),
            envoys: BTreeSet::new(),
            envoy_maintenance: Duration::from_secs(1),
            workload: draw_workload(&mut dice),
            initiator: initiator::Config::default(),
            responder: responder::Config::default(),
            request_timeout: Duration::from_secs(10),
            checked: true,
        };
        if dice.bool() {
            plan.initiator.backoff_cap = Duration::from_secs(3);
        }
        if chance(&mut dice, 150) {
            plan.responder.max_tunnels_per_node = dice.u32(1..4);
        }
        if chance(&mut dice, 100) {
            plan.responder.max_streams = dice.u32(1..4);
        }
        if chance(&mut dice, 100) {
            plan.responder.max_waiting = dice.u32(1..4);
        }
        let span = (times.warm, times.heal - Duration::from_secs(1));
        plan.faults = faults::draw(&mut crate::dice::dice(seed, "faults"), responders, initiators, span);
        // Early regression seeds keep their plans.
        if EARLY_REGRESSION_SEEDS.iter().all(|(early, _)| *early != seed) {
            draw_peers(&mut plan, span);
            let dice = &mut crate::dice::dice(seed, "later faults");
            plan.faults.extend(faults::draw_later(dice, responders, initiators, span));
            plan.faults.extend(faults::draw_dns(&mut crate::dice::dice(seed, "name service"), span));
            plan.faults.sort_by_key(|(at, _)| *at);
        }
        plan
    }

    /// The same plan with `overrides`.
    #[must_use]
    pub fn with(mut self, overrides: &Overrides) -> Self {
        if let Some(keep) = &overrides.keep {
            let faults = std::mem::take(&mut self.faults).into_iter().enumerate();
            self.faults = faults.filter(|(index, _)| keep.contains(index)).map(|(_, fault)| fault).collect();
        }
        let whole = (self.core.0 == self.responders, self.core.1 == self.initiators);
        self.responders = overrides.responders.unwrap_or(self.responders).max(1);
        self.initiators = overrides.initiators.unwrap_or(self.initiators).max(1);
        self.counts.resize(self.initiators, USUAL_COUNT);
        let (responders, initiators) = (self.responders, self.initiators);
        self.core.0 = if whole.0 { responders } else { self.core.0.min(responders) };
        self.core.1 = if whole.1 { initiators } else { self.core.1.min(initiators) };
        let exists = |host: &HostId| match *host {
            HostId::Responder(number) => number < responders,
            HostId::Initiator(number) => number < initiators,
            HostId::Caller | HostId::Hostile => true,
        };
        self.envoys.retain(exists);
        self.faults.retain(|(_, fault)| fault.hosts().iter().all(exists));
        if overrides.good_network {
            self.link_conditions = LinkConditions::GOOD;
        }
        self.checked &= !overrides.unchecked;
        self
    }

    /// Whether work in proportion to the number of tunnels has to be done rarely.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.initiators > 10
    }

    /// The largest target count of an initiator, now or after a fault.
    #[must_use]
    pub fn max_target(&self) -> u16 {
        let later = self
            .faults
            .iter()
            .filter_map(|(_, fault)| if let Fault::Reconfigure { count, .. } = fault { Some(*count) } else { None });
        later.chain(self.counts.iter().copied()).max().unwrap_or_default()
    }

    /// Whether caps keep initiators from reaching their targets.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        u32::from(self.max_target()) > self.responder.max_tunnels_per_node
    }

    /// When a process that was told to drain at `at` is replaced, drained or not: a little after its `grace`. None if that is
    /// not before healing.
    #[must_use]
    pub fn replacement_time(&self, at: Duration, grace: Duration) -> Option<Duration> {
        let replaced = at + grace + Duration::from_secs(2);
        (replaced < self.times.heal).then_some(replaced)
    }

    /// How long a caller waits for more of a response: longer than any legitimate delay, where that is bounded.
    #[must_use]
    pub const fn client_timeout(&self) -> Duration {
        if self.has_unbounded_latency() { self.times.end } else { Duration::from_secs(40) }
    }

    /// Whether the time of a request has no bound: throughput is limited, or bodies are large where stacks drop what arrives
    /// out of order and have everything retransmitted.
    #[must_use]
    pub const fn has_unbounded_latency(&self) -> bool {
        let wasteful = self.link_conditions.loss > 0 || self.link_conditions.reorder > 0;
        self.has_limited_throughput() || (wasteful && self.workload.body > 10_000)
    }

    /// Whether throughput may be less than the workload needs.
    #[must_use]
    pub const fn has_limited_throughput(&self) -> bool {
        self.link_conditions.bandwidth.is_some() || self.kernel.send_buffer < 10_000
    }

    /// Whether tunnels stay inside TLS after the handshake. With Envoys only the handshake is.
    #[must_use]
    pub fn keeps_tls(&self) -> bool {
        self.tls && self.envoys.is_empty()
    }

    /// Whether `host` runs an Envoy.
    #[must_use]
    pub fn is_envoy(&self, host: HostId) -> bool {
        self.envoys.contains(&host)
    }

    /// Whether `host` is healed.
    #[must_use]
    pub const fn is_core(&self, host: HostId) -> bool {
        match host {
            HostId::Responder(number) => number < self.core.0,
            HostId::Initiator(number) => number < self.core.1,
            HostId::Caller | HostId::Hostile => true,
        }
    }

    /// The node name of an initiator. Two tenants have nodes of the same name.
    #[must_use]
    pub fn node(initiator: usize) -> String {
        format!("node-{}", initiator / 2)
    }

    /// The tenant of an initiator.
    #[must_use]
    pub const fn tenant(initiator: usize) -> usize {
        initiator % 2
    }

    /// The initiator with this node and tenant.
    #[must_use]
    pub fn initiator_of(&self, node: &str, tenant: &str) -> Option<usize> {
        let number = |name: &str, of: &str| name.strip_prefix(of)?.parse::<usize>().ok();
        let initiator = number(node, "node-")?.checked_mul(2)?.checked_add(number(tenant, "tenant-")?)?;
        let is_one = initiator < self.initiators && Self::node(initiator) == node;
        (is_one && format!("tenant-{}", Self::tenant(initiator)) == tenant).then_some(initiator)
    }
}

/// Draws Envoys and hostile peers.
fn draw_peers(plan: &mut Plan, span: (Duration, Duration)) {
    let mut dice = dice(plan.seed, "peers");
    let (cloud, edge) = (chance(&mut dice, 150), chance(&mut dice, 150));
    let some = |all: usize, dice: &mut fastrand::Rng| {
        let first = dice.usize(..all);
        let many = dice.bool();
        (0..all).filter(move |number| many || *number == first)
    };
    if cloud {
        plan.envoys.extend(some(plan.responders, &mut dice).map(HostId::Responder));
    }
    if edge {
        plan.envoys.extend(some(plan.initiators, &mut dice).map(HostId::Initiator));
    }
    plan.envoy_maintenance = Duration::from_secs([1, 1, 10][dice.usize(..3)]);
    plan.faults.extend(faults::draw_hostile_peers(&mut dice, plan.responders, span));
}

fn draw_link_conditions(dice: &mut fastrand::Rng) -> LinkConditions {
    let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(dice.u64(range));
    let (short, long, usual) = (millis(1..30), millis(30..250), millis(1..60));
    let latency = match dice.u8(..4) {
        0 => Latency::Fixed(usual),
        1 => Latency::Tailed(usual),
        _ => Latency::Between(short, if dice.bool() { short * 3 } else { long }),
    };
    let mut share = |most: u16| match dice.u8(..4) {
        0 | 1 => 0,
        2 => dice.u16(..=most / 10),
        _ => dice.u16(..=most),
    };
    let (loss, duplicate, reorder) = (share(60), share(200), share(200));
    let bandwidth = chance(dice, 150).then(|| dice.u32(20..1000));
    LinkConditions { latency, loss, duplicate, reorder, bandwidth }
}

fn draw_kernel(dice: &mut fastrand::Rng) -> Kernel {
    // A small MTU with a large send buffer costs much time and shows nothing more.
    let (mtu, most) = if chance(dice, 150) { (dice.u32(60..200), 2_500) } else { (1500, 64 * 1024) };
    Kernel {
        mtu,
        send_buffer: if chance(dice, 200) { dice.usize(1_500..2_500) } else { most },
        resends: if dice.bool() { 15 } else { 10_000 },
    }
}

fn draw_workload(dice: &mut fastrand::Rng) -> Workload {
    Workload {
        per_minute: [12, 60, 60, 180][dice.usize(..4)],
        body: [0, 100, 5_000, 100_000][dice.usize(..4)],
        service_time: Duration::from_millis([0, 50, 2_000][dice.usize(..3)]),
        never_read: if chance(dice, 200) { 50 } else { 0 },
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { responders, initiators, counts, tls, tick, link_conditions, kernel, core, workload, envoys, .. } =
            self;
        let tls = if *tls { "inside TLS" } else { "in the clear" };
        writeln!(f, "{responders} responders, {initiators} initiators with {counts:?} tunnels to each, {tls}")?;
        writeln!(f, "a tick of {tick:?}; {link_conditions}; {kernel:?}")?;
        writeln!(f, "{workload:?}; healed in the end: {} responders and {} initiators", core.0, core.1)?;
        if !envoys.is_empty() {
            let names: Vec<String> = envoys.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "Envoys: {}; they look after their tunnels every {:?}",
                names.join(", "),
                self.envoy_maintenance
            )?;
        }
        for (index, (at, fault)) in self.faults.iter().enumerate() {
            writeln!(f, "{index:>4} {:>9.3} {fault}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_seeds_bring_envoys_and_early_ones_none() {
        let share = (0..1000).filter(|seed| !Plan::swarm(*seed).envoys.is_empty()).count();
        assert!((200..350).contains(&share), "{share} of 1000");
        for (seed, _) in EARLY_REGRESSION_SEEDS {
            assert!(Plan::swarm(seed).envoys.is_empty());
        }
    }
}
