//! The hot path allocates nothing: finding a tunnel for a request and giving it back, with ten thousand tunnels.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, Effect, Event, Handshake, Responder, Source, StreamId, Target, TargetName, Verdict,
};
use revtun_core::{Env, Instant, Machine, TunnelId};

const TUNNELS: u32 = 10_000;
const TUNNELS_A_NODE: u32 = 4;
const NODES_A_CLUSTER: u32 = 100;
const REQUESTS: u64 = 100_000;
const NOW: Duration = Duration::from_millis(50);

/// Ten thousand tunnels of 2 500 nodes in 25 clusters, each of them in use.
fn crowded() -> (Responder, Vec<String>, Vec<String>) {
    let nodes: Vec<_> = (0..TUNNELS / TUNNELS_A_NODE).map(|node| format!("node-{node}")).collect();
    let clusters: Vec<_> =
        (0..nodes.len() as u32 / NODES_A_CLUSTER).map(|cluster| format!("cluster-{cluster}")).collect();
    let mut machine =
        Responder::new(Config { max_accepts_per_second: 0, max_handshakes_per_source: 4096, ..Config::default() });
    for tunnel in 0..TUNNELS {
        let node = (tunnel / TUNNELS_A_NODE) as usize;
        let identity = Identity {
            node: NodeId::new(&nodes[node]).unwrap(),
            cluster: ClusterId::new(&clusters[node / NODES_A_CLUSTER as usize]).unwrap(),
            tenant: TenantId::new("acme").unwrap(),
        };
        let id = TunnelId::new(tunnel, 0);
        assert!(step(&mut machine, 0, Event::Accepted { source: Source(1) }) == Some(Effect::Admit { tunnel: id }));
        let handshake = Handshake { identity, instance: None, verdict: Verdict::Authenticated };
        assert!(
            step(&mut machine, 0, Event::HandshakeReceived { tunnel: id, handshake })
                == Some(Effect::Accept { tunnel: id })
        );
    }
    let settled = Env { now: at(NOW + Config::default().settle), dice: 0 };
    for _ in 0..TUNNELS {
        let _ping = machine.step(settled, Event::Tick);
    }
    // A tunnel's first request ends its pings, which touches the table of timers; the hot path is all that follow.
    for stream in 0..u64::from(TUNNELS) {
        let node = &nodes[(stream / u64::from(TUNNELS_A_NODE)) as usize];
        open(&mut machine, stream, TargetName::Node(NodeId::new(node).unwrap()));
    }
    machine.check();
    (machine, nodes, clusters)
}

fn at(since: Duration) -> Instant {
    Instant::EPOCH.after(since)
}

fn step(machine: &mut Responder, dice: u64, event: Event<'_>) -> Option<Effect> {
    let effects = machine.step(Env { now: at(NOW), dice }, event);
    effects.iter().next()
}

fn open(machine: &mut Responder, stream: u64, name: TargetName<'_>) -> TunnelId {
    let target = Target { tenant: Some(TenantId::new("acme").unwrap()), name };
    let dice = stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match step(machine, dice, Event::Opened { stream: StreamId(stream), target }) {
        Some(Effect::Assign { tunnel, .. }) => tunnel,
        other => panic!("a request is assigned at once, not {other:?}"),
    }
}

fn target_name<'a>(stream: u64, nodes: &'a [String], clusters: &'a [String]) -> TargetName<'a> {
    let draw = stream as usize;
    if draw.is_multiple_of(2) {
        TargetName::Node(NodeId::new(&nodes[draw % nodes.len()]).unwrap())
    } else {
        TargetName::Cluster(ClusterId::new(&clusters[draw % clusters.len()]).unwrap())
    }
}

#[test]
fn a_request_allocates_nothing() {
    let (mut machine, nodes, clusters) = crowded();
    let streams_before = machine.counts().streams;
    let mut used = 0;
    let measured = allocation_counter::measure(|| {
        for stream in 0..REQUESTS {
            let tunnel = open(&mut machine, u64::from(TUNNELS) + stream, target_name(stream, &nodes, &clusters));
            used += u64::from(machine.counts().streams == streams_before + 1);
            assert_eq!(step(&mut machine, 0, Event::Released { tunnel }), None);
        }
    });
    assert_eq!(used, REQUESTS, "every request was carried");
    assert_eq!(machine.counts().streams, streams_before, "and given back");
    assert_eq!(measured.count_total, 0, "allocations in {REQUESTS} requests");
    machine.check();
}

/// The counter counts: a step that has to allocate is seen.
#[test]
fn the_allocation_counter_counts_a_waiting_caller() {
    let (mut machine, ..) = crowded();
    let nobody =
        Target { tenant: Some(TenantId::new("acme").unwrap()), name: TargetName::Node(NodeId::new("nobody").unwrap()) };
    let measured = allocation_counter::measure(|| {
        let stream = StreamId(u64::MAX);
        assert_eq!(step(&mut machine, 0, Event::Opened { stream, target: nobody }), Some(Effect::Wait { stream }));
    });
    assert!(measured.count_total > 0);
}
