//! The policies of the responder, one by one, with exact times.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    self, DrainScope, Handshake, Refusal, Responder, Source, StreamId, Target, TargetName, Verdict,
};

const MAX: u64 = u64::MAX;

const fn instance(number: u128) -> Option<Instance> {
    Some(Instance(number))
}

fn node(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Node(NodeId::new(name).expect("legal")) }
}

fn cluster(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Cluster(ClusterId::new(name).expect("legal")) }
}

/// A connection greets. What is due at once is done.
fn greet(clock: &mut Clock<Responder>, name: &str, instance: Option<Instance>) -> (TunnelId, Vec<responder::Effect>) {
    greet_for(clock, "t", name, instance)
}

fn greet_for(
    clock: &mut Clock<Responder>,
    tenant: &str,
    name: &str,
    instance: Option<Instance>,
) -> (TunnelId, Vec<responder::Effect>) {
    let admitted = clock.tell(responder::Event::Accepted { source: Source(1) });
    let [responder::Effect::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    let identity = Identity {
        node: NodeId::new(name).expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new(tenant).expect("legal"),
    };
    let handshake = Handshake { identity, instance, verdict: Verdict::Authenticated };
    let mut effects = clock.tell(responder::Event::HandshakeReceived { tunnel, handshake });
    effects.extend(clock.run());
    (tunnel, effects)
}

fn open(clock: &mut Clock<Responder>, stream: u64, target: Target<'_>) -> responder::Effect {
    let effects = clock.tell(responder::Event::Opened { stream: StreamId(stream), target });
    let [effect] = effects[..] else { panic!("{effects:?}") };
    effect
}

fn assigned(stream: u64, tunnel: TunnelId) -> responder::Effect {
    responder::Effect::Assign { stream: StreamId(stream), tunnel }
}

fn closed(tunnel: TunnelId, reason: responder::CloseReason) -> responder::Effect {
    responder::Effect::Close { tunnel, reason }
}

fn responder(config: responder::Config) -> Clock<Responder> {
    Clock::new(Responder::new(config))
}

#[test]
fn an_envoy_settles_first_and_a_revtun_is_pinged_at_once() {
    let mut clock = responder(responder::Config::default());
    let (envoy, effects) = greet(&mut clock, "n", None);
    assert_eq!(effects, [responder::Effect::Accept { tunnel: envoy }]);
    assert_eq!(open(&mut clock, 1, node("n")), responder::Effect::Wait { stream: StreamId(1) });
    let began = clock.now;
    assert_eq!(clock.fire(), [responder::Effect::Ping { tunnel: envoy }]);
    assert_eq!(clock.now.since(began).as_millis(), 50);
    assert_eq!(clock.run(), [assigned(1, envoy)]);
    let (revtun, effects) = greet(&mut clock, "m", instance(1));
    assert_eq!(effects, [responder::Effect::Accept { tunnel: revtun }, responder::Effect::Ping { tunnel: revtun }]);
}

#[test]
fn pings_follow_their_echoes_with_a_little_jitter() {
    for (dice, interval) in [(0, 2_000), (MAX, 2_300)] {
        let mut clock = responder(responder::Config::default());
        clock.dice = dice;
        let (tunnel, _) = greet(&mut clock, "n", instance(1));
        let _ = clock.tell(responder::Event::Echoed { tunnel });
        let began = clock.now;
        assert_eq!(clock.fire(), [responder::Effect::Ping { tunnel }]);
        assert_eq!(clock.now.since(began).as_millis(), interval);
        assert_eq!(clock.fire(), [closed(tunnel, responder::CloseReason::PingTimeout)]);
        assert_eq!(clock.now.since(began).as_millis(), interval + 5_000);
    }
}

#[test]
fn the_first_use_of_a_dead_tunnel_does_not_lengthen_its_life() {
    let mut clock = responder(responder::Config::default());
    let (tunnel, _) = greet(&mut clock, "n", instance(1));
    let pinged = clock.now;
    clock.pass(4_900);
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, tunnel));
    assert_eq!(clock.fire(), [closed(tunnel, responder::CloseReason::Silent)]);
    assert_eq!(clock.now.since(pinged).as_millis(), 7_000);
}

#[test]
fn a_newer_process_drains_the_older_one_and_contention_is_reported_once() {
    let mut clock = responder(responder::Config::default());
    let (old, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, old));
    let (new, effects) = greet(&mut clock, "n", instance(2));
    assert!(effects.contains(&responder::Effect::Goaway { tunnel: old }), "{effects:?}");
    assert_eq!(open(&mut clock, 2, node("n")), assigned(2, new), "no new work for the superseded process");
    assert_eq!(clock.tell(responder::Event::Released { tunnel: old }), []);
    let began = clock.now;
    assert_eq!(clock.fire(), [closed(old, responder::CloseReason::Superseded)]);
    assert_eq!(clock.now.since(began).as_secs(), 1);

    let (back, effects) = greet(&mut clock, "n", instance(1));
    assert!(effects.contains(&responder::Effect::Contended { tunnel: back }), "{effects:?}");
    let (_, effects) = greet(&mut clock, "n", instance(2));
    let quiet =
        |it: &responder::Effect| !matches!(it, responder::Effect::Contended { .. } | responder::Effect::Goaway { .. });
    assert!(effects.iter().all(quiet), "said once, and both are kept: {effects:?}");
}

#[test]
fn three_alternating_processes_are_contended_and_all_kept() {
    let contended = |effects: &[responder::Effect]| {
        effects.iter().filter(|it| matches!(it, responder::Effect::Contended { .. })).count()
    };
    let mut clock = responder(responder::Config::default());
    for process in 1..=3 {
        let (_, effects) = greet(&mut clock, "n", instance(process));
        assert_eq!(contended(&effects), 0, "each is the newest so far");
    }
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(contended(&effects), 1, "the first is not forgotten for the second");
    for process in [2, 3, 4] {
        let (_, effects) = greet(&mut clock, "n", instance(process));
        let told = effects.iter().any(|it| matches!(it, responder::Effect::Goaway { .. }));
        assert!(contended(&effects) == 0 && !told, "from then on nobody is displaced: {effects:?}");
    }
}

#[test]
fn generations_end_with_the_last_tunnel_even_while_callers_wait() {
    let mut clock = responder(responder::Config { max_streams: 1, ..responder::Config::default() });
    let (first, _) = greet(&mut clock, "n", instance(1));
    let (second, _) = greet(&mut clock, "n", instance(2));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, second));
    assert_eq!(open(&mut clock, 2, node("n")), responder::Effect::Wait { stream: StreamId(2) });
    for tunnel in [first, second] {
        let _ = clock.tell(responder::Event::Closed { tunnel });
    }
    let (back, effects) = greet(&mut clock, "n", instance(1));
    assert!(!effects.contains(&responder::Effect::Contended { tunnel: back }), "{effects:?}");
    assert!(effects.contains(&assigned(2, back)), "{effects:?}");
}

#[test]
fn a_tunnel_without_an_instance_is_never_superseded() {
    let mut clock = responder(responder::Config::default());
    let (envoy, _) = greet(&mut clock, "n", None);
    let _ = clock.fire();
    let (old, _) = greet(&mut clock, "n", instance(1));
    let (_, effects) = greet(&mut clock, "n", instance(2));
    let told: Vec<_> = effects.into_iter().filter(|it| matches!(it, responder::Effect::Goaway { .. })).collect();
    assert_eq!(told, [responder::Effect::Goaway { tunnel: old }], "{envoy} stays");
}

#[test]
fn tunnels_of_one_process_do_not_supersede_each_other() {
    let mut clock = responder(responder::Config::default());
    for _ in 0..4 {
        let (tunnel, effects) = greet(&mut clock, "n", instance(1));
        assert_eq!(effects, [responder::Effect::Accept { tunnel }, responder::Effect::Ping { tunnel }]);
    }
}

#[test]
fn closed_tunnels_free_their_tenants_room() {
    let mut clock = responder(responder::Config { max_tunnels_per_tenant: 1, ..responder::Config::default() });
    // A second node keeps the tenant known.
    assert_eq!(open(&mut clock, 1, node("m")), responder::Effect::Wait { stream: StreamId(1) });
    for _ in 0..3 {
        let (tunnel, effects) = greet(&mut clock, "n", instance(1));
        assert_eq!(effects[0], responder::Effect::Accept { tunnel });
        let _ = clock.tell(responder::Event::Closed { tunnel });
    }
}

#[test]
fn draining_tunnels_do_not_count_against_the_node_limit() {
    let mut clock = responder(responder::Config { max_tunnels_per_node: 1, ..responder::Config::default() });
    let (leaving, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, leaving));
    assert_eq!(clock.tell(responder::Event::GoawayReceived { tunnel: leaving }), []);
    let (new, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], responder::Effect::Accept { tunnel: new });
}

/// It gets no more requests, and closes as lost: at once, or when the last of its requests is over.
#[test]
fn a_tunnel_whose_connection_a_request_found_lost_is_no_goaway() {
    let lost = |clock: &mut Clock<_>, tunnel| clock.tell(responder::Event::ConnectionLost { tunnel });
    let mut clock = responder(responder::Config::default());
    let (busy, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, busy));
    assert_eq!(lost(&mut clock, busy), []);
    let (idle, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 2, node("n")), assigned(2, idle));
    let released = clock.tell(responder::Event::Released { tunnel: busy });
    assert_eq!(released, [closed(busy, responder::CloseReason::ConnectionLost)]);
    assert_eq!(clock.tell(responder::Event::Released { tunnel: idle }), []);
    assert_eq!(lost(&mut clock, idle), [closed(idle, responder::CloseReason::ConnectionLost)]);
    assert_eq!(lost(&mut clock, idle), [], "it is known no more");
}

#[test]
fn the_longest_unanswered_of_several_tunnels_is_evicted() {
    let mut clock = responder(responder::Config { max_tunnels_per_node: 2, ..responder::Config::default() });
    let (older, _) = greet(&mut clock, "n", instance(1));
    clock.pass(100);
    let _ = greet(&mut clock, "n", instance(1));
    clock.pass(2_000);
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], closed(older, responder::CloseReason::Evicted));
}

#[test]
fn a_full_node_evicts_its_longest_unanswered_tunnel() {
    let mut clock = responder(responder::Config { max_tunnels_per_node: 2, ..responder::Config::default() });
    let (older, _) = greet(&mut clock, "n", instance(1));
    clock.pass(500);
    let (younger, _) = greet(&mut clock, "n", instance(1));
    let (refused, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects, [responder::Effect::Reject { tunnel: refused, rejection: Rejection::NodeFull }]);
    clock.pass(600);
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], closed(older, responder::CloseReason::Evicted));
    clock.pass(500);
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], closed(younger, responder::CloseReason::Evicted));
}

#[test]
fn a_full_tenant_or_responder_evicts_a_stale_tunnel_of_a_returning_node() {
    for (max_tunnels, max_tunnels_per_tenant) in [(1, 100), (100, 1)] {
        let config = responder::Config { max_tunnels, max_tunnels_per_tenant, ..responder::Config::default() };
        let mut clock = responder(config);
        let (corpse, _) = greet(&mut clock, "n", instance(1));
        clock.pass(1_000);
        let (_, effects) = greet(&mut clock, "m", instance(1));
        assert!(matches!(effects[0], responder::Effect::Reject { .. }), "a stranger has to wait");
        let (_, effects) = greet(&mut clock, "n", instance(2));
        assert_eq!(effects[0], closed(corpse, responder::CloseReason::Evicted));
    }
}

#[test]
fn the_less_loaded_of_two_tunnels_is_picked() {
    for place in [node("n"), cluster("c")] {
        let mut clock = responder(responder::Config::default());
        let tunnels = [greet(&mut clock, "n", instance(1)).0, greet(&mut clock, "n", instance(1)).0];
        let mut load = [0, 0];
        for stream in 0..20 {
            clock.dice = if stream % 3 == 0 { MAX } else { 0 };
            let effect = open(&mut clock, stream, place);
            let slot = tunnels.iter().position(|tunnel| effect == assigned(stream, *tunnel)).expect("one of both");
            load[slot] += 1;
        }
        assert_eq!(load, [10, 10]);
    }
}

#[test]
fn the_node_with_fewer_streams_per_tunnel_is_picked() {
    let mut clock = responder(responder::Config::default());
    let (lone, _) = greet(&mut clock, "n", instance(1));
    let twins = [greet(&mut clock, "m", instance(2)).0, greet(&mut clock, "m", instance(2)).0];
    let mut load = [0, 0];
    for stream in 0..30 {
        clock.dice = if stream % 3 == 0 { MAX } else { 0 };
        let effect = open(&mut clock, stream, cluster("c"));
        let twin = twins.iter().any(|tunnel| effect == assigned(stream, *tunnel));
        assert!(twin || effect == assigned(stream, lone));
        load[usize::from(twin)] += 1;
    }
    assert_eq!(load, [10, 20]);
    clock.dice = MAX;
    assert_ne!(open(&mut clock, 30, cluster("c")), assigned(30, lone), "with equal loads the first one drawn");
}

#[test]
fn waiting_callers_are_served_in_order() {
    let mut clock = responder(responder::Config { max_streams: 1, ..responder::Config::default() });
    let (tunnel, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, tunnel));
    for stream in [2, 3] {
        assert_eq!(open(&mut clock, stream, node("n")), responder::Effect::Wait { stream: StreamId(stream) });
    }
    assert_eq!(clock.tell(responder::Event::Released { tunnel }), []);
    assert_eq!(open(&mut clock, 4, node("n")), responder::Effect::Wait { stream: StreamId(4) });
    assert_eq!(clock.run(), [assigned(2, tunnel)]);
    let _ = clock.tell(responder::Event::Released { tunnel });
    assert_eq!(clock.run(), [assigned(3, tunnel)]);
    let refuse = responder::Effect::Refuse { stream: StreamId(4), refusal: Refusal::Saturated };
    let began = clock.now;
    assert_eq!(clock.fire(), [refuse]);
    assert_eq!(clock.now.since(began).as_secs(), 1);
}

#[test]
fn a_second_open_of_a_waiting_stream_is_stale() {
    let mut clock = responder(responder::Config::default());
    assert_eq!(open(&mut clock, 1, node("n")), responder::Effect::Wait { stream: StreamId(1) });
    assert_eq!(clock.tell(responder::Event::Opened { stream: StreamId(1), target: node("m") }), []);
    assert_eq!((clock.machine.counts().waiting, clock.machine.counts().stale), (1, 1));
}

#[test]
fn a_scoped_drain_drains_only_its_scope() {
    let tenant = |name| TenantId::new(name).expect("legal");
    let scopes = [
        (DrainScope::Tenant(tenant("t")), vec![0, 1]),
        (DrainScope::Target(node("n")), vec![0]),
        (DrainScope::Target(Target { tenant: None, ..node("n") }), vec![0, 2]),
        (DrainScope::Target(cluster("c")), vec![0, 1]),
        (DrainScope::Tunnel(TunnelId::new(1, 0)), vec![1]),
    ];
    for (scope, expected) in scopes {
        let mut clock = responder(responder::Config::default());
        let tunnels = [("t", "n"), ("t", "m"), ("u", "n")].map(|(of, name)| greet_for(&mut clock, of, name, None).0);
        clock.pass(50);
        let _ = clock.run();
        assert_eq!(clock.tell(responder::Event::DrainRequested { scope, grace: Duration::ZERO }), []);
        let told: Vec<_> = expected.iter().map(|index| responder::Effect::Goaway { tunnel: tunnels[*index] }).collect();
        assert_eq!(clock.run(), told, "{scope:?}");
        assert_eq!(clock.until(clock.now.after(Duration::from_secs(1))).len(), told.len(), "closed one by one");
    }
}

#[test]
fn a_timed_out_caller_of_a_full_cluster_is_told_saturated() {
    let mut clock = responder(responder::Config { max_streams: 1, ..responder::Config::default() });
    let (tunnel, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, cluster("c")), assigned(1, tunnel));
    assert_eq!(open(&mut clock, 2, cluster("c")), responder::Effect::Wait { stream: StreamId(2) });
    let refuse = responder::Effect::Refuse { stream: StreamId(2), refusal: Refusal::Saturated };
    assert_eq!(clock.fire(), [refuse]);
}

#[test]
fn the_earlier_deadline_of_two_full_drains_counts() {
    for graces in [[9, 3], [3, 9]] {
        let mut clock = responder(responder::Config::default());
        let (tunnel, _) = greet(&mut clock, "n", instance(1));
        assert_eq!(open(&mut clock, 1, node("n")), assigned(1, tunnel));
        for grace in graces {
            let grace = Duration::from_secs(grace);
            let _ = clock.tell(responder::Event::DrainRequested { scope: DrainScope::All, grace });
            let _ = clock.run();
        }
        let began = clock.now;
        while !clock.fire().contains(&responder::Effect::Drained) {}
        assert_eq!(clock.now.since(began).as_secs(), 3);
    }
}

#[test]
fn a_responders_drain_refuses_sends_goaway_waits_and_ends() {
    let mut clock = responder(responder::Config::default());
    let (idle, _) = greet(&mut clock, "n", instance(1));
    let (busy, _) = greet(&mut clock, "m", instance(1));
    assert_eq!(open(&mut clock, 1, node("m")), assigned(1, busy));
    assert_eq!(open(&mut clock, 2, node("x")), responder::Effect::Wait { stream: StreamId(2) });
    let drain = responder::Event::DrainRequested { scope: DrainScope::All, grace: Duration::from_secs(30) };
    assert!(!clock.machine.is_draining());
    assert_eq!(clock.tell(drain), []);
    assert!(clock.machine.is_draining());
    assert_eq!(
        clock.run(),
        [
            responder::Effect::Refuse { stream: StreamId(2), refusal: Refusal::Draining },
            responder::Effect::Goaway { tunnel: idle },
            responder::Effect::Goaway { tunnel: busy },
        ]
    );
    let began = clock.now;
    assert_eq!(clock.fire(), [closed(idle, responder::CloseReason::Drained)]);
    assert_eq!(clock.now.since(began).as_secs(), 1);
    assert_eq!(clock.fire(), [closed(busy, responder::CloseReason::GraceExpired), responder::Effect::Drained]);
    assert_eq!(clock.now.since(began).as_secs(), 30);
}
