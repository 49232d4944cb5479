//! The policies, one by one, with exact times.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::handshake::{Answer, Instance, Rejection};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::{self, Cause, HostId, Initiator, Protocol};
use revtun_core::responder::{self, DrainScope, Hello, Place, Refusal, Responder, StreamId, Target, Verdict};
use revtun_core::{Machine as _, TunnelId};

const HOST: HostId = HostId(0);
const MAX: u64 = u64::MAX;

// The initiator.

fn tunnel(slot: u32, generation: u32) -> TunnelId {
    TunnelId::new(slot, generation)
}

fn wanting(count: u16) -> Clock<Initiator> {
    let mut clock = Clock::new(Initiator::new(initiator::Config::default()));
    let _ = clock.tell(initiator::Event::TargetSet { host: HOST, count });
    clock
}

fn accept(clock: &mut Clock<Initiator>, tunnel: TunnelId) {
    let _ = clock.tell(initiator::Event::Connected { tunnel });
    let answer = Answer::Accepted { revtun: true };
    let effects = clock.tell(initiator::Event::Answered { tunnel, answer });
    assert_eq!(effects, [initiator::Effect::Deliver { tunnel }]);
}

fn answer(clock: &mut Clock<Initiator>, tunnel: TunnelId, status: u16, retry_after: Option<u64>) {
    let _ = clock.tell(initiator::Event::Connected { tunnel });
    let answer = Answer::Refused { status, retry_after: retry_after.map(Duration::from_secs) };
    let effects = clock.tell(initiator::Event::Answered { tunnel, answer });
    let reason = initiator::CloseReason::Refused(status);
    assert_eq!(effects, [initiator::Effect::Close { tunnel, reason }]);
}

fn dials(effects: &[initiator::Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, initiator::Effect::Dial { .. })).count()
}

/// The pauses before the dials, where the only tunnel fails again and again in the same way.
fn pauses(dice: u64, times: u32, fail: impl Fn(&mut Clock<Initiator>, TunnelId)) -> Vec<u128> {
    let mut clock = wanting(1);
    clock.dice = dice;
    let pauses = (0..times).map(|generation| {
        let began = clock.now;
        let effects = clock.fire();
        assert_eq!(effects, [initiator::Effect::Dial { tunnel: tunnel(0, generation), host: HOST }]);
        let pause = clock.now.since(began).as_millis();
        fail(&mut clock, tunnel(0, generation));
        pause
    });
    pauses.collect()
}

#[test]
fn a_lost_tunnel_is_redialled_at_once() {
    let mut clock = wanting(1);
    assert_eq!(dials(&clock.run()), 1);
    accept(&mut clock, tunnel(0, 0));
    clock.pass(2_000);
    let _ = clock.tell(initiator::Event::Heard { tunnel: tunnel(0, 0) });
    let _ = clock.tell(initiator::Event::Closed { tunnel: tunnel(0, 0), cause: Cause::Lost });
    assert_eq!(dials(&clock.run()), 1, "without a pause");
}

#[test]
fn failures_in_a_row_back_off_with_full_jitter() {
    let lost = |clock: &mut Clock<Initiator>, tunnel| {
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Lost });
    };
    assert_eq!(pauses(MAX, 9, lost), [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    assert_eq!(pauses(0, 4, lost), [0, 0, 0, 0]);
}

#[test]
fn a_refused_dial_is_asked_again_soon() {
    let refused = |clock: &mut Clock<Initiator>, tunnel| {
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Refused });
    };
    assert_eq!(pauses(MAX, 5, refused), [0, 500, 600, 600, 600]);
}

#[test]
fn who_is_denied_waits_longer_and_never_nothing() {
    for status in [401, 403, 404] {
        let denied = |clock: &mut Clock<Initiator>, tunnel| answer(clock, tunnel, status, None);
        assert_eq!(pauses(MAX, 5, denied), [0, 5_000, 10_000, 20_000, 30_000]);
        assert_eq!(pauses(0, 5, denied), [0, 2_500, 5_000, 10_000, 15_000]);
    }
}

#[test]
fn retry_after_is_honoured_and_capped() {
    for status in [429, 503] {
        let asked = |clock: &mut Clock<Initiator>, tunnel| answer(clock, tunnel, status, Some(20));
        assert_eq!(pauses(0, 3, asked), [0, 20_000, 20_000]);
        assert_eq!(pauses(MAX, 3, asked), [0, 23_000, 23_000]);
        let greedy = |clock: &mut Clock<Initiator>, tunnel| answer(clock, tunnel, status, Some(3_600));
        assert_eq!(pauses(0, 2, greedy), [0, 300_000]);
    }
}

#[test]
fn retry_after_is_honoured_whatever_fails_beside_it() {
    for other_first in [true, false] {
        let mut clock = wanting(2);
        clock.dice = 0;
        assert_eq!(dials(&clock.run()), 2);
        clock.pass(10);
        let other = initiator::Event::Closed { tunnel: tunnel(0, 0), cause: Cause::Lost };
        if other_first {
            let _ = clock.tell(other);
        }
        answer(&mut clock, tunnel(1, 0), 503, Some(20));
        if !other_first {
            let _ = clock.tell(other);
        }
        let began = clock.now;
        assert_eq!(dials(&clock.fire()), 1);
        assert_eq!(clock.now.since(began).as_secs(), 20);
    }
}

#[test]
fn a_refused_dial_does_not_cut_a_longer_pause_short() {
    let mut clock = wanting(2);
    clock.dice = 0;
    let _ = clock.run();
    answer(&mut clock, tunnel(0, 0), 403, None);
    let _ = clock.tell(initiator::Event::Closed { tunnel: tunnel(1, 0), cause: Cause::Refused });
    let began = clock.now;
    assert_eq!(dials(&clock.fire()), 1);
    assert_eq!(clock.now.since(began).as_millis(), 2_500);
}

#[test]
fn a_host_in_trouble_is_probed_by_one_and_met_by_all_when_it_is_back() {
    let mut clock = wanting(4);
    clock.dice = MAX;
    assert_eq!(dials(&clock.run()), 4);
    clock.pass(10);
    for slot in 0..4 {
        let _ = clock.tell(initiator::Event::Closed { tunnel: tunnel(slot, 0), cause: Cause::Lost });
    }
    let began = clock.now;
    assert_eq!(dials(&clock.fire()), 1);
    assert_eq!(clock.now.since(began).as_millis(), 500, "the wave is one failure");
    assert_eq!(dials(&clock.run()), 0, "one probe");
    accept(&mut clock, tunnel(3, 1));
    assert_eq!(dials(&clock.run()), 3, "the others follow at once");
}

#[test]
fn tunnels_that_are_accepted_and_go_again_are_not_redialled_in_a_loop() {
    let flap = |clock: &mut Clock<Initiator>, tunnel| {
        accept(clock, tunnel);
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Lost });
    };
    assert_eq!(pauses(MAX, 5, flap), [0, 0, 500, 1_000, 2_000]);
}

#[test]
fn a_responder_that_accepts_and_never_pings_is_given_more_and_more_time() {
    let mut clock = wanting(1);
    clock.dice = 0;
    let patience = |clock: &mut Clock<Initiator>, generation| {
        let _ = clock.run();
        accept(clock, tunnel(0, generation));
        let began = clock.now;
        let effects = clock.fire();
        let reason = initiator::CloseReason::Silent;
        assert_eq!(effects, [initiator::Effect::Close { tunnel: tunnel(0, generation), reason }]);
        clock.now.since(began).as_secs()
    };
    let seen: Vec<_> = (0..4).map(|generation| patience(&mut clock, generation)).collect();
    assert_eq!(seen, [7, 14, 28, 56]);
}

#[test]
fn many_tunnels_that_fall_silent_together_stretch_the_patience_once() {
    let mut clock = wanting(8);
    let _ = clock.run();
    (0..8).for_each(|slot| accept(&mut clock, tunnel(slot, 0)));
    let silent = clock.until(clock.now.after(Duration::from_secs(7)));
    assert_eq!(silent.iter().filter(|it| matches!(it, initiator::Effect::Close { .. })).count(), 8);
    let probe = clock.machine.tunnels().next().expect("it is dialled at once").tunnel;
    accept(&mut clock, probe);
    let began = clock.now;
    let given_up = initiator::Effect::Close { tunnel: probe, reason: initiator::CloseReason::Silent };
    while !clock.fire().contains(&given_up) {}
    assert_eq!(clock.now.since(began).as_secs(), 14);
}

/// Our own responder pings at once and then every interval, which may be longer than the silence window.
#[test]
fn a_responder_that_pings_rarely_is_not_left_for_it() {
    let mut clock = wanting(1);
    let _ = clock.run();
    let mut up = tunnel(0, 0);
    accept(&mut clock, up);
    let _ = clock.tell(initiator::Event::Heard { tunnel: up });
    let mut lost = 0;
    for _ in 0..8 {
        let ping = clock.now.after(Duration::from_secs(20));
        while clock.machine.deadline().is_some_and(|deadline| deadline < ping) {
            for effect in clock.fire() {
                if let initiator::Effect::Dial { tunnel, .. } = effect {
                    up = tunnel;
                    lost += 1;
                    accept(&mut clock, up);
                    let _ = clock.tell(initiator::Event::Heard { tunnel: up });
                }
            }
        }
        clock.now = ping;
        let _ = clock.tell(initiator::Event::Heard { tunnel: up });
    }
    assert!(lost <= 2, "{lost} good tunnels were given up");
}

#[test]
fn pings_stretch_the_window_to_three_and_a_half_intervals() {
    let mut clock = wanting(1);
    let _ = clock.run();
    accept(&mut clock, tunnel(0, 0));
    for _ in 0..2 {
        clock.pass(6_000);
        let _ = clock.tell(initiator::Event::Heard { tunnel: tunnel(0, 0) });
    }
    let began = clock.now;
    let reason = initiator::CloseReason::Silent;
    assert_eq!(clock.fire(), [initiator::Effect::Close { tunnel: tunnel(0, 0), reason }]);
    assert_eq!(clock.now.since(began).as_secs(), 21);
}

#[test]
fn a_goaway_is_answered_by_a_new_tunnel_before_the_old_one_is_gone() {
    let mut clock = wanting(1);
    let _ = clock.run();
    accept(&mut clock, tunnel(0, 0));
    clock.pass(2_000);
    let _ = clock.tell(initiator::Event::Used { tunnel: tunnel(0, 0), protocol: Protocol::Http2 });
    assert_eq!(clock.tell(initiator::Event::GoawayReceived { tunnel: tunnel(0, 0) }), []);
    assert_eq!(clock.run(), [initiator::Effect::Dial { tunnel: tunnel(1, 0), host: HOST }]);
    accept(&mut clock, tunnel(1, 0));
    assert_eq!(clock.machine.tunnels().count(), 2, "make before break");
    let _ = clock.tell(initiator::Event::Closed { tunnel: tunnel(0, 0), cause: Cause::Lost });
    assert_eq!(dials(&clock.run()), 0, "nothing is missing");
}

#[test]
fn an_initiators_drain_tells_waits_closes_and_ends() {
    let mut clock = wanting(2);
    let _ = clock.run();
    accept(&mut clock, tunnel(0, 0));
    let _ = clock.tell(initiator::Event::Used { tunnel: tunnel(0, 0), protocol: Protocol::Http2 });
    assert_eq!(clock.tell(initiator::Event::DrainOrdered { grace: Duration::from_secs(30) }), []);
    let surplus = initiator::Effect::Close { tunnel: tunnel(1, 0), reason: initiator::CloseReason::Surplus };
    assert_eq!(clock.run(), [surplus, initiator::Effect::Goaway { tunnel: tunnel(0, 0) }]);
    let began = clock.now;
    let drained = initiator::Effect::Close { tunnel: tunnel(0, 0), reason: initiator::CloseReason::Drained };
    let forget = initiator::Effect::Forget { host: HOST };
    assert_eq!(clock.fire(), [drained, forget, initiator::Effect::Drained]);
    assert_eq!(clock.now.since(began).as_secs(), 30);
}

// The responder.

const fn instance(number: u128) -> Option<Instance> {
    Some(Instance(number))
}

fn node(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), place: Place::Node(NodeId::new(name).expect("legal")) }
}

fn cluster(name: &str) -> Target<'_> {
    Target { tenant: TenantId::new("t").ok(), place: Place::Cluster(ClusterId::new(name).expect("legal")) }
}

/// A connection greets. What is due at once is done.
fn greet(clock: &mut Clock<Responder>, name: &str, instance: Option<Instance>) -> (TunnelId, Vec<responder::Effect>) {
    let admitted = clock.tell(responder::Event::Accepted);
    let [responder::Effect::Admit { tunnel }] = admitted[..] else { panic!("{admitted:?}") };
    let identity = Identity {
        node: NodeId::new(name).expect("legal"),
        cluster: ClusterId::new("c").expect("legal"),
        tenant: TenantId::new("t").expect("legal"),
    };
    let hello = Hello { identity, instance, verdict: Verdict::Believed };
    let mut effects = clock.tell(responder::Event::Greeted { tunnel, hello });
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
fn an_envoy_is_left_alone_at_first_and_a_revtun_is_pinged_at_once() {
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
fn a_returning_node_drains_its_ghost_and_two_living_ones_are_reported_once() {
    let mut clock = responder(responder::Config::default());
    let (old, _) = greet(&mut clock, "n", instance(1));
    assert_eq!(open(&mut clock, 1, node("n")), assigned(1, old));
    let (new, effects) = greet(&mut clock, "n", instance(2));
    assert!(effects.contains(&responder::Effect::Goaway { tunnel: old }), "{effects:?}");
    assert_eq!(open(&mut clock, 2, node("n")), assigned(2, new), "no new work for the ghost");
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
fn a_full_node_gives_up_the_tunnel_that_has_not_answered_for_the_longest_time() {
    let mut clock = responder(responder::Config { max_tunnels_per_node: 2, ..responder::Config::default() });
    let (older, _) = greet(&mut clock, "n", instance(1));
    clock.pass(500);
    let (younger, _) = greet(&mut clock, "n", instance(1));
    let (refused, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects, [responder::Effect::Reject { tunnel: refused, rejection: Rejection::NodeFull }]);
    clock.pass(600);
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], closed(older, responder::CloseReason::Displaced));
    clock.pass(500);
    let (_, effects) = greet(&mut clock, "n", instance(1));
    assert_eq!(effects[0], closed(younger, responder::CloseReason::Displaced));
}

#[test]
fn a_returning_node_is_not_kept_out_by_its_corpse_where_tenant_or_responder_is_full() {
    for (max_tunnels, max_tunnels_per_tenant) in [(1, 100), (100, 1)] {
        let config = responder::Config { max_tunnels, max_tunnels_per_tenant, ..responder::Config::default() };
        let mut clock = responder(config);
        let (corpse, _) = greet(&mut clock, "n", instance(1));
        clock.pass(1_000);
        let (_, effects) = greet(&mut clock, "m", instance(1));
        assert!(matches!(effects[0], responder::Effect::Reject { .. }), "a stranger has to wait");
        let (_, effects) = greet(&mut clock, "n", instance(2));
        assert_eq!(effects[0], closed(corpse, responder::CloseReason::Displaced));
    }
}

#[test]
fn of_two_tunnels_the_one_with_less_to_do_is_taken() {
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
fn callers_wait_in_line_and_nobody_overtakes() {
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
fn a_responders_drain_refuses_tells_waits_and_ends() {
    let mut clock = responder(responder::Config::default());
    let (idle, _) = greet(&mut clock, "n", instance(1));
    let (busy, _) = greet(&mut clock, "m", instance(1));
    assert_eq!(open(&mut clock, 1, node("m")), assigned(1, busy));
    assert_eq!(open(&mut clock, 2, node("x")), responder::Effect::Wait { stream: StreamId(2) });
    let drain = responder::Event::DrainOrdered { scope: DrainScope::All, grace: Duration::from_secs(30) };
    assert_eq!(clock.tell(drain), []);
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
    assert_eq!(clock.fire(), [closed(busy, responder::CloseReason::GraceOver), responder::Effect::Drained]);
    assert_eq!(clock.now.since(began).as_secs(), 30);
}
