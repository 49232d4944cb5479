//! Exhaustive search of the real code in small worlds. The numbers of states and edges are golden: a change of
//! behaviour, and a search that has gone blind, show in them.
//!
//! Larger worlds take a quarter of an hour and 5 GiB of memory:
//!
//! ```text
//! REVTUN_SEARCH=large cargo test --release -p revtun-core --test search -- --nocapture --test-threads 1
//! ```
//!
//! A failure tells how it came about as a journal, which `revtun replay` takes; `REVTUN_REPLAY`, as the failure prints
//! it, takes the same steps again.

mod explore;
#[path = "../figures/mod.rs"]
mod figures;
mod fingerprint;
mod initiator;
mod responder;
mod single;
mod visited;

use std::collections::BTreeSet;
use std::env;
use std::hash::{Hash, Hasher};

use explore::{Size, World, search};
use fingerprint::fingerprint;
use initiator::Upstream;
use responder::{Gate, Peer};

/// A search that finds more states than this has lost its bounds.
const LIMIT: usize = 20_000_000;

/// How many states all worlds have together, at least.
const STATES_FLOOR: usize = 4_500_000;

/// How many all larger worlds have.
const LARGE_STATES_FLOOR: usize = 30_000_000;

/// What each world has, by name.
const SIZES: &[(&str, Size)] = &[
    ("two-hosts", Size { states: 139_200, edges: 562_930 }),
    ("faults", Size { states: 2_296_797, edges: 11_481_039 }),
    ("changes", Size { states: 292_049, edges: 1_277_570 }),
    ("hosts-come-and-go", Size { states: 269_150, edges: 1_624_028 }),
    ("three-tunnels", Size { states: 801_301, edges: 4_844_480 }),
    ("processes", Size { states: 407_546, edges: 3_415_509 }),
    ("tenants", Size { states: 166_672, edges: 1_382_691 }),
    ("limits", Size { states: 277_737, edges: 2_058_866 }),
    ("clusters", Size { states: 77_926, edges: 788_699 }),
    ("any-cluster", Size { states: 292_943, edges: 3_115_759 }),
    ("queues", Size { states: 5_387, edges: 45_533 }),
    ("peer-limits", Size { states: 19_261, edges: 221_855 }),
    ("cluster", Size { states: 30_428, edges: 239_886 }),
];

/// The same for larger worlds.
const LARGE_SIZES: &[(&str, Size)] = &[
    ("two-hosts", Size { states: 7_766_792, edges: 34_254_475 }),
    ("faults", Size { states: 16_477_550, edges: 85_272_916 }),
    ("changes", Size { states: 18_446_456, edges: 92_173_868 }),
    ("hosts-come-and-go", Size { states: 8_574_412, edges: 55_160_638 }),
    ("three-tunnels", Size { states: 13_793_633, edges: 89_037_199 }),
    ("processes", Size { states: 825_007, edges: 6_182_596 }),
    ("tenants", Size { states: 667_687, edges: 6_582_258 }),
    ("limits", Size { states: 481_830, edges: 4_509_610 }),
    ("clusters", Size { states: 534_598, edges: 5_838_550 }),
    ("any-cluster", Size { states: 3_199_807, edges: 37_384_287 }),
    ("queues", Size { states: 1_253_957, edges: 15_340_609 }),
    ("peer-limits", Size { states: 0, edges: 0 }),
    ("cluster", Size { states: 420_823, edges: 4_069_308 }),
];

/// Each bit of a state counts in both halves of its fingerprint, and so does how long it is.
#[test]
fn fingerprints_tell_states_apart() {
    let state = [0_u64; 32];
    let of_zeros = fingerprint(&state.as_slice());
    for bit in 0..state.len() * 64 {
        let mut other = state;
        other[bit / 64] ^= 1 << (bit % 64);
        let difference = fingerprint(&other.as_slice()) ^ of_zeros;
        let halves = [(difference >> 64) as u64, difference as u64];
        assert!(halves.iter().all(|half| (10..=54).contains(&half.count_ones())), "bit {bit}: {difference:032x}");
    }
    let lengths: BTreeSet<_> = (0..100).map(|length| fingerprint(&Zeros(length))).collect();
    assert_eq!(lengths.len(), 100);
}

/// So many bytes, without a word of how many.
struct Zeros(usize);

impl Hash for Zeros {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (0..self.0).for_each(|_| hasher.write_u8(0));
    }
}

fn is_large() -> bool {
    env::var("REVTUN_SEARCH").is_ok_and(|size| size == "large")
}

/// Searches the world, or the larger one.
fn explore<W: World>(name: &str, ordinary: W, large: W) {
    let found = search(name, if is_large() { large } else { ordinary }, LIMIT);
    let sizes = if is_large() { LARGE_SIZES } else { SIZES };
    let (_, size) = sizes.iter().find(|(of, _)| *of == name).expect("every world has its size");
    if let Some(found) = found {
        assert_eq!(found, *size, "{name}");
    }
}

#[test]
fn the_worlds_reach_their_floors() {
    for (what, sizes, floor) in [("ordinary", SIZES, STATES_FLOOR), ("larger", LARGE_SIZES, LARGE_STATES_FLOOR)] {
        let states: usize = sizes.iter().map(|(_, size)| size.states).sum();
        println!("{states} states in all {what} worlds");
        assert!(states >= floor && sizes.len() == SIZES.len());
    }
}

const UPSTREAM: initiator::Scope =
    initiator::Scope { targets: &[2], faults: 1, changes: 0, used: true, drain: true, revtun: true };

/// TargetBound, NoDoubleDial and TargetReached: whatever one fault does to two hosts.
#[test]
fn an_initiator_always_recovers_its_target() {
    let scope = initiator::Scope { targets: &[2, 2], used: false, drain: false, ..UPSTREAM };
    explore("two-hosts", Upstream::new(scope), Upstream::new(initiator::Scope { faults: 2, ..scope }));
}

/// The same with one host and more faults: failures in a row, probes, waves. DrainEnds: whenever a drain is ordered.
#[test]
fn an_initiator_recovers_from_several_faults() {
    let faults = |faults| Upstream::new(initiator::Scope { faults, ..UPSTREAM });
    explore("faults", faults(4), faults(5));
}

/// SurplusShed: the target changes, and the responder is none of ours.
#[test]
fn an_initiator_follows_its_target() {
    let scope = initiator::Scope { changes: 2, revtun: false, drain: false, ..UPSTREAM };
    let faults = |faults| Upstream::new(initiator::Scope { faults, ..scope });
    explore("changes", faults(2), faults(4));
}

#[test]
fn an_initiators_hosts_come_and_go() {
    let scope = initiator::Scope { targets: &[2, 1], changes: 1, ..UPSTREAM };
    let faults = |faults| Upstream::new(initiator::Scope { faults, ..scope });
    explore("hosts-come-and-go", faults(1), faults(2));
}

#[test]
fn an_initiator_keeps_three_tunnels() {
    let scope = initiator::Scope { targets: &[3], ..UPSTREAM };
    let faults = |faults| Upstream::new(initiator::Scope { faults, ..scope });
    explore("three-tunnels", faults(2), faults(3));
}

const GATE: responder::Scope = responder::Scope {
    peers: &[],
    wishes: &[],
    connections: 3,
    max_streams: 1,
    peer_limits: &[],
    refuse_ambiguous_node: true,
    max_waiting: 1,
    max_per_node: 2,
    max_per_tenant: 3,
    max_tunnels: 9,
    faults: 1,
    drains_all: true,
};

/// SupersededGetNoWork and TargetReached: a node returns, is drained, or two of its processes live on.
#[test]
fn a_responder_serves_whichever_process_lives() {
    const PROCESSES: &[Peer] = &[("a", "n", "c", 1), ("a", "n", "c", 2)];
    const THREE_PROCESSES: &[Peer] = &[("a", "n", "c", 1), ("a", "n", "c", 2), ("a", "n", "c", 3)];
    let scope = responder::Scope { peers: PROCESSES, wishes: &[("a", "node", "n", "")], drains_all: false, ..GATE };
    let large = responder::Scope { peers: THREE_PROCESSES, faults: 0, ..scope };
    explore("processes", Gate::new(scope), Gate::new(large));
}

/// TenantIsolation, TenantCap and DrainEnds: two tenants who give their nodes and clusters the same names.
#[test]
fn a_responder_keeps_tenants_apart() {
    let scope = responder::Scope {
        peers: &[("a", "n", "c", 1), ("b", "n", "c", 0)],
        wishes: &[("a", "node", "n", ""), ("b", "cluster", "", "c")],
        max_per_tenant: 2,
        max_per_node: 1,
        faults: 0,
        ..GATE
    };
    explore("tenants", Gate::new(scope), Gate::new(responder::Scope { faults: 1, ..scope }));
}

/// TenantCap, and the limit for all: whoever is turned away is let in as soon as there is room.
#[test]
fn a_responder_keeps_its_limits() {
    let scope = responder::Scope {
        peers: &[("a", "m", "c", 1), ("b", "n", "c", 0)],
        connections: 4,
        max_per_node: 3,
        max_per_tenant: 2,
        max_tunnels: 3,
        faults: 1,
        ..GATE
    };
    explore("limits", Gate::new(scope), Gate::new(responder::Scope { faults: 2, ..scope }));
}

/// ClusterIsolation: nodes of one name in two clusters, and callers who name the one, or only the name.
#[test]
fn a_responder_keeps_clusters_apart() {
    let scope = responder::Scope {
        peers: &[("a", "n", "c", 1), ("a", "n", "d", 2)],
        wishes: &[("a", "member", "n", "c"), ("a", "node", "n", "")],
        max_waiting: 2,
        max_per_node: 1,
        drains_all: false,
        connections: 2,
        faults: 2,
        ..GATE
    };
    explore("clusters", Gate::new(scope), Gate::new(responder::Scope { connections: 3, faults: 1, ..scope }));
}

/// The same where a name alone means any of its nodes.
#[test]
fn a_responder_takes_any_node_of_a_name() {
    let scope = responder::Scope {
        peers: &[("a", "n", "c", 1), ("a", "n", "d", 0)],
        wishes: &[("a", "cluster", "", "d"), ("a", "node", "n", "")],
        refuse_ambiguous_node: false,
        max_waiting: 2,
        connections: 2,
        faults: 2,
        ..GATE
    };
    explore("any-cluster", Gate::new(scope), Gate::new(responder::Scope { connections: 3, faults: 1, ..scope }));
}

/// OldestFirst: callers for a cluster, for one of its nodes, and for that node's name want the same place.
#[test]
fn a_responder_serves_the_oldest_of_all_queues() {
    let scope = responder::Scope {
        peers: &[("a", "n", "c", 1)],
        wishes: &[("a", "cluster", "", "c"), ("a", "member", "n", "c"), ("a", "node", "n", "")],
        max_waiting: 3,
        connections: 1,
        ..GATE
    };
    let large = responder::Scope { peers: &[("a", "n", "c", 1), ("a", "m", "c", 1)], connections: 2, ..scope };
    explore("queues", Gate::new(scope), Gate::new(large));
}

/// StreamsFit and NobodyWaitsBesideRoom, whatever initiators announce while requests are under way.
#[test]
fn a_responder_obeys_its_peers_limits() {
    let scope = responder::Scope {
        peers: &[("a", "n", "c", 1)],
        wishes: &[("a", "member", "n", "c")],
        connections: 2,
        max_streams: 2,
        peer_limits: &[0, 1, 2],
        max_waiting: 2,
        ..GATE
    };
    explore(
        "peer-limits",
        Gate::new(scope),
        Gate::new(responder::Scope { max_streams: 3, peer_limits: &[1, 3], ..scope }),
    );
}

/// WaiterServed and StreamsFit: a queue for two nodes of a cluster.
#[test]
fn a_responder_serves_those_who_wait() {
    let scope = responder::Scope {
        peers: &[("a", "m", "c", 1), ("a", "n", "c", 0)],
        wishes: &[("a", "cluster", "", "c")],
        connections: 2,
        max_streams: 2,
        max_waiting: 2,
        max_per_tenant: 2,
        ..GATE
    };
    explore("cluster", Gate::new(scope), Gate::new(responder::Scope { connections: 3, ..scope }));
}
