//! Every situation of a responder × every event.

mod golden;

use std::time::Duration;

use golden::{Scene, compare};
use revtun_core::TunnelId;
use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, DrainScope, Event, Handshake, Responder, Source, StreamId, Target, TargetName, Verdict,
};

const A: TunnelId = TunnelId::new(0, 0);
const B: TunnelId = TunnelId::new(1, 0);

#[test]
fn every_event_in_every_situation() {
    compare("responder.txt", scenes(), &events());
}

fn scenes() -> Vec<(&'static str, Scene<Responder>)> {
    let small = Config { max_streams: 2, max_tunnels_per_node: 1, max_waiting: 1, ..Config::default() };
    let nothing = Scene::new(Responder::new(small));
    let handshaking = nothing.clone().then(0, Event::Accepted { source: Source(1) });
    let settling = handshaking.clone().then(10, greeted(A, None));
    let awaiting = settling.clone().fire();
    let revtun = handshaking.clone().then(10, greeted(A, Some(1)));
    let resting = awaiting.clone().then(10, Event::Echoed { tunnel: A });
    let in_use = resting.clone().then(10, opened(1, node("n")));
    let full = in_use.clone().then(10, opened(2, node("n")));
    let unused = in_use.clone().then(10, released());
    let told = in_use.clone().then(10, drain(DrainScope::Tunnel(A))).ticks();
    let returned = in_use_at(1).then(10, Event::Accepted { source: Source(1) }).then(10, greeted(B, Some(2)));
    let all = drain(DrainScope::All);
    vec![
        ("== nothing", nothing.clone()),
        ("== handshaking", handshaking.clone()),
        ("== rejected", handshaking.then(10, Event::HandshakeInvalid { tunnel: A, rejection: Rejection::BadRequest })),
        ("== settling, an Envoy's", settling.clone()),
        ("== settling, a revtun's: can be used at once", revtun),
        ("== idle, ping not answered yet", awaiting.clone()),
        ("== idle, ping not answered for 2 s, and the node is back", unanswered_node_back(awaiting)),
        ("== idle, ping answered", resting.clone()),
        ("== idle, and the node wants a second tunnel", resting.clone().then(0, Event::Accepted { source: Source(1) })),
        ("== in use, one stream", in_use.clone()),
        ("== in use, full", full.clone()),
        ("== in use, full, one waits", full.clone().then(10, opened(3, node("n")))),
        ("== in use, room again for the one who waits", full.then(10, opened(3, node("n"))).then(10, released())),
        ("== in use, no stream", unused.clone()),
        ("== draining, not told yet", in_use.clone().then(10, drain(DrainScope::Tunnel(A)))),
        ("== draining, told, one stream", told.clone()),
        ("== draining, told, no stream", told.then(10, released())),
        ("== draining since the initiator's GOAWAY", in_use.clone().then(10, Event::GoawayReceived { tunnel: A })),
        ("== a newer process of the node took over", returned),
        ("== nobody there, one waits for a node", nothing.clone().then(0, opened(3, node("n")))),
        ("== nobody there, one waits for a cluster", nothing.clone().then(0, opened(3, cluster("c")))),
        ("== one waits, a tunnel settles", settling.then(10, opened(3, node("n")))),
        ("== drain of everything ordered, one stream", in_use.clone().then(10, all)),
        ("== drain of everything, all told, one stream", in_use.clone().then(10, all).ticks()),
        ("== drain of everything, grace over", in_use.then(10, all).ticks().fire()),
        ("== drain of everything is over", nothing.then(10, all).ticks()),
    ]
}

/// A revtun's tunnel in use, at a responder with room for two.
fn in_use_at(instance: u128) -> Scene<Responder> {
    let scene = Scene::new(Responder::new(Config::default())).then(0, Event::Accepted { source: Source(1) });
    scene.then(10, greeted(A, Some(instance))).ticks().then(10, opened(1, node("n")))
}

fn unanswered_node_back(awaiting: Scene<Responder>) -> Scene<Responder> {
    awaiting.then(2_000, Event::Accepted { source: Source(1) })
}

fn events() -> Vec<Event<'static>> {
    let mut events = vec![Event::Accepted { source: Source(1) }];
    events.extend([A, B].map(|tunnel| greeted(tunnel, None)));
    events.extend([A, B].map(|tunnel| greeted(tunnel, Some(1))));
    events.extend([Verdict::Unauthenticated, Verdict::Mismatch].map(|verdict| {
        let Event::HandshakeReceived { tunnel, handshake } = greeted(A, None) else { unreachable!("made so") };
        Event::HandshakeReceived { tunnel, handshake: Handshake { verdict, ..handshake } }
    }));
    events.extend([
        Event::HandshakeInvalid { tunnel: A, rejection: Rejection::EmptyNode },
        Event::Echoed { tunnel: A },
        Event::Heard { tunnel: A },
        Event::Closed { tunnel: A },
        Event::Closed { tunnel: B },
        opened(9, node("n")),
        opened(9, node("m")),
        opened(9, member("n", "c")),
        opened(9, member("n", "d")),
        opened(9, cluster("c")),
        opened(9, Target { tenant: None, ..node("n") }),
        opened(9, Target { tenant: TenantId::new("u").ok(), ..node("n") }),
        released(),
        Event::Cancelled { stream: StreamId(3) },
        Event::GoawayReceived { tunnel: A },
        Event::ConnectionLost { tunnel: A },
        Event::SettingsReceived { tunnel: A, max_concurrent_streams: 1 },
        Event::SettingsReceived { tunnel: A, max_concurrent_streams: 100 },
        drain(DrainScope::All),
        drain(DrainScope::Tenant(TenantId::new("t").expect("legal"))),
        drain(DrainScope::Target(cluster("c"))),
        drain(DrainScope::Target(node("m"))),
        drain(DrainScope::Target(member("n", "d"))),
        drain(DrainScope::Tunnel(A)),
        Event::Closed { tunnel: TunnelId::new(0, 9) },
    ]);
    events
}

fn greeted(tunnel: TunnelId, instance: Option<u128>) -> Event<'static> {
    let identity = Identity {
        node: NodeId::new("n").expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
    };
    let handshake = Handshake { identity, instance: instance.map(Instance), verdict: Verdict::Authenticated };
    Event::HandshakeReceived { tunnel, handshake }
}

fn node(name: &'static str) -> Target<'static> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Node(NodeId::new(name).expect("legal")) }
}

fn member(node: &'static str, cluster: &'static str) -> Target<'static> {
    let (node, cluster) = (NodeId::new(node).expect("legal"), ClusterId::new(cluster).expect("legal"));
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Member { node, cluster } }
}

fn cluster(name: &'static str) -> Target<'static> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Cluster(ClusterId::new(name).expect("legal")) }
}

fn opened(stream: u64, target: Target<'static>) -> Event<'static> {
    Event::Opened { stream: StreamId(stream), target }
}

fn released() -> Event<'static> {
    Event::Released { tunnel: A }
}

fn drain(scope: DrainScope<'static>) -> Event<'static> {
    Event::DrainRequested { scope, grace: Duration::from_secs(60) }
}
