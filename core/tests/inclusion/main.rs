//! The code is a refinement of the specification: in the same small world the graph of the real machine is part of the
//! graph of its module, and takes nearly all of it.
//!
//! States are compared as the specification sees them, tunnels by what is known of them and not by their slots. Time does
//! not exist there, so the machine is walked on every schedule: before each step its moments are put where they make one
//! armed timer due, a life long or short, a ping late or not. Every real run is among these walks, whatever its
//! durations; how long anything takes is not compared, nor are effects that change no state.

#[path = "../search/fingerprint.rs"]
mod fingerprint;
mod graph;
mod initiator;
mod paths;
mod responder;
#[path = "../schedule/mod.rs"]
mod schedule;
mod specification;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use graph::{Edge, Views, World, walk};
use initiator::Upstream;
use paths::{Covered, cover};
use responder::{Drains, Gateway};
use value::Value;

/// A walk that finds more states than this has lost its bounds.
const LIMIT: usize = 300_000;

/// Of a hundred edges of the specification the code has to take as many.
const TAKEN_PERCENT: usize = 95;

/// Fewer edges than this, in all worlds of a module, would compare little.
const EDGES_FLOOR: usize = 100_000;

/// Why the code never takes some edges that the specification allows: whether it covers the one with `action` from
/// the view `from`.
type Rule = fn(action: &str, from: &str) -> bool;

/// A drain that is over closes what stands in the lowest slot. New tunnels take free slots, so in a small world a young
/// tunnel does not come to stand below every old one.
const DRAINS_BY_SLOT: Rule = |action, from| action == "DrainEnd" && from.contains(", ");

/// Of two nodes, and then of two tunnels, a request takes the one with less to do.
const LEAST_LOADED: Rule = |action, from| {
    let tunnels = from.split(" | ").next().unwrap_or(from);
    let choice = tunnels.matches(" listed").count() > 1;
    ["Opened", "Serve"].contains(&action) && choice && tunnels.contains(" a:")
};

/// A drain of everything tells tunnels by slot.
const TELLS_BY_SLOT: Rule = |action, from| action == "Drain" && from.contains(", ");

/// What a comparison has to find. A change of the behaviour shows here.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// States of the code.
    states: usize,
    /// Edges of the specification.
    allowed: usize,
    /// Those that the code never takes.
    never: usize,
}

/// What was taken, in people's terms.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.allowed - self.never;
        let hundredths = taken * 10_000 / self.allowed;
        let (percent, rest) = (hundredths / 100, hundredths % 100);
        write!(f, "{taken:>6} of {:>6} edges of the specification taken ({percent}.{rest:02} %)", self.allowed)
    }
}

/// Compares the machine in the world `start` with `spec/MODULE/graph/WORLD.cfg`.
fn compare<W: World>(
    (module, world): (&str, &str),
    start: W,
    view: fn(&BTreeMap<String, Value>) -> String,
    rules: &[Rule],
    expected: Found,
) -> Found {
    let mut views = Views::default();
    let code = walk(start, LIMIT, &mut views);
    let Some(specification) = specification::explore(module, world, &mut views, view) else {
        assert_eq!(code.graph.states, expected.states, "states of the code in {module} {world}");
        return expected;
    };
    let (taken, allowed) = (&code.graph.edges, &specification.edges);
    // A step that changes nothing is always allowed.
    let foreign = taken.difference(allowed).find(|edge| edge.from != edge.to);
    if let Some(edge) = foreign {
        panic!(
            "{module} {world} does not allow\n{}\nwhich the code does after\n{}",
            views.tell(edge),
            code.story(edge)
        );
    }
    let never: Vec<&Edge> = allowed.difference(taken).collect();
    // What lies behind an edge that is never taken is explained with it.
    let visited: BTreeSet<u32> = taken.iter().map(|edge| edge.to).collect();
    let is_covered = |edge: &Edge| rules.iter().any(|rule| rule(views.action(edge.action), views.text(edge.from)));
    if let Some(edge) = never.iter().find(|edge| visited.contains(&edge.from) && !is_covered(edge)) {
        panic!("in {module} {world} the code never does\n{}\nand no rule says why", views.tell(edge));
    }
    let found = Found { states: code.graph.states, allowed: allowed.len(), never: never.len() };
    let whole = format!("{module} {world}");
    println!("{whole:20} {:>7} states of the code, none of whose steps is foreign; {found}", found.states);
    assert_eq!(found, expected, "{whole}");
    found
}

/// Whether a module's worlds were large enough, and enough of them was taken.
fn sum_up(worlds: &[Found]) {
    let allowed: usize = worlds.iter().map(|world| world.allowed).sum();
    let never: usize = worlds.iter().map(|world| world.never).sum();
    println!("in all: {}", Found { states: 0, allowed, never });
    assert!(allowed >= EDGES_FLOOR, "only {allowed} edges were compared");
    assert!(never * 100 <= allowed * (100 - TAKEN_PERCENT), "{never} of {allowed} edges are never taken");
}

#[test]
fn the_initiator_does_what_its_module_lets_it() {
    let world =
        |hosts, max_count, changes, faults| Upstream::new(initiator::Bounds { hosts, max_count, changes, faults });
    let test = |name, start, states, allowed, never| {
        let expected = Found { states, allowed, never };
        compare(("Initiator", name), start, initiator::view, &[DRAINS_BY_SLOT], expected)
    };
    sum_up(&[
        test("Small", world(1, 1, 2, 2), 1_148, 3_439, 36),
        test("Pairs", world(1, 2, 2, 2), 89_126, 69_201, 94),
        test("TwoHosts", world(2, 1, 2, 2), 70_657, 67_373, 944),
    ]);
}

const ONE_CLUSTER: &[responder::Peer] = &[("a", "m", "c", 1), ("a", "n", "c", 0)];
const OF_ONE_CLUSTER: &[responder::Caller] = &[("a", "cluster", "c", 1), ("a", "cluster", "c", 2)];
const TWO_TENANTS: &[responder::Peer] = &[("a", "n", "c", 1), ("b", "n", "c", 0)];
const OF_TWO_TENANTS: &[responder::Caller] = &[("a", "node", "n", 1), ("b", "cluster", "c", 2)];
const THREE_PROCESSES: &[responder::Peer] = &[("a", "n", "c", 1), ("a", "n", "c", 2), ("a", "n", "c", 3)];
const OF_ONE_NODE: &[responder::Caller] = &[("a", "node", "n", 1)];

#[test]
fn the_responder_does_what_its_module_lets_it() {
    let world = |tunnels, peers, callers, max_streams, max_waiting, drains| {
        Gateway::new(responder::Bounds { tunnels, peers, callers, max_streams, max_per_node: 2, max_waiting, drains })
    };
    let test = |name, start, states, allowed, never| {
        let expected = Found { states, allowed, never };
        compare(("Responder", name), start, responder::view, &[LEAST_LOADED], expected)
    };
    sum_up(&[
        test("Small", world(2, ONE_CLUSTER, OF_ONE_NODE, 1, 1, Drains::Any), 4_364, 8_010, 0),
        test("Processes", world(2, THREE_PROCESSES, OF_ONE_NODE, 1, 1, Drains::Parts), 33_108, 94_827, 0),
        test("Tenants", world(2, TWO_TENANTS, OF_TWO_TENANTS, 1, 2, Drains::All), 18_733, 11_259, 0),
        test("Cluster", world(3, ONE_CLUSTER, OF_ONE_CLUSTER, 2, 1, Drains::Nothing), 36_992, 22_532, 1_370),
    ]);
}

/// The small world of a module once more, as tests: paths that lead over every edge of its graph.
fn follow<W: World + Clone>(
    module: &str,
    start: &W,
    view: fn(&BTreeMap<String, Value>) -> String,
    rules: &[Rule],
    expected: Covered,
) {
    let mut views = Views::default();
    let _code = walk(start.clone(), LIMIT, &mut views);
    if let Some(specification) = specification::explore(module, "Small", &mut views, view) {
        let covered = cover(&format!("{module} Small"), start, &specification, rules, &mut views);
        assert_eq!(covered, expected);
    }
}

#[test]
fn the_initiator_takes_every_path_of_its_module() {
    let start = Upstream::new(initiator::Bounds { hosts: 1, max_count: 1, changes: 2, faults: 2 });
    let expected = Covered { paths: 1_506, taken: 3_353, explained: 86 };
    follow("Initiator", &start, initiator::view, &[DRAINS_BY_SLOT], expected);
}

#[test]
fn the_responder_takes_every_path_of_its_module() {
    let start = Gateway::new(responder::Bounds {
        tunnels: 2,
        peers: ONE_CLUSTER,
        callers: OF_ONE_NODE,
        max_streams: 1,
        max_per_node: 2,
        max_waiting: 1,
        drains: Drains::Any,
    });
    let expected = Covered { paths: 2_163, taken: 8_006, explained: 4 };
    follow("Responder", &start, responder::view, &[LEAST_LOADED, TELLS_BY_SLOT], expected);
}
