//! Which tunnels an order to drain is about, before it is given.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    Config, DrainScope, Effect, Event, Handshake, Responder, Source, Stage, Target, TargetName, Verdict,
};

fn node(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Node(NodeId::new(name).expect("legal")) }
}

fn accept(clock: &mut Clock<Responder>) -> TunnelId {
    let admitted = clock.tell(Event::Accepted { source: Source(1) });
    let [Effect::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    tunnel
}

/// A tunnel of a node of tenant `t`. What is due at once is done.
fn tunnel_of(clock: &mut Clock<Responder>, name: &str) -> TunnelId {
    let tunnel = accept(clock);
    let identity = Identity {
        node: NodeId::new(name).expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
    };
    let handshake = Handshake { identity, instance: Some(Instance(1)), verdict: Verdict::Authenticated };
    let _ = clock.tell(Event::HandshakeReceived { tunnel, handshake });
    let _ = clock.run();
    tunnel
}

#[test]
fn how_many_a_drain_would_concern_is_known_before() {
    let mut clock = Clock::new(Responder::new(Config::default()));
    let (first, second) = (tunnel_of(&mut clock, "a"), tunnel_of(&mut clock, "b"));
    let handshaking = accept(&mut clock);
    let count = |clock: &Clock<Responder>, scope| clock.machine.drainable(&scope);
    assert_eq!(count(&clock, DrainScope::All), 2);
    assert_eq!(count(&clock, DrainScope::Tenant(TenantId::new("t").expect("legal"))), 2);
    assert_eq!(count(&clock, DrainScope::Tenant(TenantId::new("u").expect("legal"))), 0);
    assert_eq!(count(&clock, DrainScope::Target(node("a"))), 1);
    assert_eq!(count(&clock, DrainScope::Tunnel(second)), 1);
    assert_eq!(count(&clock, DrainScope::Tunnel(handshaking)), 0);
    clock.pass(1);
    let _ = clock.tell(Event::DrainRequested { scope: DrainScope::Target(node("a")), grace: Duration::from_secs(1) });
    assert_eq!(count(&clock, DrainScope::All), 1);
    assert_eq!(clock.machine.tunnel(first).map(|view| view.stage), Some(Stage::Draining));
    assert_eq!(clock.machine.tunnel(TunnelId::new(99, 0)), None);
}
