//! Every situation of an initiator × every event.

mod golden;

use std::time::Duration;

use golden::{Scene, compare};
use revtun_core::TunnelId;
use revtun_core::handshake::Answer;
use revtun_core::initiator::{Cause, Config, Event, HostId, Initiator, Protocol};

const HOST: HostId = HostId(0);
const A: TunnelId = TunnelId::new(0, 0);
const B: TunnelId = TunnelId::new(1, 0);
const ACCEPTED: Answer = Answer::Accepted { revtun: true };

#[test]
fn every_event_in_every_situation() {
    compare("initiator.txt", scenes(), &events());
}

fn scenes() -> Vec<(&'static str, Scene<Initiator>)> {
    let nothing = Scene::new(Initiator::new(Config::default()));
    let wanted = nothing.clone().then(0, target(1));
    let dialing = wanted.clone().ticks();
    let handshaking = dialing.clone().then(10, Event::Connected { tunnel: A });
    let accepted = handshaking.clone().then(10, answered(ACCEPTED));
    let proven = accepted.clone().then(0, heard()).then(2_000, heard());
    let envoy = handshaking.clone().then(10, answered(Answer::Accepted { revtun: false })).then(2_000, heard());
    let http2 = proven.clone().then(10, used(Protocol::Http2));
    let http1 = proven.clone().then(10, used(Protocol::Http1));
    let goaway = http2.clone().then(10, Event::GoawayReceived { tunnel: A });
    let refused = |answer| handshaking.clone().then(10, answered(answer));
    let two = nothing.clone().then(0, target(2)).ticks();
    let flapping = (0..2).fold(wanted.clone(), |scene, turn| {
        let tunnel = TunnelId::new(0, turn);
        let scene = scene.ticks().then(10, Event::Connected { tunnel });
        scene
            .then(10, Event::Answered { tunnel, answer: ACCEPTED })
            .then(10, Event::Closed { tunnel, cause: Cause::Lost })
    });
    let drain = Event::DrainRequested { grace: Duration::from_secs(60) };
    vec![
        ("== nothing", nothing.clone()),
        ("== one tunnel wanted, not dialled yet", wanted),
        ("== dialing", dialing.clone()),
        ("== handshaking", handshaking.clone()),
        ("== idle, just accepted by a revtun", accepted),
        ("== idle, pinged every 2 s", proven.clone()),
        ("== idle, accepted by an Envoy, pinged", envoy.clone()),
        ("== in use, HTTP/2", http2.clone()),
        ("== in use, HTTP/1.1", http1),
        ("== draining since the responder's GOAWAY, replacement not dialled yet", goaway.clone()),
        ("== draining since the responder's GOAWAY, replacement dialing", goaway.ticks()),
        ("== the dial timed out", dialing.clone().fire()),
        ("== the dial was refused", dialing.then(10, closed(A, Cause::Refused))),
        ("== answered 403", refused(status(403, None))),
        ("== answered 429, retry after 20 s", refused(status(429, Some(20)))),
        ("== answered 503", refused(status(503, None))),
        ("== flapped twice", flapping),
        ("== two dialing", two.clone()),
        ("== one of two failed: the other is the probe", two.then(10, closed(A, Cause::Lost))),
        ("== one too many, idle at a revtun", proven.clone().then(10, target(0))),
        ("== one too many, idle at an Envoy", envoy.then(10, target(0))),
        ("== host removed, its tunnel in use drains", http2.clone().then(10, target(0)).ticks()),
        ("== drain ordered while in use", http2.clone().then(10, drain)),
        ("== drain, the tunnel was told", http2.then(10, drain).ticks()),
        ("== drain is over", nothing.then(10, drain)),
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![target(0), target(1), target(3), Event::TargetSet { host: HostId(1), count: 1 }];
    for tunnel in [A, B] {
        events.push(Event::Connected { tunnel });
    }
    let revtun = [true, false].map(|revtun| Answer::Accepted { revtun });
    let refused = [status(403, None), status(429, Some(20)), status(503, None), Answer::Downgraded, Answer::Malformed];
    events.extend(revtun.into_iter().chain(refused).map(answered));
    events.extend([heard(), used(Protocol::Http2), used(Protocol::Http1)]);
    events.extend([A, B].map(|tunnel| closed(tunnel, Cause::Refused)));
    events.extend([A, B].map(|tunnel| closed(tunnel, Cause::Lost)));
    events.push(Event::GoawayReceived { tunnel: A });
    events.extend([0, 5].map(|seconds| Event::DrainRequested { grace: Duration::from_secs(seconds) }));
    events.push(closed(TunnelId::new(0, 9), Cause::Lost));
    events
}

fn target(count: u16) -> Event {
    Event::TargetSet { host: HOST, count }
}

fn answered(answer: Answer) -> Event {
    Event::Answered { tunnel: A, answer }
}

fn heard() -> Event {
    Event::Heard { tunnel: A }
}

fn used(protocol: Protocol) -> Event {
    Event::Used { tunnel: A, protocol }
}

fn closed(tunnel: TunnelId, cause: Cause) -> Event {
    Event::Closed { tunnel, cause }
}

fn status(status: u16, retry_after: Option<u64>) -> Answer {
    Answer::Refused { status, retry_after: retry_after.map(Duration::from_secs) }
}
