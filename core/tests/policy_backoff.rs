//! What an initiator makes of trouble, one kind after the other, with exact pauses.

mod clock;

use std::time::Duration;

use clock::Clock;
use revtun_core::TunnelId;
use revtun_core::handshake::Answer;
use revtun_core::initiator::{self, Cause, HostId, Initiator, Protocol};

const HOST: HostId = HostId(0);

/// Wants `count` tunnels; every pause is the longest it may be.
fn wanting(count: u16) -> Clock<Initiator> {
    let mut clock = Clock::new(Initiator::new(initiator::Config::default()));
    clock.dice = u64::MAX;
    let _ = clock.tell(initiator::Event::TargetSet { host: HOST, count });
    clock
}

fn answer(clock: &mut Clock<Initiator>, tunnel: TunnelId, answer: Answer) {
    let _ = clock.tell(initiator::Event::Connected { tunnel });
    let _ = clock.tell(initiator::Event::Answered { tunnel, answer });
}

fn accept(clock: &mut Clock<Initiator>, tunnel: TunnelId) {
    answer(clock, tunnel, Answer::Accepted { revtun: true });
}

fn lose(clock: &mut Clock<Initiator>, tunnel: TunnelId) {
    let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Lost });
}

/// Time goes on to the next dial. The new tunnel, and how many milliseconds that took.
fn dialled(clock: &mut Clock<Initiator>) -> (TunnelId, u128) {
    let began = clock.now;
    let effects = clock.fire();
    let [initiator::Effect::Dial { tunnel, .. }] = effects[..] else { panic!("{effects:?}") };
    (tunnel, clock.now.since(began).as_millis())
}

/// The pauses before each of the dials, where what becomes of the tunnel is `fate`.
fn pauses(times: usize, fate: impl Fn(&mut Clock<Initiator>, TunnelId, usize)) -> Vec<u128> {
    let mut clock = wanting(1);
    let pauses = (0..times).map(|turn| {
        let (tunnel, pause) = dialled(&mut clock);
        fate(&mut clock, tunnel, turn);
        pause
    });
    pauses.collect()
}

#[test]
fn the_end_of_a_tunnel_that_was_pinged_and_lived_for_a_second_is_no_failure() {
    for life in [1_000, 5_000] {
        let lived = |clock: &mut Clock<Initiator>, tunnel, _| {
            accept(clock, tunnel);
            let _ = clock.tell(initiator::Event::Heard { tunnel });
            clock.pass(life);
            lose(clock, tunnel);
        };
        assert_eq!(pauses(5, lived), [0, 0, 0, 0, 0], "{life} ms");
    }
}

#[test]
fn the_end_of_a_shorter_or_never_pinged_tunnel_is_a_flap() {
    for (pinged, life) in [(true, 999), (false, 999), (false, 5_000)] {
        let flapped = |clock: &mut Clock<Initiator>, tunnel, _| {
            accept(clock, tunnel);
            if pinged {
                let _ = clock.tell(initiator::Event::Heard { tunnel });
            }
            clock.pass(life);
            lose(clock, tunnel);
        };
        assert_eq!(pauses(5, flapped), [0, 0, 500, 1_000, 2_000], "pinged: {pinged}, {life} ms");
    }
}

/// Or else whoever begins HTTP and hangs up would be dialled without a pause.
#[test]
fn the_end_of_a_short_tunnel_in_use_is_a_flap() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let flapped = |clock: &mut Clock<Initiator>, tunnel, _| {
            accept(clock, tunnel);
            let _ = clock.tell(initiator::Event::Used { tunnel, protocol });
            clock.pass(999);
            lose(clock, tunnel);
        };
        assert_eq!(pauses(5, flapped), [0, 0, 500, 1_000, 2_000]);
        let goodbye = |clock: &mut Clock<Initiator>, tunnel, _| {
            accept(clock, tunnel);
            let _ = clock.tell(initiator::Event::Used { tunnel, protocol });
            let _ = clock.tell(initiator::Event::GoawayReceived { tunnel });
        };
        assert_eq!(pauses(5, goodbye), [0, 0, 500, 1_000, 2_000]);
        let lived = |clock: &mut Clock<Initiator>, tunnel, _| {
            accept(clock, tunnel);
            let _ = clock.tell(initiator::Event::Used { tunnel, protocol });
            clock.pass(1_000);
            let _ = clock.tell(initiator::Event::Heard { tunnel });
            lose(clock, tunnel);
        };
        assert_eq!(pauses(5, lived), [0; 5]);
    }
}

#[test]
fn a_tunnel_that_lives_long_enough_resets_the_backoff() {
    for (life, last) in [(1_000, [0, 0]), (999, [1_000, 2_000])] {
        let fate = |clock: &mut Clock<Initiator>, tunnel, turn| {
            accept(clock, tunnel);
            if turn == 2 {
                clock.pass(life);
                let _ = clock.tell(initiator::Event::Heard { tunnel });
            }
            lose(clock, tunnel);
        };
        assert_eq!(pauses(5, fate)[..3], [0, 0, 500]);
        assert_eq!(pauses(5, fate)[3..], last, "the third lived for {life} ms");
    }
}

/// A restart is met within 600 ms; a responder that is down is not knocked at twice a second for days.
#[test]
fn dials_that_are_refused_for_long_become_rarer() {
    let refused = |clock: &mut Clock<Initiator>, tunnel, _| {
        let _ = clock.tell(initiator::Event::Closed { tunnel, cause: Cause::Refused });
    };
    let pauses = pauses(80, refused);
    assert_eq!(pauses[..3], [0, 500, 600]);
    assert!(pauses[3..=64].iter().all(|pause| *pause == 600), "{pauses:?}");
    assert_eq!(pauses[65..70], [1_200, 2_400, 4_800, 5_000, 5_000]);
    assert!(pauses[70..].iter().all(|pause| *pause == 5_000), "the responder is found again within 5 s: {pauses:?}");
}

#[test]
fn the_next_dial_of_a_host_is_known() {
    let mut clock = wanting(1);
    assert_eq!(clock.machine.next_dial(HOST), Some(clock.now));
    let (tunnel, _) = dialled(&mut clock);
    assert_eq!((clock.machine.next_dial(HOST), clock.machine.is_up(HOST)), (None, false), "one is under way");
    lose(&mut clock, tunnel);
    assert_eq!(clock.machine.next_dial(HOST), Some(clock.now.after(Duration::from_millis(500))));
    let (tunnel, _) = dialled(&mut clock);
    accept(&mut clock, tunnel);
    assert_eq!((clock.machine.next_dial(HOST), clock.machine.is_up(HOST)), (None, true));
    assert_eq!(clock.machine.next_dial(HostId(9)), None);
    let _ = clock.tell(initiator::Event::GoawayReceived { tunnel });
    assert!(!clock.machine.is_up(HOST));
}

#[test]
fn what_is_wanted_is_known_until_a_drain() {
    let mut clock = wanting(3);
    let _ = clock.tell(initiator::Event::TargetSet { host: HostId(1), count: 2 });
    let _ = clock.tell(initiator::Event::TargetSet { host: HostId(2), count: 0 });
    let targets = clock.machine.targets();
    assert_eq!((targets.hosts, targets.tunnels), (2, 5));
    let _ = clock.tell(initiator::Event::DrainRequested { grace: Duration::from_secs(1) });
    assert_eq!(clock.machine.targets().tunnels, 0);
}

#[test]
fn two_flaps_limit_dials_and_one_does_not() {
    let mut clock = wanting(2);
    let ((first, _), (pending, _)) = (dialled(&mut clock), dialled(&mut clock));
    accept(&mut clock, first);
    lose(&mut clock, first);
    let (second, pause) = dialled(&mut clock);
    assert_eq!(pause, 0, "while the other is still being dialled");
    clock.pass(10);
    accept(&mut clock, second);
    lose(&mut clock, second);
    assert_eq!(clock.until(clock.now.after(Duration::from_secs(2))), [], "{pending} is the probe");
}

#[test]
fn failures_of_one_wave_with_retry_after_count_once() {
    let mut clock = wanting(2);
    let tunnels = [dialled(&mut clock).0, dialled(&mut clock).0];
    clock.pass(10);
    for tunnel in tunnels {
        answer(&mut clock, tunnel, Answer::Refused { status: 503, retry_after: Some(Duration::from_secs(20)) });
    }
    let (probe, pause) = dialled(&mut clock);
    assert_eq!(pause, 23_000);
    lose(&mut clock, probe);
    assert_eq!(dialled(&mut clock).1, 1_000, "the second in a row");
}

/// How long the tunnel may stay silent after it was heard at these moments, in milliseconds since it was accepted.
fn patience(heard: &[u64]) -> u128 {
    let mut clock = wanting(1);
    let (tunnel, _) = dialled(&mut clock);
    accept(&mut clock, tunnel);
    let accepted = clock.now;
    for at in heard {
        clock.now = accepted.after(Duration::from_millis(*at));
        let _ = clock.tell(initiator::Event::Heard { tunnel });
    }
    let began = clock.now;
    let close = initiator::Effect::Close { tunnel, reason: initiator::CloseReason::Silent };
    assert!(clock.fire().contains(&close));
    clock.now.since(began).as_millis()
}

#[test]
fn the_liveness_timeout_follows_the_last_two_ping_intervals() {
    assert_eq!(patience(&[]), 7_000);
    assert_eq!(patience(&[6_000]), 21_000, "even one ping shows that they are rare");
    assert_eq!(patience(&[10]), 7_000, "and not that they are frequent");
    assert_eq!(patience(&[6_000, 6_001]), 7_000, "a second one does");
    assert_eq!(patience(&[2_000, 8_000]), 7_200, "one late ping says little");
    assert_eq!(patience(&[2_000, 8_000, 14_000]), 21_000, "two do");
    assert_eq!(patience(&[2_000, 8_000, 10_000]), 7_000);
}

/// How long a tunnel may stay silent whose predecessor was heard at these moments, in milliseconds, and then no more.
fn patience_after(heard: &[u64]) -> u128 {
    let mut clock = wanting(1);
    let (dead, _) = dialled(&mut clock);
    accept(&mut clock, dead);
    let accepted = clock.now;
    for at in heard {
        clock.now = accepted.after(Duration::from_millis(*at));
        let _ = clock.tell(initiator::Event::Heard { tunnel: dead });
    }
    while !clock.fire().iter().any(|effect| matches!(effect, initiator::Effect::Close { .. })) {}
    let (next, _) = dialled(&mut clock);
    accept(&mut clock, next);
    let began = clock.now;
    let _ = clock.fire();
    clock.now.since(began).as_millis()
}

#[test]
fn only_an_unknown_ping_interval_is_stretched_by_a_timeout() {
    assert_eq!(patience_after(&[]), 14_000);
    assert_eq!(patience_after(&[10]), 14_000, "it may ping rarely");
    assert_eq!(patience_after(&[10, 2_010]), 7_000, "it was no slow one, it is dead");
}

/// Of a responder that was slow once, the first ping of a new tunnel does not tell that it has become quick.
#[test]
fn the_first_ping_never_shortens_the_ping_interval() {
    let mut clock = wanting(1);
    let (slow, _) = dialled(&mut clock);
    accept(&mut clock, slow);
    clock.pass(6_000);
    let _ = clock.tell(initiator::Event::Heard { tunnel: slow });
    lose(&mut clock, slow);
    let (new, _) = dialled(&mut clock);
    accept(&mut clock, new);
    let _ = clock.tell(initiator::Event::Heard { tunnel: new });
    let began = clock.now;
    let _ = clock.fire();
    assert_eq!(clock.now.since(began).as_millis(), 21_000);
}

#[test]
fn an_idle_tunnel_is_shed_before_one_in_use() {
    let mut clock = wanting(2);
    let (idle, _) = dialled(&mut clock);
    let (busy, _) = dialled(&mut clock);
    for tunnel in [idle, busy] {
        accept(&mut clock, tunnel);
    }
    let _ = clock.tell(initiator::Event::Used { tunnel: busy, protocol: initiator::Protocol::Http2 });
    let _ = clock.tell(initiator::Event::TargetSet { host: HOST, count: 1 });
    assert_eq!(clock.run(), [initiator::Effect::Goaway { tunnel: idle }]);
    assert!(clock.machine.tunnels().any(|view| view.tunnel == busy && view.stage == initiator::Stage::InUse));
}
