//! What can be simulated, by name.

use std::time::Duration;

use crate::dice::dice;
use crate::faults::{Death, Fault, Way};
use crate::journals::Journals;
use crate::net::Place;
use crate::plan::{Calls, Cuts, Kernel, Plan, Times};
use crate::region::{self, Outcome};

const SECOND: Duration = Duration::from_secs(1);

/// A family of simulations: one for each seed.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens and what must hold, in one sentence.
    pub about: &'static str,
    plan: fn(u64) -> Plan,
}

/// Swarms in which a property did not hold once, and what was the matter: played first, before any others. What a seed
/// brings changes with the drawing of plans; [`EARLY`] ones are drawn as they were then.
pub const REMEMBERED: [(u64, &str); 6] = [
    (1_700_001_925, "The oracle blamed a drain that was shorter than a request whose packets overtook each other."),
    (1_700_003_231, "The oracle blamed a responder that was drained and that healing left away."),
    (1_700_004_426, "The oracle looked at an Envoy in the midst of one of its dials."),
    (1_700_007_984, "Readers that had stopped held more at their initiators than was known."),
    (
        1_700_011_677,
        "An initiator that had stood still took that for the slowness of its responder, once for each tunnel.",
    ),
    (1_700_026_448, "The oracle asked for a tunnel while all responders were drained at once."),
];

/// Those from before there were Envoys, and faults of every kind.
pub const EARLY: [(u64, &str); 10] = [
    (94, "After one silence an initiator was patient with tunnels that had never been slow."),
    (119, "One ping that came late made a host look slow, and its dead tunnels were kept for longer."),
    (105, "A PING waited behind the data of a slow path, and a tunnel in full flow was taken for dead."),
    (194, "The same inside TLS, where what goes out in part shows only below it."),
    (390, "The HTTP library had a time-out of its own for its PINGs, and gave slow tunnels up."),
    (152, "What had come before HTTP began was heard once more, and a dead tunnel lived on."),
    (577, "What TLS had taken in was believed to be sent, and a dead tunnel lived on."),
    (
        808,
        "An answer that broke off took its unsent head with it, and the caller saw its connection close without a word.",
    ),
    (227, "The oracle blamed a process that stood still."),
    (999, "The oracle blamed an end that could still hear the other, whose close was stuck behind a full window."),
];

/// Every scenario.
pub const SCENARIOS: [Scenario; 11] = [
    Scenario {
        name: "swarm",
        about: "Two minutes of whatever the seed brings: a network, faults of every kind, then a part of it is healed.",
        plan: Plan::swarm,
    },
    Scenario { name: "quiet", about: "Nothing goes wrong, and every request is answered by its service.", plan: quiet },
    Scenario {
        name: "restart",
        about: "A responder is killed and started again: a second later every tunnel is there.",
        plan: restart,
    },
    Scenario {
        name: "blackhole",
        about: "Links go silent, both ways or one: ten seconds later neither end believes in their tunnels; then they heal.",
        plan: blackhole,
    },
    Scenario {
        name: "drain",
        about: "Responders are replaced in good order under load: no request that was sent before is lost.",
        plan: drain,
    },
    Scenario {
        name: "renew",
        about: "The tunnels of one node after another are taken out of use: others take their place, and no request is lost.",
        plan: renew,
    },
    Scenario {
        name: "ghost",
        about: "Initiators lose their power and are back before anybody notices: their requests find the new tunnels.",
        plan: ghost,
    },
    Scenario {
        name: "stall",
        about: "Half of the callers never read their answers: the others never notice.",
        plan: stall,
    },
    Scenario {
        name: "fleet",
        about: "Many initiators lose their responder at once, and come back without trampling it.",
        plan: fleet,
    },
    Scenario {
        name: "envoy-cloud",
        about: "Our initiators at Envoys, which are restarted and drained: their requests are served, and tunnels come back.",
        plan: envoy_cloud,
    },
    Scenario {
        name: "envoy-edge",
        about: "Envoys that dial our responders, restarts and drains at both ends: requests are served, and tunnels come back.",
        plan: envoy_edge,
    },
];

impl Scenario {
    /// The scenario of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name)
    }

    /// What happens with `seed`, with these changes.
    #[must_use]
    pub fn plan(&self, seed: u64, cuts: &Cuts) -> Plan {
        (self.plan)(seed).cut(cuts)
    }

    /// Plays it.
    #[must_use]
    pub fn play(&self, seed: u64, cuts: &Cuts, journals: Option<&Journals>) -> Outcome {
        region::play(&self.plan(seed, cuts), journals)
    }
}

/// A good network, usual settings and two responders, for times of its own.
fn good(seed: u64) -> Plan {
    let mut plan = Plan::swarm(seed).cut(&Cuts { responders: Some(2), calm: true, ..Cuts::default() });
    let usual = Kernel { mtu: 1500, send_buffer: 64 * 1024, resends: 10_000 };
    plan.faults.clear();
    plan.envoys.clear();
    plan.core = (plan.responders, plan.initiators);
    (plan.kernel, plan.tick) = (usual, Duration::from_millis(5));
    (plan.initiator, plan.responder) = Default::default();
    plan.calls = Calls { per_minute: 120, body: 5_000, takes: Duration::from_millis(50), stall: 0 };
    plan
}

fn quiet(seed: u64) -> Plan {
    let mut plan = Plan::swarm(seed);
    plan.faults.clear();
    plan.envoys.clear();
    plan.weather.loss = 0;
    plan.core = (plan.responders, plan.initiators);
    plan.times.whole = plan.times.heal + SECOND;
    plan
}

fn restart(seed: u64) -> Plan {
    let mut plan = good(seed);
    let down = Duration::from_millis(dice(seed, "restart").u64(0..6_000));
    let at = SECOND * 10;
    plan.faults = vec![(at, Fault::Crash { place: Place::Responder(0), how: Death::Killed, down })];
    let heal = at + down + plan.tick;
    plan.times =
        Times { heal, whole: heal + SECOND, quiet: SECOND * 20, drain: SECOND * 21, end: SECOND * 36, ..plan.times };
    plan
}

fn blackhole(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "blackhole");
    let ways = [Way::Both, Way::Up, Way::Down];
    let lasts = SECOND * 20;
    for initiator in 0..plan.initiators {
        let (responder, way) = (dice.usize(..plan.responders), ways[dice.usize(..3)]);
        let at = SECOND * 8 + Duration::from_millis(dice.u64(0..2_000));
        plan.faults.push((at, Fault::Cut { initiator, responder, way, lasts }));
    }
    plan.times = Times {
        heal: SECOND * 31,
        whole: SECOND * 63,
        quiet: SECOND * 64,
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
        plan.faults.push((at, Fault::Drain { place: Place::Responder(responder), grace: SECOND * 4 }));
    }
    plan.calls = Calls { per_minute: 600, body: 20_000, takes: SECOND * 2, stall: 0 };
    plan.times = Times {
        heal: SECOND * 30,
        whole: SECOND * 33,
        quiet: SECOND * 35,
        drain: SECOND * 40,
        end: SECOND * 55,
        ..plan.times
    };
    plan
}

fn renew(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "renew");
    for turn in 0..8 {
        let (responder, initiator) = (dice.usize(..plan.responders), dice.usize(..plan.initiators));
        let at = SECOND * (8 + 3 * turn) + Duration::from_millis(dice.u64(0..1_000));
        plan.faults.push((at, Fault::Renew { responder, initiator, grace: SECOND * 4 }));
    }
    plan.calls = Calls { per_minute: 600, body: 20_000, takes: SECOND * 2, stall: 0 };
    plan.times = Times {
        heal: SECOND * 36,
        whole: SECOND * 37,
        quiet: SECOND * 38,
        drain: SECOND * 43,
        end: SECOND * 58,
        ..plan.times
    };
    plan
}

fn ghost(seed: u64) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, "ghost");
    for initiator in 0..plan.initiators {
        let at = SECOND * 8 + Duration::from_millis(dice.u64(0..4_000));
        let down = Duration::from_millis(dice.u64(50..2_000));
        plan.faults.push((at, Fault::Crash { place: Place::Initiator(initiator), how: Death::PowerLoss, down }));
    }
    plan.calls.per_minute = 600;
    plan.times = Times {
        heal: SECOND * 20,
        whole: SECOND * 24,
        quiet: SECOND * 25,
        drain: SECOND * 26,
        end: SECOND * 41,
        ..plan.times
    };
    plan
}

fn stall(seed: u64) -> Plan {
    let mut plan = good(seed);
    plan.calls = Calls { per_minute: 120, body: 20_000, takes: Duration::ZERO, stall: 500 };
    plan.times = Times {
        heal: SECOND * 40,
        whole: SECOND * 41,
        quiet: SECOND * 42,
        drain: SECOND * 50,
        end: SECOND * 65,
        ..plan.times
    };
    plan
}

fn fleet(seed: u64) -> Plan {
    let mut plan = good(seed).cut(&Cuts { responders: Some(1), initiators: Some(50), ..Cuts::default() });
    let mut dice = dice(seed, "fleet");
    plan.tick = Duration::from_millis(10);
    let how = [Death::Killed, Death::Reset, Death::PowerLoss][dice.usize(..3)];
    let down = Duration::from_millis(dice.u64(100..4_000));
    plan.faults = vec![(SECOND * 6, Fault::Crash { place: Place::Responder(0), how, down })];
    plan.times = Times {
        warm: SECOND * 5,
        heal: SECOND * 10 + plan.tick,
        whole: SECOND * 25,
        quiet: SECOND * 26,
        drain: SECOND * 27,
        end: SECOND * 33,
    };
    plan
}

fn envoy_cloud(seed: u64) -> Plan {
    let mut plan = beside_envoys(seed, "envoy-cloud");
    plan.envoys = (0..plan.responders).map(Place::Responder).collect();
    plan
}

fn envoy_edge(seed: u64) -> Plan {
    let mut plan = beside_envoys(seed, "envoy-edge");
    plan.envoys = (0..plan.initiators).map(Place::Initiator).collect();
    plan
}

/// Everything that nobody can overlook, at either end.
fn beside_envoys(seed: u64, purpose: &str) -> Plan {
    let mut plan = good(seed);
    let mut dice = dice(seed, purpose);
    for _ in 0..dice.usize(1..6) {
        let place = if dice.bool() {
            Place::Responder(dice.usize(..plan.responders))
        } else {
            Place::Initiator(dice.usize(..plan.initiators))
        };
        let down = Duration::from_millis(dice.u64(0..4_000));
        let fault = match dice.u8(..4) {
            0 => Fault::Crash { place, how: Death::Killed, down },
            1 => Fault::Crash { place, how: Death::Reset, down },
            _ => Fault::Drain { place, grace: down },
        };
        plan.faults.push((SECOND * 6 + Duration::from_millis(dice.u64(0..30_000)), fault));
    }
    plan.faults.sort_by_key(|(at, _)| *at);
    plan.maintain = SECOND * dice.u32(1..=10);
    plan.times = Times {
        heal: SECOND * 40,
        whole: SECOND * 65,
        quiet: SECOND * 66,
        drain: SECOND * 68,
        end: SECOND * 80,
        ..plan.times
    };
    plan
}
