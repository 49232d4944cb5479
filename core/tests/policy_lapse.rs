//! What becomes of a tunnel when what proved its identity ends, or is revoked.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::Instance;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{
    CloseReason, Config, DrainScope, Effect, Event, Handshake, Responder, Source, StreamId, Target, TargetName, Verdict,
};

const TUNNEL: TunnelId = TunnelId::new(0, 0);
const TEN: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

fn target() -> Target<'static> {
    Target { tenant: TenantId::new("t").ok(), name: TargetName::Node(NodeId::new("n").expect("legal")) }
}

/// A tunnel with so many requests under way.
fn tunnel(streams: u64) -> Clock<Responder> {
    // What is not heard for long is closed for another reason.
    let config = Config { silence: 10 * HOUR, echo_timeout: 10 * HOUR, ..Config::default() };
    let mut clock = Clock::new(Responder::new(config));
    let _ = clock.tell(Event::Accepted { source: Source(1) });
    let identity = Identity {
        node: NodeId::new("n").expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
    };
    let handshake = Handshake { identity, instance: Some(Instance(1)), verdict: Verdict::Authenticated };
    let _ = clock.tell(Event::HandshakeReceived { tunnel: TUNNEL, handshake });
    let _ = clock.run();
    for stream in 0..streams {
        let assigned = clock.tell(Event::Opened { stream: StreamId(stream), target: target() });
        assert_eq!(assigned, [Effect::Assign { stream: StreamId(stream), tunnel: TUNNEL }]);
    }
    clock
}

fn ends(clock: &mut Clock<Responder>, scope: DrainScope<'static>, grace: Duration) -> Vec<Effect> {
    let mut effects = clock.tell(Event::DrainRequested { scope, grace });
    effects.extend(clock.run());
    effects
}

/// Time passes, and what becomes due is done.
fn pass(clock: &mut Clock<Responder>, time: Duration) -> Vec<Effect> {
    clock.pass(u64::try_from(time.as_millis()).expect("hours"));
    clock.run()
}

fn closed(reason: CloseReason) -> [Effect; 1] {
    [Effect::Close { tunnel: TUNNEL, reason }]
}

#[test]
fn a_tunnel_whose_proof_ends_finishes_its_requests_until_then() {
    let mut clock = tunnel(1);
    assert_eq!(ends(&mut clock, DrainScope::Expired(TUNNEL), TEN), [Effect::Goaway { tunnel: TUNNEL }]);
    let waits = clock.tell(Event::Opened { stream: StreamId(9), target: target() });
    assert_eq!(waits, [Effect::Wait { stream: StreamId(9) }], "it gets no more requests");
    assert_eq!(pass(&mut clock, TEN / 2).iter().filter(|effect| matches!(effect, Effect::Close { .. })).count(), 0);
    let last = pass(&mut clock, TEN / 2);
    assert!(last.ends_with(&closed(CloseReason::CredentialsExpired)), "{last:?}");
}

#[test]
fn a_tunnel_that_is_not_used_goes_soon() {
    let mut clock = tunnel(0);
    assert_eq!(ends(&mut clock, DrainScope::Expired(TUNNEL), TEN), [Effect::Goaway { tunnel: TUNNEL }]);
    assert_eq!(pass(&mut clock, Duration::from_secs(1)), closed(CloseReason::CredentialsExpired));
}

#[test]
fn a_tunnel_whose_proof_is_revoked_goes_at_once_with_what_it_carries() {
    let mut clock = tunnel(1);
    let effects = ends(&mut clock, DrainScope::Revoked(TUNNEL), Duration::ZERO);
    assert_eq!(
        effects,
        [Effect::Goaway { tunnel: TUNNEL }, closed(CloseReason::CredentialsRevoked)[0]],
        "nothing is waited for"
    );
}

/// What an operator, or the initiator, allows a tunnel for its last requests does not let it outlive its proof.
#[test]
fn a_drain_that_is_under_way_does_not_outlive_the_proof() {
    for drain in [
        Event::DrainRequested { scope: DrainScope::Tunnel(TUNNEL), grace: HOUR },
        Event::GoawayReceived { tunnel: TUNNEL },
    ] {
        for told in [true, false] {
            let mut clock = tunnel(1);
            let _ = clock.tell(drain);
            if told {
                let _ = clock.run();
            }
            let _ = ends(&mut clock, DrainScope::Expired(TUNNEL), TEN);
            let last = pass(&mut clock, TEN);
            assert!(last.ends_with(&closed(CloseReason::CredentialsExpired)), "{drain:?}: {last:?}");
        }
    }
    // And one that ends earlier still does.
    let mut clock = tunnel(1);
    let _ = ends(&mut clock, DrainScope::Tunnel(TUNNEL), TEN);
    let _ = ends(&mut clock, DrainScope::Expired(TUNNEL), HOUR);
    let last = pass(&mut clock, TEN);
    assert!(last.ends_with(&closed(CloseReason::GraceExpired)), "{last:?}");
}

#[test]
fn a_tunnel_that_is_gone_is_not_missed() {
    let mut clock = tunnel(0);
    let _ = clock.tell(Event::Closed { tunnel: TUNNEL });
    for scope in [DrainScope::Expired(TUNNEL), DrainScope::Revoked(TUNNEL)] {
        assert_eq!(clock.tell(Event::DrainRequested { scope, grace: TEN }), []);
    }
}
