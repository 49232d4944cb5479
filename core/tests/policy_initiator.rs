//! The policies of the initiator, one by one, with exact times.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::address::MAX_COUNT;
use revtun_core::handshake::Answer;
use revtun_core::initiator::{self, Cause, HostId, Initiator, Protocol, Stage};
use revtun_core::{Machine as _, TunnelId};

const HOST: HostId = HostId(0);
const MAX: u64 = u64::MAX;

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
fn the_target_of_a_host_is_capped() {
    let mut clock = wanting(u16::MAX);
    assert_eq!(dials(&clock.run()), usize::from(MAX_COUNT));
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
fn a_refused_connection_is_retried_soon() {
    let refused = |clock: &mut Clock<Initiator>, tunnel| {
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Refused });
    };
    assert_eq!(pauses(MAX, 5, refused), [0, 500, 600, 600, 600]);
}

#[test]
fn a_denied_handshake_backs_off_longer_and_never_zero() {
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
fn retry_after_is_honoured_beside_other_failures() {
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
fn a_refused_connection_does_not_shorten_a_pending_backoff() {
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
fn a_failing_host_is_probed_by_one_dial_and_filled_once_it_accepts() {
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
fn flapping_tunnels_back_off() {
    let flap = |clock: &mut Clock<Initiator>, tunnel| {
        accept(clock, tunnel);
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Lost });
    };
    assert_eq!(pauses(MAX, 5, flap), [0, 0, 500, 1_000, 2_000]);
}

#[test]
fn a_responder_that_accepts_and_never_pings_backs_off_with_a_growing_liveness_timeout() {
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

/// Also where the initiator stood still and finds all of them overdue.
#[test]
fn tunnels_that_time_out_together_stretch_the_liveness_timeout_once() {
    for late in [0, 20_000] {
        let mut clock = wanting(8);
        let _ = clock.run();
        (0..8).for_each(|slot| accept(&mut clock, tunnel(slot, 0)));
        clock.pass(7_000 + late);
        let silent = clock.run();
        assert_eq!(silent.iter().filter(|it| matches!(it, initiator::Effect::Close { .. })).count(), 8);
        let probe = clock.machine.tunnels().next().expect("it is dialled at once").tunnel;
        accept(&mut clock, probe);
        let began = clock.now;
        let given_up = initiator::Effect::Close { tunnel: probe, reason: initiator::CloseReason::Silent };
        while !clock.fire().contains(&given_up) {}
        assert_eq!(clock.now.since(began).as_secs(), 14, "{late} ms late");
    }
}

/// Our own responder pings at once and then every interval, which may be longer than the silence window.
#[test]
fn a_responder_with_a_long_ping_interval_keeps_its_tunnels() {
    let mut clock = wanting(1);
    let _ = clock.run();
    let mut up = tunnel(0, 0);
    accept(&mut clock, up);
    let _ = clock.tell(initiator::Event::Heard { tunnel: up });
    let mut lost = 0;
    for _ in 0..8 {
        let mut ping = clock.now.after(Duration::from_secs(20));
        while clock.machine.deadline().is_some_and(|deadline| deadline < ping) {
            for effect in clock.fire() {
                if let initiator::Effect::Dial { tunnel, .. } = effect {
                    up = tunnel;
                    lost += 1;
                    accept(&mut clock, up);
                    let _ = clock.tell(initiator::Event::Heard { tunnel: up });
                    ping = clock.now.after(Duration::from_secs(20));
                }
            }
        }
        clock.now = ping;
        let _ = clock.tell(initiator::Event::Heard { tunnel: up });
    }
    assert!(lost <= 2, "{lost} good tunnels were given up");
}

#[test]
fn the_liveness_timeout_is_three_and_a_half_ping_intervals() {
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
fn a_tunnel_that_received_goaway_is_replaced_before_it_closes() {
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
fn draining_tunnels_of_a_host_are_limited() {
    let mut clock = Clock::new(Initiator::new(initiator::Config { max_draining: 2, ..initiator::Config::default() }));
    let _ = clock.tell(initiator::Event::TargetSet { host: HOST, count: 1 });
    for turn in 0..5 {
        let _ = clock.run();
        let up = clock.machine.tunnels().find(|view| view.stage == Stage::Dialing).expect("it is replaced").tunnel;
        accept(&mut clock, up);
        let _ = clock.tell(initiator::Event::Used { tunnel: up, protocol: Protocol::Http2 });
        let closed = initiator::Effect::Close { tunnel: up, reason: initiator::CloseReason::Surplus };
        let expected = if turn < 2 { vec![] } else { vec![closed] };
        assert_eq!(clock.tell(initiator::Event::GoawayReceived { tunnel: up }), expected, "turn {turn}");
    }
}

#[test]
fn an_initiator_is_ready_once_a_responder_has_proven_itself() {
    let mut clock = wanting(1);
    let _ = clock.run();
    let id = tunnel(0, 0);
    accept(&mut clock, id);
    assert!(!clock.machine.is_ready(), "a 200 alone proves nothing");
    let _ = clock.tell(initiator::Event::Heard { tunnel: id });
    assert!(clock.machine.is_ready());
    let _ = clock.tell(initiator::Event::Used { tunnel: id, protocol: Protocol::Http2 });
    assert!(clock.machine.is_ready());
    let _ = clock.tell(initiator::Event::GoawayReceived { tunnel: id });
    assert!(!clock.machine.is_ready());
    assert_eq!(clock.machine.stale(), 0);
    let _ = clock.tell(initiator::Event::GoawayReceived { tunnel: id });
    let _ = clock.tell(initiator::Event::Heard { tunnel: tunnel(7, 7) });
    assert_eq!(clock.machine.stale(), 2);
}

#[test]
fn the_earlier_deadline_of_two_drains_counts() {
    for graces in [[9, 3], [3, 9]] {
        let mut clock = wanting(1);
        let _ = clock.run();
        accept(&mut clock, tunnel(0, 0));
        let _ = clock.tell(initiator::Event::Used { tunnel: tunnel(0, 0), protocol: Protocol::Http2 });
        for grace in graces {
            let _ = clock.tell(initiator::Event::DrainRequested { grace: Duration::from_secs(grace) });
        }
        let _ = clock.run();
        let began = clock.now;
        assert!(clock.fire().contains(&initiator::Effect::Drained));
        assert_eq!(clock.now.since(began).as_secs(), 3);
    }
}

#[test]
fn an_initiators_drain_sends_goaway_waits_closes_and_ends() {
    let mut clock = wanting(2);
    let _ = clock.run();
    accept(&mut clock, tunnel(0, 0));
    let _ = clock.tell(initiator::Event::Used { tunnel: tunnel(0, 0), protocol: Protocol::Http2 });
    assert_eq!(clock.tell(initiator::Event::DrainRequested { grace: Duration::from_secs(30) }), []);
    let surplus = initiator::Effect::Close { tunnel: tunnel(1, 0), reason: initiator::CloseReason::Surplus };
    assert_eq!(clock.run(), [surplus, initiator::Effect::Goaway { tunnel: tunnel(0, 0) }]);
    let began = clock.now;
    let drained = initiator::Effect::Close { tunnel: tunnel(0, 0), reason: initiator::CloseReason::Drained };
    let forget = initiator::Effect::Forget { host: HOST };
    assert_eq!(clock.fire(), [drained, forget, initiator::Effect::Drained]);
    assert_eq!(clock.now.since(began).as_secs(), 30);
}
