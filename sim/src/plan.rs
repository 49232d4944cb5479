//! What a simulation is made of, drawn from its seed: everything is here before anything happens, so that it can be printed,
//! repeated and cut down.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use revtun_core::{initiator, responder};

use crate::dice::{chance, dice};
use crate::faults::{self, Fault};
use crate::net::Place;
use crate::net::trouble::{Latency, Weather};
use crate::scenario::EARLY;

/// A simulation before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where everything comes from.
    pub seed: u64,
    /// So many responders behind one name.
    pub responders: usize,
    /// So many initiators, each with tunnels to every responder.
    pub initiators: usize,
    /// Tunnels to each responder, by initiator.
    pub counts: Vec<u16>,
    /// Tunnels are inside TLS, and initiators are known by certificates.
    pub tls: bool,
    /// How far apart the moments are at which packets move.
    pub tick: Duration,
    /// What the network is like.
    pub weather: Weather,
    /// What the kernels are like.
    pub kernel: Kernel,
    /// When which part begins.
    pub times: Times,
    /// What goes wrong, and when.
    pub faults: Vec<(Duration, Fault)>,
    /// Responders and initiators that are healed in the end: the first so many of each.
    pub core: (usize, usize),
    /// Responders and initiators that are Envoys, and not ours.
    pub envoys: BTreeSet<Place>,
    /// How often an initiator that is an Envoy looks for tunnels that are missing.
    pub maintain: Duration,
    /// What callers ask.
    pub calls: Calls,
    /// The settings of every initiator's machine.
    pub initiator: initiator::Config,
    /// The settings of every responder's machine.
    pub responder: responder::Config,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// The machines check themselves behind every step. Where they do not, only what can be seen from outside counts.
    pub checked: bool,
}

/// What a kernel is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Bytes of a packet with its headers of 40.
    pub mtu: u32,
    /// Bytes that a connection takes before it sends them.
    pub send_buffer: usize,
    /// How often something is sent again, every 200 ms, before the connection is given up.
    pub resends: u32,
}

/// When which part of a simulation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Everything has to be there.
    pub warm: Duration,
    /// The core is healed.
    pub heal: Duration,
    /// The core has to be whole.
    pub whole: Duration,
    /// No new requests.
    pub quiet: Duration,
    /// Everything winds down.
    pub drain: Duration,
    /// The end.
    pub end: Duration,
}

/// What callers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// So many in a minute, on average.
    pub per_minute: u32,
    /// The most bytes of a body, either way.
    pub body: usize,
    /// The longest that a service takes.
    pub takes: Duration,
    /// So many of a thousand never read the answer.
    pub stall: u32,
}

/// Tunnels to each responder of initiators that a plan did not bring.
const USUAL_COUNT: u16 = 3;

/// What to change of a plan: how failures are cut down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Keep only these faults, by their place in the whole list.
    pub keep: Option<Vec<usize>>,
    /// So many initiators.
    pub initiators: Option<usize>,
    /// So many responders.
    pub responders: Option<usize>,
    /// The weather is calm.
    pub calm: bool,
    /// The machines do not check themselves.
    pub unchecked: bool,
}

impl Times {
    /// The usual two minutes.
    pub const USUAL: Self = Self {
        warm: Duration::from_secs(5),
        heal: Duration::from_secs(58),
        whole: Duration::from_secs(95),
        quiet: Duration::from_secs(97),
        drain: Duration::from_secs(105),
        end: Duration::from_secs(120),
    };
}

impl Plan {
    /// The plan of `seed` with everything that there is.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut dice = dice(seed, "shape");
        let responders = dice.usize(1..=2);
        let initiators = dice.usize(2..=3);
        let times = Times::USUAL;
        let mut plan = Self {
            seed,
            responders,
            initiators,
            counts: (0..initiators).map(|_| dice.u16(1..=4)).collect(),
            tls: !chance(&mut dice, 120),
            tick: Duration::from_millis([1, 5, 5, 5, 5, 10, 10][dice.usize(..7)]),
            weather: weather(&mut dice),
            kernel: kernel(&mut dice),
            times,
            faults: Vec::new(),
            core: (dice.usize(1..=responders), dice.usize(1..=initiators)),
            envoys: BTreeSet::new(),
            maintain: Duration::from_secs(1),
            calls: calls(&mut dice),
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
        // Early seeds go on showing what they once showed.
        if EARLY.iter().all(|(early, _)| *early != seed) {
            peers(&mut plan, span);
            let dice = &mut crate::dice::dice(seed, "later faults");
            plan.faults.extend(faults::draw_later(dice, responders, initiators, span));
            plan.faults.sort_by_key(|(at, _)| *at);
        }
        plan
    }

    /// The same with less in it.
    #[must_use]
    pub fn cut(mut self, cuts: &Cuts) -> Self {
        if let Some(keep) = &cuts.keep {
            let faults = std::mem::take(&mut self.faults).into_iter().enumerate();
            self.faults = faults.filter(|(index, _)| keep.contains(index)).map(|(_, fault)| fault).collect();
        }
        let whole = (self.core.0 == self.responders, self.core.1 == self.initiators);
        self.responders = cuts.responders.unwrap_or(self.responders).max(1);
        self.initiators = cuts.initiators.unwrap_or(self.initiators).max(1);
        self.counts.resize(self.initiators, USUAL_COUNT);
        let (responders, initiators) = (self.responders, self.initiators);
        self.core.0 = if whole.0 { responders } else { self.core.0.min(responders) };
        self.core.1 = if whole.1 { initiators } else { self.core.1.min(initiators) };
        let exists = |place: &Place| match *place {
            Place::Responder(number) => number < responders,
            Place::Initiator(number) => number < initiators,
            Place::Caller | Place::Stranger => true,
        };
        self.envoys.retain(exists);
        self.faults.retain(|(_, fault)| fault.places().iter().all(exists));
        if cuts.calm {
            self.weather = Weather::CALM;
        }
        self.checked &= !cuts.unchecked;
        self
    }

    /// Whether what takes time in proportion to everything that there is has to be done seldom.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.initiators > 10
    }

    /// The most tunnels that an initiator wants of one responder, now or later.
    #[must_use]
    pub fn most_tunnels(&self) -> u16 {
        let later = self
            .faults
            .iter()
            .filter_map(|(_, fault)| if let Fault::Reconfigure { count, .. } = fault { Some(*count) } else { None });
        later.chain(self.counts.iter().copied()).max().unwrap_or_default()
    }

    /// Whether caps keep initiators from having what they want.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        u32::from(self.most_tunnels()) > self.responder.max_tunnels_per_node
    }

    /// When a process that was told `at` a moment to drain is replaced; none if not before healing. Whoever runs it waits a
    /// little longer than its `grace`, and replaces it drained or not.
    #[must_use]
    pub fn replaced(&self, at: Duration, grace: Duration) -> Option<Duration> {
        let replaced = at + grace + Duration::from_secs(2);
        (replaced < self.times.heal).then_some(replaced)
    }

    /// How long a caller waits for more of an answer: longer than any reason to wait lasts, where there is such a time.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        if self.is_crowded() { self.times.end } else { Duration::from_secs(40) }
    }

    /// Whether nobody can say how long a request takes: less may get through than callers ask for, or bodies are large where
    /// stacks throw away what does not come in order and have everything sent again.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        let wasteful = self.weather.loss > 0 || self.weather.overtake > 0;
        self.is_narrow() || (wasteful && self.calls.body > 10_000)
    }

    /// Whether less may get through than callers ask for.
    #[must_use]
    pub const fn is_narrow(&self) -> bool {
        self.weather.bandwidth.is_some() || self.kernel.send_buffer < 10_000
    }

    /// Whether tunnels are inside TLS from their first byte to their last. With an Envoy among them that can only be the
    /// handshake.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.tls && self.envoys.is_empty()
    }

    /// Whether what runs at `place` is an Envoy.
    #[must_use]
    pub fn is_envoy(&self, place: Place) -> bool {
        self.envoys.contains(&place)
    }

    /// Whether `place` is healed in the end.
    #[must_use]
    pub const fn is_core(&self, place: Place) -> bool {
        match place {
            Place::Responder(number) => number < self.core.0,
            Place::Initiator(number) => number < self.core.1,
            Place::Caller | Place::Stranger => true,
        }
    }

    /// The name of an initiator's node. Two tenants have nodes of the same name.
    #[must_use]
    pub fn node(initiator: usize) -> String {
        format!("node-{}", initiator / 2)
    }

    /// The tenant of an initiator.
    #[must_use]
    pub const fn tenant(initiator: usize) -> usize {
        initiator % 2
    }

    /// The initiator that goes by these names.
    #[must_use]
    pub fn initiator_of(&self, node: &str, tenant: &str) -> Option<usize> {
        let number = |name: &str, of: &str| name.strip_prefix(of)?.parse::<usize>().ok();
        let initiator = number(node, "node-")?.checked_mul(2)?.checked_add(number(tenant, "tenant-")?)?;
        let is_one = initiator < self.initiators && Self::node(initiator) == node;
        (is_one && format!("tenant-{}", Self::tenant(initiator)) == tenant).then_some(initiator)
    }
}

/// Who is an Envoy, and who visits.
fn peers(plan: &mut Plan, span: (Duration, Duration)) {
    let mut dice = dice(plan.seed, "peers");
    let (cloud, edge) = (chance(&mut dice, 150), chance(&mut dice, 150));
    let some = |all: usize, dice: &mut fastrand::Rng| {
        let first = dice.usize(..all);
        let many = dice.bool();
        (0..all).filter(move |number| many || *number == first)
    };
    if cloud {
        plan.envoys.extend(some(plan.responders, &mut dice).map(Place::Responder));
    }
    if edge {
        plan.envoys.extend(some(plan.initiators, &mut dice).map(Place::Initiator));
    }
    plan.maintain = Duration::from_secs([1, 1, 10][dice.usize(..3)]);
    plan.faults.extend(faults::visitors(&mut dice, plan.responders, span));
}

fn weather(dice: &mut fastrand::Rng) -> Weather {
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
    let (loss, duplicate, overtake) = (share(60), share(200), share(200));
    let bandwidth = chance(dice, 150).then(|| dice.u32(20..1000));
    Weather { latency, loss, duplicate, overtake, bandwidth }
}

fn kernel(dice: &mut fastrand::Rng) -> Kernel {
    // Many small packets at once take much time, and show nothing that some do not.
    let (mtu, most) = if chance(dice, 150) { (dice.u32(60..200), 2_500) } else { (1500, 64 * 1024) };
    Kernel {
        mtu,
        send_buffer: if chance(dice, 200) { dice.usize(1_500..2_500) } else { most },
        resends: if dice.bool() { 15 } else { 10_000 },
    }
}

fn calls(dice: &mut fastrand::Rng) -> Calls {
    Calls {
        per_minute: [12, 60, 60, 180][dice.usize(..4)],
        body: [0, 100, 5_000, 100_000][dice.usize(..4)],
        takes: Duration::from_millis([0, 50, 2_000][dice.usize(..3)]),
        stall: if chance(dice, 200) { 50 } else { 0 },
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { responders, initiators, counts, tls, tick, weather, kernel, core, calls, envoys, .. } = self;
        let tls = if *tls { "inside TLS" } else { "in the clear" };
        writeln!(f, "{responders} responders, {initiators} initiators with {counts:?} tunnels to each, {tls}")?;
        writeln!(f, "a tick of {tick:?}; {weather}; {kernel:?}")?;
        writeln!(f, "{calls:?}; healed in the end: {} responders and {} initiators", core.0, core.1)?;
        if !envoys.is_empty() {
            let names: Vec<String> = envoys.iter().map(ToString::to_string).collect();
            writeln!(f, "Envoys: {}; they look after their tunnels every {:?}", names.join(", "), self.maintain)?;
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
        for (seed, _) in EARLY {
            assert!(Plan::swarm(seed).envoys.is_empty());
        }
    }
}
