//! What can be simulated, by name.

use std::time::Duration;

use crate::plan::{Cuts, Plan};
use crate::region::{self, Outcome};
use crate::traces::Traces;

/// A family of simulations: one for each seed.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens and what must hold, in one sentence.
    pub about: &'static str,
    plan: fn(u64) -> Plan,
}

/// Every scenario.
pub const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "swarm",
        about: "Two minutes of whatever the seed brings: a network, faults of every kind, then a part of it is healed.",
        plan: Plan::swarm,
    },
    Scenario { name: "quiet", about: "Nothing goes wrong, and every request is answered by its service.", plan: quiet },
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
    pub fn play(&self, seed: u64, cuts: &Cuts, traces: Option<&Traces>) -> Outcome {
        region::play(&self.plan(seed, cuts), traces)
    }
}

fn quiet(seed: u64) -> Plan {
    let mut plan = Plan::swarm(seed);
    plan.faults.clear();
    plan.weather.loss = 0;
    plan.core = (plan.responders, plan.initiators);
    plan.times.whole = plan.times.heal + Duration::from_secs(1);
    plan
}
