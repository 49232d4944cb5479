//! Both real machines and a small network: every state that they can come to together.
//!
//! Time is left out as in `inclusion`: before each step the moments that a machine remembers are put where they make
//! one armed timer due, a life long or short, a ping late or not, so every real run is among these. A timer that
//! watches the other end fires when that is silent, or at the cost of harm.
//!
//! The same worlds are looked at in two ways: what has to hold everywhere is asserted in every state, and from each the
//! target has to be reachable at both ends without further harm; and the graph of the code is held against TLC's graph
//! of `spec/System.tla` in smaller bounds.

#[path = "../inclusion/compare.rs"]
mod compare;
#[path = "../search/explore.rs"]
mod explore;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../search/fingerprint.rs"]
mod fingerprint;
#[path = "../inclusion/graph.rs"]
mod graph;
mod moves;
mod properties;
mod render;
#[allow(dead_code, reason = "which schedules make a difference is known better here")]
#[path = "../schedule/mod.rs"]
mod schedule;
#[path = "../inclusion/specification.rs"]
mod specification;
mod stages;
mod steps;
mod system;
#[path = "../inclusion/value.rs"]
mod value;
#[path = "../search/visited.rs"]
mod visited;
mod wire;

use std::hash::Hash;

use compare::{Found, Rule, compare, sum_up};
use explore::{Size, search};
use fingerprint::fingerprint;
use system::{Caller, Harm, Move, Name, Scope, System};

impl explore::World for System {
    type Step = Move;

    fn identity(&self) -> impl Hash {
        Self::identity(self)
    }

    fn steps(&self) -> Vec<Move> {
        moves::moves(self)
    }

    fn take(&self, step: Move) -> Self {
        Self::take(self, step)
    }

    /// What callers bring is no help.
    fn heals(&self, step: Move) -> bool {
        !step.harm && step.action != "Opened"
    }

    fn check(&self) {
        self.check_promises();
    }

    fn is_good(&self) -> bool {
        self.has_reached_its_target()
    }

    fn tell(&self, steps: &[Move]) -> String {
        let mut story = format!("{}\n", render::of_code(self));
        let mut system = self.clone();
        for step in steps {
            story += &format!("  {step} ->\n");
            let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| system.take(*step)));
            let Ok(next) = next else { return format!("{story}no end of it\n") };
            system = next;
            story += &format!("{}\n", render::of_code(&system));
        }
        story
    }
}

impl graph::World for System {
    type Told = Move;

    fn fingerprint(&self) -> u128 {
        fingerprint(&self.identity())
    }

    fn view(&self) -> String {
        render::of_code(self)
    }

    fn steps(&self) -> Vec<graph::Step<Self>> {
        let step = |told: Move| graph::Step { next: self.take(told), told };
        moves::moves(self).into_iter().map(step).collect()
    }
}

impl graph::Told for Move {
    fn action(&self) -> &str {
        self.action
    }
}

const NODE: Name = ("a", "n", "c");
const STRANGER: Name = ("b", "n", "c");
const ONE: &[Caller] = &[("a", "n", 1)];
const ONE_EACH: &[Caller] = &[("a", "n", 1), ("b", "n", 2)];

const ALONE: Scope = Scope {
    first: NODE,
    second: STRANGER,
    slots: [2, 0],
    callers: ONE,
    count: 1,
    max_per_node: 1,
    beats: true,
    harms: &[],
    faults: 1,
};

const PAIR: Scope = Scope { count: 2, max_per_node: 2, slots: [3, 0], ..ALONE };
const TENANTS: Scope = Scope { slots: [1, 1], callers: ONE_EACH, ..ALONE };
const TWINS: Scope =
    Scope { second: NODE, slots: [2, 2], callers: &[], max_per_node: 2, beats: false, faults: 0, ..ALONE };

const EVERYTHING: &[Harm] = &[
    Harm::Cut,
    Harm::Delay,
    Harm::Forgery,
    Harm::Drain,
    Harm::Leave,
    Harm::InitiatorCrash,
    Harm::InitiatorPowerLoss,
    Harm::ResponderCrash,
    Harm::ResponderPowerLoss,
];
const TWIN_HARMS: &[Harm] = &[Harm::Cut, Harm::Delay, Harm::InitiatorCrash, Harm::ResponderCrash];
const ROLLING: &[Harm] = &[Harm::Drain, Harm::Leave, Harm::ResponderCrash, Harm::ResponderPowerLoss];
const RETURNING: &[Harm] = &[Harm::Cut, Harm::InitiatorCrash, Harm::InitiatorPowerLoss];

#[test]
fn the_system_takes_only_steps_of_its_module() {
    let test = |name, scope, states, allowed, never| {
        let expected = Found { states, allowed, never };
        compare(
            ("System", name),
            System::new(scope),
            render::of_specification,
            &[DRAINS_BY_SLOT, CLOSES_BY_SLOT],
            expected,
        )
    };
    let pair = Scope { harms: &[Harm::Cut, Harm::Delay], slots: [2, 0], ..PAIR };
    let tenants = Scope { harms: &[Harm::Forgery], ..TENANTS };
    sum_up(&[
        test("Twins", TWINS, 6_812, 7_700, 0),
        test("Pair", pair, 67_176, 33_659, 0),
        test("Return", Scope { harms: RETURNING, faults: 2, ..ALONE }, 30_077, 82_813, 0),
        test("Rolling", Scope { harms: ROLLING, faults: 2, ..ALONE }, 39_110, 112_356, 1_190),
        test("Tenants", tenants, 55_152, 20_102, 0),
    ]);
}

/// A drain that is over closes what stands in the lowest slot, and a new tunnel takes the slot that was freed last.
const DRAINS_BY_SLOT: Rule = |action, from| action == "DrainEnd" && from.matches("First/").count() > 1;

/// A responder whose drain has lasted for long enough closes tunnels by slot.
const CLOSES_BY_SLOT: Rule = |action, from| action == "Drain" && from.matches(" met accept").count() > 1;

/// A search that finds more states than this has lost its bounds.
const LIMIT: usize = 2_000_000;

/// Fewer states than this, in all worlds, would say little.
const STATES_FLOOR: usize = 700_000;

/// What each world has, by name.
const SIZES: &[(&str, Size)] = &[
    ("return", Size { states: 131_862, edges: 641_998 }),
    ("rolling", Size { states: 181_450, edges: 1_029_454 }),
    ("upheaval", Size { states: 246_672, edges: 1_282_285 }),
    ("pair", Size { states: 103_771, edges: 451_136 }),
    ("tenants", Size { states: 55_152, edges: 300_704 }),
    ("twins", Size { states: 45_681, edges: 147_498 }),
];

fn explore(name: &str, scope: Scope) {
    let found = search(name, System::new(scope), LIMIT);
    let size = SIZES.iter().find(|(of, _)| *of == name).map(|(_, size)| *size);
    assert!(found.is_none() || found == size, "{name}: {found:?} where there were {size:?}");
}

#[test]
fn the_worlds_of_the_system_reach_their_floors() {
    let states: usize = SIZES.iter().map(|(_, size)| size.states).sum();
    println!("{states} states in all worlds");
    assert!(states >= STATES_FLOOR);
}

/// A node dies, with or without a word, and is back beside what is left of it.
#[test]
fn a_node_returns() {
    explore("return", Scope { harms: RETURNING, faults: 3, ..ALONE });
}

/// Either end is drained or dies, and another process takes over.
#[test]
fn processes_are_replaced() {
    explore("rolling", Scope { harms: ROLLING, faults: 3, ..ALONE });
}

/// Whatever harm there is, at both ends.
#[test]
fn everything_breaks() {
    explore("upheaval", Scope { harms: EVERYTHING, callers: &[], faults: 3, ..ALONE });
}

#[test]
fn a_node_keeps_two_tunnels() {
    let harms = &[Harm::Cut, Harm::Delay, Harm::ResponderCrash];
    explore("pair", Scope { harms, callers: &[], ..PAIR });
}

#[test]
fn tenants_with_the_same_names_are_kept_apart() {
    explore("tenants", Scope { harms: &[Harm::Forgery], ..TENANTS });
}

#[test]
fn two_processes_that_claim_one_node_both_stay() {
    explore("twins", Scope { harms: TWIN_HARMS, slots: [1, 1], faults: 1, ..TWINS });
}
