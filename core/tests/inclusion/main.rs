//! The code is a refinement of the specification: in the same small world the graph of the real machine is part of the
//! graph of its module, and takes nearly all of it.
//!
//! States are compared as the specification sees them, tunnels by what is known of them and not by their slots. Time
//! does not exist there, so the machine is walked on every schedule: before each step its moments are put where they
//! make one armed timer due, a life long or short, a ping late or not. Every real run is among these walks, whatever
//! its durations; how long anything takes is not compared, nor are effects that change no state.

mod compare;
#[path = "../figures/mod.rs"]
mod figures;
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

use std::collections::BTreeMap;

use compare::{Found, LIMIT, Rule, compare, sum_up};
use graph::{Views, World, walk};
use initiator::Upstream;
use paths::{Covered, cover};
use responder::{Drains, Gateway};
use value::Value;

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

#[test]
fn the_initiator_takes_only_steps_of_its_module() {
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
const OF_ONE_CLUSTER: &[responder::Caller] = &[("a", "cluster", "", "c", 1), ("a", "cluster", "", "c", 2)];
const TWO_TENANTS: &[responder::Peer] = &[("a", "n", "c", 1), ("b", "n", "c", 0)];
const OF_TWO_TENANTS: &[responder::Caller] = &[("a", "node", "n", "", 1), ("b", "cluster", "", "c", 2)];
const THREE_PROCESSES: &[responder::Peer] = &[("a", "n", "c", 1), ("a", "n", "c", 2), ("a", "n", "c", 3)];
const OF_ONE_NODE: &[responder::Caller] = &[("a", "node", "n", "", 1)];
const TWINS: &[responder::Peer] = &[("a", "n", "c", 1), ("a", "n", "d", 2)];
const OF_TWINS: &[responder::Caller] = &[("a", "member", "n", "c", 1), ("a", "node", "n", "", 2)];
const ONE_NODE: &[responder::Peer] = &[("a", "n", "c", 1)];
const OF_TWO_KINDS: &[responder::Caller] = &[("a", "node", "n", "", 1), ("a", "cluster", "", "c", 2)];
const OF_EACH_KIND: &[responder::Caller] =
    &[("a", "node", "n", "", 1), ("a", "member", "n", "c", 2), ("a", "cluster", "", "c", 3)];

#[test]
fn the_responder_takes_only_steps_of_its_module() {
    let world = |tunnels, peers, callers, max_streams, max_waiting, drains| {
        let max_per_node = 2;
        let peer_limits = if peers == ONE_NODE && max_streams == 2 { [0, 1].as_slice() } else { &[] };
        let bounds =
            responder::Bounds { tunnels, peers, callers, max_streams, peer_limits, max_per_node, max_waiting, drains };
        Gateway::new(bounds)
    };
    let test = |name, start, states, allowed, never| {
        let expected = Found { states, allowed, never };
        compare(("Responder", name), start, responder::view, &[LEAST_LOADED], expected)
    };
    sum_up(&[
        test("Small", world(2, ONE_CLUSTER, OF_ONE_NODE, 1, 1, Drains::Any), 11_227, 9_022, 0),
        test("Processes", world(2, THREE_PROCESSES, OF_ONE_NODE, 1, 1, Drains::Parts), 40_407, 108_825, 0),
        test("Tenants", world(2, TWO_TENANTS, OF_TWO_TENANTS, 1, 2, Drains::All), 50_476, 15_262, 0),
        test("Cluster", world(3, ONE_CLUSTER, OF_ONE_CLUSTER, 2, 1, Drains::Nothing), 83_567, 26_018, 1_586),
        test("Twins", world(2, TWINS, OF_TWINS, 1, 2, Drains::Parts), 9_734, 19_952, 0),
        test("Queues", world(2, ONE_NODE, OF_EACH_KIND, 1, 3, Drains::Nothing), 4_558, 15_986, 0),
        test("PeerLimits", world(2, ONE_NODE, OF_TWO_KINDS, 2, 2, Drains::Nothing), 3_027, 8_711, 110),
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
        peer_limits: &[],
        max_per_node: 2,
        max_waiting: 1,
        drains: Drains::Any,
    });
    let expected = Covered { paths: 2_567, taken: 9_018, explained: 4 };
    follow("Responder", &start, responder::view, &[LEAST_LOADED, TELLS_BY_SLOT], expected);
}
