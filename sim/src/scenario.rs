//! Scenarios: families of plans, by name.

use std::time::Duration;

use crate::dice::dice;
use crate::faults::{CrashKind, Direction, Fault};
use crate::journals::Journals;
use crate::net::HostId;
use crate::plan::{Kernel, Overrides, PhaseTimes, Plan, Workload};
use crate::world::{self, Outcome};

const SECOND: Duration = Duration::from_secs(1);

/// A family of plans, one for each seed.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens and what must hold, in one sentence.
    pub about: &'static str,
    plan: fn(u64) -> Plan,
}

/// Every scenario.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "swarm",
        about: "Two minutes of what the seed draws: link conditions, faults of every kind, then a part of the world is healed.",
        plan: Plan::swarm,
    },
    Scenario { name: "quiet", about: "No faults: every request is answered by its service.", plan: quiet },
    Scenario {
        name: "restart",
        about: "A responder is killed and started again: a second later every tunnel is up.",
        plan: restart,
    },
    Scenario {
        name: "blackhole",
        about: "Links drop everything in one direction or both: within ten seconds both ends close the tunnels; then they heal.",
        plan: blackhole,
    },
    Scenario {
        name: "drain",
        about: "Responders are drained and replaced under load: no request that was sent before is lost.",
        plan: drain,
    },
    Scenario {
        name: "node-drain",
        about: "The tunnels of one node after another are drained: new ones replace them, and no request is lost.",
        plan: node_drain,
    },
    Scenario {
        name: "names",
        about: "The name service fails, lies, leaves out hosts and is slow, also while initiators start: no tunnel is lost by it.",
        plan: names,
    },
    Scenario {
        name: "fencing",
        about: "Initiators lose power and are back before it is noticed: requests go to the new instances.",
        plan: fencing,
    },
    Scenario {
        name: "stalled-readers",
        about: "Half of the callers never read their responses: the others are not affected.",
        plan: stalled_readers,
    },
    Scenario {
        name: "fleet",
        about: "Many initiators lose their responder at once, and redial it at a bounded rate.",
        plan: fleet,
    },
    Scenario {
        name: "envoy-responder",
        about: "Envoys as responders, restarts and drains at both ends: requests are served, and tunnels come back.",
        plan: envoy_responder,
    },
    Scenario {
        name: "envoy-initiator",
        about: "Envoys as initiators, restarts and drains at both ends: requests are served, and tunnels come back.",
        plan: envoy_initiator,
    },
];

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name)
    }

    /// The plan of `seed`, with `overrides`.
    #[must_use]
    pub fn plan(&self, seed: u64, overrides: &Overrides) -> Plan {
        (self.plan)(seed).with(overrides)
    }

    /// Plays it.
    #[must_use]
    pub fn play(&self, seed: u64, overrides: &Overrides, journals: Option<&Journals>) -> Outcome {
        world::play(&self.plan(seed, overrides), journals)
    }
}

/// A good network, default settings and two responders; the phases are the scenario's own.
fn good(seed: u64) -> Plan {
    let mut plan =
        Plan::swarm(seed).with(&Overrides { responders: Some(2), good_network: true, ..Overrides::default() });
    let usual = Kernel { mtu: 1500, send_buffer: 64 * 1024, resends: 10_000 };
    plan.faults.clear();
    plan.envoys.clear();
    plan.core = (plan.responders, plan.initiators);
    (plan.kernel, plan.tick) = (usual, Duration::from_millis(5));
    (plan.initiator, plan.responder) = Default::default();
    plan.workload = Workload { per_minute: 120, body: 5_000, service_time: Duration::from_millis(50), never_read: 0 };
    plan
}

fn quiet(seed: u64) -> Plan {
    let mut plan = Plan::swarm(seed);
    plan.faults.clear();
    plan.envoys.clear();
    plan.link_conditions.loss = 0;
    plan.core = (plan.responders, plan.initiators);
    plan.times.converged = plan.times.heal + SECOND;
    plan
}

fn restart(seed: u64) -> Plan {
    let mut plan = good(seed);
    let down = Duration::from_millis(dice(seed, "restart").u64(0..6_000));
    let at = SECOND * 10;
    plan.faults = vec![(at, Fault::Crash { host: HostId::Responder(0), how: CrashKind::Kill, down })];
    let heal = at + down + plan.tick;
    plan.times = PhaseTimes {
        heal,
        converged: heal + SECOND,
        quiescent: SECOND * 20,
        drain: SECOND * 21,
        end: SECOND * 36,
        ..plan.times
    };
    plan
}

fn blackhole(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "blackhole");
    let ways = [Direction::Both, Direction::Up, Direction::Down];
    let duration = SECOND * 20;
    for initiator in 0..plan.initiators {
        let (responder, direction) = (dice.usize(..plan.responders), ways[dice.usize(..3)]);
        let at = SECOND * 8 + Duration::from_millis(dice.u64(0..2_000));
        plan.faults.push((at, Fault::Partition { initiator, responder, direction, duration }));
    }
    plan.times = PhaseTimes {
        heal: SECOND * 31,
        converged: SECOND * 63,
        quiescent: SECOND * 64,
        drain: SECOND * 65,
        end: SECOND * 80,
        ..plan.times
    };
    plan
}

fn drain(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "drain");
    for responder in 0..plan.responders {
        let at = SECOND * 10 + SECOND * 8 * u32::from(responder > 0) + Duration::from_millis(dice.u64(0..1_000));
        plan.faults.push((at, Fault::Drain { host: HostId::Responder(responder), grace: SECOND * 4 }));
    }
    plan.workload = Workload { per_minute: 600, body: 20_000, service_time: SECOND * 2, never_read: 0 };
    plan.times = PhaseTimes {
        heal: SECOND * 30,
        converged: SECOND * 33,
        quiescent: SECOND * 35,
        drain: SECOND * 40,
        end: SECOND * 55,
        ..plan.times
    };
    plan
}

fn node_drain(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "renew");
    for turn in 0..8 {
        let (responder, initiator) = (dice.usize(..plan.responders), dice.usize(..plan.initiators));
        let at = SECOND * (8 + 3 * turn) + Duration::from_millis(dice.u64(0..1_000));
        plan.faults.push((at, Fault::DrainNode { responder, initiator, grace: SECOND * 4 }));
    }
    plan.workload = Workload { per_minute: 600, body: 20_000, service_time: SECOND * 2, never_read: 0 };
    plan.times = PhaseTimes {
        heal: SECOND * 36,
        converged: SECOND * 37,
        quiescent: SECOND * 38,
        drain: SECOND * 43,
        end: SECOND * 58,
        ..plan.times
    };
    plan
}

fn names(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "names");
    let mut millis = |range: std::ops::Range<u64>| Duration::from_millis(dice.u64(range));
    let restarts_at = SECOND * 24 + millis(500..1_000);
    plan.faults = vec![
        (Duration::ZERO, Fault::DnsOutage { duration: millis(500..2_000) }),
        (SECOND * 9 + millis(0..1_000), Fault::DnsLie { duration: millis(6_000..12_000) }),
        (SECOND * 24, Fault::DnsOutage { duration: millis(4_000..8_000) }),
        (restarts_at, Fault::Crash { host: HostId::Initiator(0), how: CrashKind::Kill, down: millis(0..1_000) }),
        (SECOND * 36 + millis(0..1_000), Fault::DnsRemoval { responder: 1, duration: millis(6_000..12_000) }),
        (SECOND * 50, Fault::DnsDelay { delay: millis(1_000..12_000), duration: SECOND * 8 }),
    ];
    plan.times = PhaseTimes {
        warm: SECOND * 8,
        heal: SECOND * 60,
        converged: SECOND * 61,
        quiescent: SECOND * 62,
        drain: SECOND * 63,
        end: SECOND * 78,
    };
    plan
}

fn fencing(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "ghost");
    for initiator in 0..plan.initiators {
        let at = SECOND * 8 + Duration::from_millis(dice.u64(0..4_000));
        let down = Duration::from_millis(dice.u64(50..2_000));
        plan.faults.push((at, Fault::Crash { host: HostId::Initiator(initiator), how: CrashKind::PowerLoss, down }));
    }
    plan.workload.per_minute = 600;
    plan.times = PhaseTimes {
        heal: SECOND * 20,
        converged: SECOND * 24,
        quiescent: SECOND * 25,
        drain: SECOND * 26,
        end: SECOND * 41,
        ..plan.times
    };
    plan
}

fn stalled_readers(seed: u64) -> Plan {
    let mut plan = good(seed);
    plan.workload = Workload { per_minute: 120, body: 20_000, service_time: Duration::ZERO, never_read: 500 };
    plan.times = PhaseTimes {
        heal: SECOND * 40,
        converged: SECOND * 41,
        quiescent: SECOND * 42,
        drain: SECOND * 50,
        end: SECOND * 65,
        ..plan.times
    };
    plan
}

fn fleet(seed: u64) -> Plan {
    let mut plan = good(seed).with(&Overrides { responders: Some(1), initiators: Some(50), ..Overrides::default() });
    let mut dice = dice(seed, "fleet");
    plan.tick = Duration::from_millis(10);
    let how = [CrashKind::Kill, CrashKind::Reboot, CrashKind::PowerLoss][dice.usize(..3)];
    let down = Duration::from_millis(dice.u64(100..4_000));
    plan.faults = vec![(SECOND * 6, Fault::Crash { host: HostId::Responder(0), how, down })];
    plan.times = PhaseTimes {
        warm: SECOND * 5,
        heal: SECOND * 10 + plan.tick,
        converged: SECOND * 25,
        quiescent: SECOND * 26,
        drain: SECOND * 27,
        end: SECOND * 33,
    };
    plan
}

fn envoy_responder(seed: u64) -> Plan {
    let mut plan = beside_envoys(seed, "envoy-cloud");
    plan.envoys = (0..plan.responders).map(HostId::Responder).collect();
    plan
}

fn envoy_initiator(seed: u64) -> Plan {
    let mut plan = beside_envoys(seed, "envoy-edge");
    plan.envoys = (0..plan.initiators).map(HostId::Initiator).collect();
    plan
}

/// Crashes and drains at both ends, of kinds that an Envoy notices.
fn beside_envoys(seed: u64, purpose: &str) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, purpose);
    for _ in 0..dice.usize(1..6) {
        let host = if dice.bool() {
            HostId::Responder(dice.usize(..plan.responders))
        } else {
            HostId::Initiator(dice.usize(..plan.initiators))
        };
        let down = Duration::from_millis(dice.u64(0..4_000));
        let fault = match dice.u8(..4) {
            0 => Fault::Crash { host, how: CrashKind::Kill, down },
            1 => Fault::Crash { host, how: CrashKind::Reboot, down },
            _ => Fault::Drain { host, grace: down },
        };
        plan.faults.push((SECOND * 6 + Duration::from_millis(dice.u64(0..30_000)), fault));
    }
    plan.faults.sort_by_key(|(at, _)| *at);
    plan.envoy_maintenance = SECOND * dice.u32(1..=10);
    plan.times = PhaseTimes {
        heal: SECOND * 40,
        converged: SECOND * 65,
        quiescent: SECOND * 66,
        drain: SECOND * 68,
        end: SECOND * 80,
        ..plan.times
    };
    plan
}
