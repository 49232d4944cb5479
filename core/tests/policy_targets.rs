//! Whom a name means: a node of a cluster, a node of one name whatever its cluster, any node of a cluster; and which of
//! their callers is served first.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Effect as E;
use revtun_core::responder::{
    Config, DrainScope, Event, Handshake, Refusal, Responder, Source, StreamId, Target, TargetName, Verdict,
};

fn node_id(name: &str) -> NodeId<'_> {
    NodeId::new(name).expect("legal")
}

fn cluster_id(name: &str) -> ClusterId<'_> {
    ClusterId::new(name).expect("legal")
}

fn target(name: TargetName<'_>) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), name }
}

fn node(name: &str) -> Target<'_> {
    target(TargetName::Node(node_id(name)))
}

fn member<'a>(node: &'a str, cluster: &'a str) -> Target<'a> {
    target(TargetName::Member { node: node_id(node), cluster: cluster_id(cluster) })
}

fn cluster(name: &str) -> Target<'_> {
    target(TargetName::Cluster(cluster_id(name)))
}

fn responder(config: Config) -> Clock<Responder> {
    Clock::new(Responder::new(config))
}

/// A tunnel of `node` of `cluster`, by process `instance`. What is due at once is done.
fn greet(clock: &mut Clock<Responder>, node: &str, cluster: &str, instance: u128) -> (TunnelId, Vec<E>) {
    let admitted = clock.tell(Event::Accepted { source: Source(1) });
    let [E::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    let tenant = TenantId::new("t").expect("legal");
    let identity = Identity { node: node_id(node), cluster: cluster_id(cluster), tenant };
    let handshake = Handshake { identity, instance: Some(Instance(instance)), verdict: Verdict::Authenticated };
    let mut effects = clock.tell(Event::HandshakeReceived { tunnel, handshake });
    effects.extend(clock.run());
    (tunnel, effects)
}

fn open(clock: &mut Clock<Responder>, stream: u64, target: Target<'_>) -> E {
    let effects = clock.tell(Event::Opened { stream: StreamId(stream), target });
    let [effect] = effects[..] else { panic!("{effects:?}") };
    effect
}

fn release(clock: &mut Clock<Responder>, tunnel: TunnelId) -> Vec<E> {
    let mut effects = clock.tell(Event::Released { tunnel });
    effects.extend(clock.run());
    effects
}

fn assigned(stream: u64, tunnel: TunnelId) -> E {
    E::Assign { stream: StreamId(stream), tunnel }
}

fn waits(stream: u64) -> E {
    E::Wait { stream: StreamId(stream) }
}

fn ambiguous(stream: u64) -> E {
    E::Refuse { stream: StreamId(stream), refusal: Refusal::AmbiguousNode }
}

#[test]
fn a_request_for_a_node_of_a_cluster_takes_none_of_its_namesakes() {
    let mut clock = responder(Config::default());
    let (lab, _) = greet(&mut clock, "n", "lab", 1);
    assert_eq!(open(&mut clock, 1, member("n", "prod")), waits(1));
    assert_eq!(open(&mut clock, 2, cluster("prod")), waits(2));
    assert_eq!(open(&mut clock, 3, member("n", "lab")), assigned(3, lab));
    let (prod, effects) = greet(&mut clock, "n", "prod", 2);
    assert!(effects.ends_with(&[assigned(1, prod), assigned(2, prod)]), "{effects:?}");
    for stream in 4..20_u64 {
        clock.dice = stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (target, tunnel) = if stream % 2 == 0 { (member("n", "prod"), prod) } else { (cluster("lab"), lab) };
        assert_eq!(open(&mut clock, stream, target), assigned(stream, tunnel));
    }
}

#[test]
fn a_newer_process_of_a_namesake_displaces_nobody() {
    let mut clock = responder(Config::default());
    let (prod, _) = greet(&mut clock, "n", "prod", 1);
    let (lab, effects) = greet(&mut clock, "n", "lab", 2);
    assert_eq!(effects, [E::Accept { tunnel: lab }, E::Ping { tunnel: lab }]);
    assert_eq!(open(&mut clock, 1, member("n", "prod")), assigned(1, prod));
    // Neither is the one known to the other's history.
    let (again, effects) = greet(&mut clock, "n", "lab", 1);
    assert!(!effects.contains(&E::Contended { tunnel: again }), "{effects:?}");
    assert!(effects.contains(&E::Goaway { tunnel: lab }), "{effects:?}");
}

#[test]
fn namesakes_do_not_use_up_each_others_limit() {
    let mut clock = responder(Config { max_tunnels_per_node: 2, ..Config::default() });
    for _ in 0..2 {
        let (tunnel, effects) = greet(&mut clock, "n", "lab", 1);
        assert_eq!(effects[0], E::Accept { tunnel });
    }
    let (refused, effects) = greet(&mut clock, "n", "lab", 1);
    assert_eq!(effects, [E::Reject { tunnel: refused, rejection: Rejection::NodeFull }]);
    clock.pass(1_500);
    let _ = clock.run();
    for _ in 0..2 {
        let (tunnel, effects) = greet(&mut clock, "n", "prod", 2);
        assert_eq!(effects, [E::Accept { tunnel }, E::Ping { tunnel }], "and nobody is evicted for it");
    }
}

#[test]
fn a_name_that_stands_in_several_clusters_is_refused() {
    let mut clock = responder(Config::default());
    let (prod, _) = greet(&mut clock, "n", "prod", 1);
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, prod));
    let (lab, _) = greet(&mut clock, "n", "lab", 2);
    assert_eq!(open(&mut clock, 2, node("n")), ambiguous(2));
    assert_eq!(open(&mut clock, 3, member("n", "prod")), assigned(3, prod));
    // What is on its way out is not meant any more, even while it has requests to finish.
    assert_eq!(open(&mut clock, 4, member("n", "lab")), assigned(4, lab));
    let _ = clock.tell(Event::GoawayReceived { tunnel: lab });
    assert_eq!(open(&mut clock, 5, node("n")), assigned(5, prod));
}

#[test]
fn a_full_namesake_keeps_a_name_ambiguous() {
    let mut clock = responder(Config { max_streams: 1, ..Config::default() });
    let (prod, _) = greet(&mut clock, "n", "prod", 1);
    let _ = greet(&mut clock, "n", "lab", 2);
    assert_eq!(open(&mut clock, 1, member("n", "prod")), assigned(1, prod));
    assert_eq!(open(&mut clock, 2, node("n")), ambiguous(2));
}

#[test]
fn callers_who_wait_for_a_name_are_refused_when_it_becomes_ambiguous() {
    let mut clock = responder(Config { max_streams: 1, ..Config::default() });
    let (prod, _) = greet(&mut clock, "n", "prod", 1);
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, prod));
    for (stream, target) in [(2, node("n")), (3, cluster("prod")), (4, node("n"))] {
        assert_eq!(open(&mut clock, stream, target), waits(stream));
    }
    let (_, effects) = greet(&mut clock, "n", "lab", 2);
    let refused: Vec<_> = effects.into_iter().filter(|it| matches!(it, E::Refuse { .. } | E::Assign { .. })).collect();
    assert_eq!(refused, [ambiguous(2), ambiguous(4)]);
    assert_eq!(release(&mut clock, prod), [assigned(3, prod)]);
}

#[test]
fn by_choice_a_name_alone_means_any_node_that_has_it() {
    let mut clock = responder(Config { refuse_ambiguous_node: false, ..Config::default() });
    let tunnels = [greet(&mut clock, "n", "prod", 1).0, greet(&mut clock, "n", "lab", 2).0];
    let mut load = [0, 0];
    for stream in 0..20 {
        clock.dice = if stream % 3 == 0 { u64::MAX } else { 0 };
        let effect = open(&mut clock, stream, node("n"));
        load[tunnels.iter().position(|tunnel| effect == assigned(stream, *tunnel)).expect("one of both")] += 1;
    }
    assert_eq!(load, [10, 10]);
    assert_eq!(open(&mut clock, 20, member("n", "lab")), assigned(20, tunnels[1]));
}

#[test]
fn a_drain_of_a_node_is_about_the_cluster_that_it_names() {
    for (target, expected) in [(member("n", "prod"), vec![0]), (node("n"), vec![0, 1]), (cluster("lab"), vec![1])] {
        let mut clock = responder(Config::default());
        let tunnels = [greet(&mut clock, "n", "prod", 1).0, greet(&mut clock, "n", "lab", 2).0];
        let scope = DrainScope::Target(target);
        let _ = clock.tell(Event::DrainRequested { scope, grace: Duration::from_secs(1) });
        let told: Vec<_> = expected.iter().map(|index| E::Goaway { tunnel: tunnels[*index] }).collect();
        assert_eq!(clock.run(), told, "{target:?}");
    }
}

/// Callers for the cluster, for the node of the cluster, and for the node's name, in every order.
#[test]
fn a_free_place_goes_to_whoever_waits_the_longest() {
    let targets = [cluster("c"), member("n", "c"), node("n")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut clock = responder(Config { max_streams: 1, ..Config::default() });
        let (tunnel, _) = greet(&mut clock, "n", "c", 1);
        assert_eq!(open(&mut clock, 0, node("n")), assigned(0, tunnel));
        for (stream, which) in (1..).zip(order) {
            assert_eq!(open(&mut clock, stream, targets[which]), waits(stream));
        }
        for stream in 1..=3 {
            assert_eq!(release(&mut clock, tunnel), [assigned(stream, tunnel)], "{order:?}");
        }
    }
}

/// Two callers always wait for the node, and one for its cluster came first.
#[test]
fn callers_for_a_cluster_do_not_starve_behind_callers_for_a_node() {
    let mut clock = responder(Config { max_streams: 1, wait: Duration::from_secs(1), ..Config::default() });
    let (tunnel, _) = greet(&mut clock, "n", "c", 1);
    assert_eq!(open(&mut clock, 0, node("n")), assigned(0, tunnel));
    assert_eq!(open(&mut clock, 1, cluster("c")), waits(1));
    let mut answered = Vec::new();
    for stream in 2..22 {
        assert_eq!(open(&mut clock, stream, node("n")), waits(stream));
        clock.pass(50);
        answered.extend(release(&mut clock, tunnel));
    }
    assert_eq!(answered, (1..21).map(|stream| assigned(stream, tunnel)).collect::<Vec<_>>());
}

#[test]
fn whoever_comes_does_not_take_a_place_that_others_wait_for() {
    let mut clock = responder(Config { max_streams: 1, ..Config::default() });
    let (tunnel, _) = greet(&mut clock, "n", "c", 1);
    assert_eq!(open(&mut clock, 0, node("n")), assigned(0, tunnel));
    assert_eq!(open(&mut clock, 1, cluster("c")), waits(1));
    assert_eq!(clock.tell(Event::Released { tunnel }), []);
    assert_eq!(open(&mut clock, 2, member("n", "c")), waits(2));
    assert_eq!(clock.run(), [assigned(1, tunnel)]);
    assert_eq!(release(&mut clock, tunnel), [assigned(2, tunnel)]);
}

/// However short: a tunnel that settles is pinged before it carries anything.
#[test]
fn an_envoy_settles_first_even_for_no_time_at_all() {
    let mut clock = responder(Config { settle: Duration::ZERO, ..Config::default() });
    let admitted = clock.tell(Event::Accepted { source: Source(1) });
    let [E::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    let identity =
        Identity { node: node_id("n"), cluster: cluster_id("c"), tenant: TenantId::new("t").expect("legal") };
    let handshake = Handshake { identity, instance: None, verdict: Verdict::Authenticated };
    let accepted = clock.tell(Event::HandshakeReceived { tunnel, handshake });
    assert_eq!(accepted, [E::Accept { tunnel }]);
    assert_eq!(open(&mut clock, 1, node("n")), waits(1));
    assert_eq!(clock.run(), [E::Ping { tunnel }, assigned(1, tunnel)]);
}
