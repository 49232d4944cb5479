//! The limits of the responder, one by one.

mod clock;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::{Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{self, Handshake, Refusal, Responder, Source, StreamId, Target, TargetName, Verdict};

const fn instance(number: u128) -> Option<Instance> {
    Some(Instance(number))
}

fn node(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Node(NodeId::new(name).expect("legal")) }
}

/// A connection greets. What is due at once is done.
fn greet(clock: &mut Clock<Responder>, name: &str, instance: Option<Instance>) -> (TunnelId, Vec<responder::Effect>) {
    let admitted = clock.tell(responder::Event::Accepted { source: Source(1) });
    let [responder::Effect::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    let identity = Identity {
        node: NodeId::new(name).expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
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

fn responder(config: responder::Config) -> Clock<Responder> {
    Clock::new(Responder::new(config))
}

#[test]
fn each_tunnel_limit_has_its_own_rejection() {
    let roomy = responder::Config::default();
    for (config, rejection) in [
        (responder::Config { max_tunnels: 1, ..roomy }, Rejection::ResponderFull),
        (responder::Config { max_tunnels_per_tenant: 1, ..roomy }, Rejection::TenantFull),
        (responder::Config { max_tunnels_per_cluster: 1, ..roomy }, Rejection::ClusterFull),
        (responder::Config { max_tunnels_per_node: 1, ..roomy }, Rejection::NodeFull),
    ] {
        let mut clock = responder(config);
        let _ = greet(&mut clock, "n", instance(1));
        // Not long enough for its ping to be suspect.
        clock.pass(100);
        let (tunnel, effects) = greet(&mut clock, "n", instance(1));
        assert_eq!(effects, [responder::Effect::Reject { tunnel, rejection }]);
        assert_eq!(rejection.status(), 429);
        assert!(rejection.retry_after().is_some());
    }
}

#[test]
fn connections_without_a_handshake_are_limited() {
    let mut clock = responder(responder::Config { max_handshakes: 2, ..responder::Config::default() });
    for slot in 0..2 {
        let admit = responder::Effect::Admit { tunnel: TunnelId::new(slot, 0) };
        assert_eq!(clock.tell(responder::Event::Accepted { source: Source(1) }), [admit]);
    }
    let shun = responder::Effect::RefuseConnection { rejection: Rejection::TooManyHandshakes };
    assert_eq!(clock.tell(responder::Event::Accepted { source: Source(1) }), [shun]);
}

#[test]
fn handshakes_of_one_source_are_limited_apart_from_others() {
    let mut clock = responder(responder::Config { max_handshakes_per_source: 2, ..responder::Config::default() });
    let mut knock = |source| clock.tell(responder::Event::Accepted { source: Source(source) });
    let admitted = |effects: Vec<_>| matches!(effects[..], [responder::Effect::Admit { .. }]);
    assert!(admitted(knock(1)) && admitted(knock(1)));
    assert_eq!(knock(1), [responder::Effect::RefuseConnection { rejection: Rejection::TooManyHandshakesFromSource }]);
    assert!(admitted(knock(2)));
    let late = clock.fire();
    assert!(matches!(late[..], [responder::Effect::Close { .. }]), "{late:?}");
    assert!(admitted(clock.tell(responder::Event::Accepted { source: Source(1) })), "who is gone does not count");
}

#[test]
fn a_saturated_tenant_does_not_starve_the_others() {
    let limits =
        responder::Config { max_streams_per_tenant: 3, max_waiting_per_tenant: 2, ..responder::Config::default() };
    let mut clock = responder(responder::Config { max_streams: 1, ..limits });
    let (tunnel, _) = greet(&mut clock, "n", instance(1));
    let refused = |stream, refusal| responder::Effect::Refuse { stream: StreamId(stream), refusal };
    let waits = |stream| responder::Effect::Wait { stream: StreamId(stream) };
    let of_other = |name| Target { tenant: TenantId::new("u").ok(), ..node(name) };
    assert_eq!(open(&mut clock, 1, node("x")), waits(1));
    assert_eq!(open(&mut clock, 2, node("y")), waits(2));
    assert_eq!(open(&mut clock, 3, node("z")), refused(3, Refusal::TenantQueueFull));
    assert_eq!(open(&mut clock, 4, node("n")), assigned(4, tunnel));
    assert_eq!(open(&mut clock, 5, node("n")), refused(5, Refusal::TenantSaturated));
    assert_eq!(open(&mut clock, 6, of_other("n")), waits(6));
    assert_eq!(clock.tell(responder::Event::Released { tunnel }), []);
    assert_eq!(open(&mut clock, 7, node("n")), assigned(7, tunnel));
}

#[test]
fn without_isolation_tenants_do_not_share_the_limits_of_one() {
    let limits = responder::Config {
        max_streams_per_tenant: 1,
        max_waiting_per_tenant: 1,
        max_tunnels_per_tenant: 1,
        ..responder::Config::default()
    };
    let mut clock = responder(responder::Config { tenant_isolation: false, ..limits });
    let (first, _) = greet(&mut clock, "n", instance(1));
    let (second, effects) = greet(&mut clock, "m", instance(2));
    assert!(effects.contains(&responder::Effect::Accept { tunnel: second }), "{effects:?}");
    for stream in 0..3 {
        assert_eq!(open(&mut clock, stream, node("n")), assigned(stream, first));
    }
    for stream in 3..6 {
        let waits = responder::Effect::Wait { stream: StreamId(stream) };
        assert_eq!(open(&mut clock, stream, node("nowhere")), waits);
    }
}

/// The smaller of both ends' limits counts from when the initiator announces its own, and every change of it.
#[test]
fn a_tunnel_carries_no_more_than_its_initiator_announces() {
    let settings =
        |tunnel, max_concurrent_streams| responder::Event::SettingsReceived { tunnel, max_concurrent_streams };
    let waits = |stream| responder::Effect::Wait { stream: StreamId(stream) };
    let mut clock = responder(responder::Config { max_streams: 3, ..responder::Config::default() });
    let (tunnel, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(clock.tell(settings(tunnel, 1)), []);
    assert_eq!(clock.machine.counts().stale, 1, "it speaks no HTTP/2 yet");
    assert_eq!(open(&mut clock, 0, node("n")), assigned(0, tunnel));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, tunnel));
    assert_eq!(clock.tell(settings(tunnel, 2)), []);
    assert_eq!(open(&mut clock, 2, node("n")), waits(2));
    assert_eq!(clock.tell(settings(tunnel, 1)), [], "what is under way goes on");
    assert_eq!(clock.tell(responder::Event::Released { tunnel }), []);
    assert_eq!(clock.run(), [], "there is no room yet");
    assert_eq!(clock.tell(settings(tunnel, 100)), []);
    assert_eq!(clock.run(), [assigned(2, tunnel)], "a higher limit lets the waiting one go");
    assert_eq!(open(&mut clock, 3, node("n")), assigned(3, tunnel));
    assert_eq!(open(&mut clock, 4, node("n")), waits(4), "our own limit holds as well");
    assert_eq!(clock.tell(responder::Event::Cancelled { stream: StreamId(4) }), []);
    for _ in 0..3 {
        assert_eq!(clock.tell(responder::Event::Released { tunnel }), []);
    }
    assert_eq!(clock.tell(settings(tunnel, 0)), []);
    assert_eq!(open(&mut clock, 5, node("n")), waits(5));
}
