//! Exhaustive search of the real code over small configurations. The numbers of states and edges are golden: a change
//! of behaviour, and a search that has gone blind, show in them.

mod graph;

use std::time::Duration;

use graph::{Move, World, search};
use revtun_core::handshake::Answer;
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::initiator::{self, Cause, HostId, Initiator, Protocol, Timer};
use revtun_core::responder::{self, DrainScope, Hello, Place, Responder, StreamId, Target, Verdict};
use revtun_core::{CANONICAL_NOW, Env, Machine};

/// A search that finds more states than this has lost its bounds.
const LIMIT: usize = 200_000;

/// Every duration is the same, so that few differences of times exist.
const UNIT: Duration = Duration::from_secs(60);

/// S1 TargetBound and L1 TargetReached: whatever one fault does to two hosts.
#[test]
fn an_initiator_always_finds_back_to_its_target() {
    let scope = Scope { used: false, drain: false };
    let found =
        search(initiator(&[2, 2], 1), LIMIT, Initiator::canonical, |it| life(it, scope), |it| reached(it, &[2, 2]));
    assert_eq!((found.states, found.edges), (33_348, 135_874));
}

/// The same with one host and more faults: failures in a row, probes, waves.
#[test]
fn an_initiator_gets_over_several_faults() {
    let scope = Scope { used: true, drain: false };
    let found = search(initiator(&[2], 3), LIMIT, Initiator::canonical, |it| life(it, scope), |it| reached(it, &[2]));
    assert_eq!((found.states, found.edges), (51_981, 222_944));
}

/// L5 DrainEnds: whenever a drain is ordered.
#[test]
fn an_initiators_drain_always_ends() {
    let gone = |world: &World<Initiator>| world.machine.tunnels().count() == 0 && world.machine.deadline().is_none();
    let scope = Scope { used: true, drain: true };
    let found = search(initiator(&[2, 2], 0), LIMIT, Initiator::canonical, |it| life(it, scope), gone);
    assert_eq!((found.states, found.edges), (2_143, 14_096));
}

/// What else can happen to an initiator. Each makes many more states.
#[derive(Clone, Copy)]
struct Scope {
    used: bool,
    drain: bool,
}

fn initiator(targets: &[u16], budget: u8) -> World<Initiator> {
    let config = initiator::Config {
        connect_timeout: UNIT,
        handshake_timeout: UNIT,
        silence: UNIT,
        drain_grace: UNIT,
        refused_cap: UNIT,
        backoff_base: UNIT,
        backoff_cap: UNIT,
        denied_base: UNIT,
        retry_after_cap: UNIT,
        ..initiator::Config::default()
    };
    let mut machine = Initiator::new(config);
    for (host, count) in (0..).map(HostId).zip(targets) {
        let env = Env { now: CANONICAL_NOW, dice: 0 };
        let _ = machine.step(env, initiator::Event::TargetSet { host, count: *count });
    }
    World { machine, budget }
}

/// Whether every host has what it shall have.
fn reached(world: &World<Initiator>, targets: &[usize]) -> bool {
    (0..).map(HostId).zip(targets).all(|(host, target)| {
        let up = |view: &initiator::TunnelView| {
            view.host == host && matches!(view.stage, initiator::Stage::Idle | initiator::Stage::InUse)
        };
        world.machine.tunnels().filter(up).count() == *target
    })
}

/// What can happen to an initiator.
fn life(world: &World<Initiator>, scope: Scope) -> Vec<Move<initiator::Event>> {
    let mut moves = Vec::new();
    let mut add = |event, dice, fault: bool| {
        if !fault || world.budget > 0 {
            moves.push(Move { event, dice, counted: fault, heals: !fault });
        }
    };
    for view in world.machine.tunnels() {
        let tunnel = view.tunnel;
        let lost = initiator::Event::Closed { tunnel, cause: Cause::Lost };
        match view.stage {
            initiator::Stage::Dialing => {
                add(initiator::Event::Connected { tunnel }, 0, false);
                add(initiator::Event::Closed { tunnel, cause: Cause::Refused }, u64::MAX, true);
            }
            initiator::Stage::Handshaking => {
                let answer = |answer| initiator::Event::Answered { tunnel, answer };
                add(answer(Answer::Accepted { revtun: true }), 0, false);
                add(answer(Answer::Refused { status: 403, retry_after: None }), u64::MAX, true);
                add(lost, 0, true);
            }
            initiator::Stage::Idle => {
                add(initiator::Event::Heard { tunnel }, 0, false);
                if scope.used {
                    add(initiator::Event::Used { tunnel, protocol: Protocol::Http2 }, 0, false);
                }
                add(initiator::Event::GoawayReceived { tunnel }, 0, true);
                add(lost, 0, true);
            }
            initiator::Stage::InUse => {
                add(initiator::Event::Heard { tunnel }, 0, false);
                add(initiator::Event::GoawayReceived { tunnel }, 0, true);
            }
            initiator::Stage::Draining => add(lost, 0, false),
        }
    }
    if scope.drain {
        add(initiator::Event::DrainOrdered { grace: UNIT }, 0, false);
    }
    match world.machine.next_timer() {
        Some(Timer::ConnectTimeout(_) | Timer::HandshakeTimeout(_) | Timer::Silence(_)) => {
            add(initiator::Event::Tick, 0, true);
        }
        Some(Timer::Dial(_) | Timer::Shed(_) | Timer::Grace(_) | Timer::DrainEnd) => {
            add(initiator::Event::Tick, 0, false);
        }
        None => {}
    }
    moves
}

/// L8 WaiterServed and the end of everything: a responder that is left alone ends with nothing, from wherever.
#[test]
fn a_responder_that_is_left_alone_comes_to_rest() {
    let config = responder::Config {
        handshake_timeout: UNIT,
        settle: Duration::ZERO,
        ping_interval: UNIT,
        echo_timeout: UNIT,
        silence: UNIT,
        wait: UNIT,
        drain_grace: UNIT,
        max_streams: 1,
        max_waiting: 1,
        max_handshakes: 1,
        ..responder::Config::default()
    };
    // Three tunnels in all.
    let start = World { machine: Responder::new(config), budget: 3 };
    let empty = |world: &World<Responder>| world.machine.tunnels().count() == 0 && world.machine.deadline().is_none();
    let found = search(start, LIMIT, Responder::canonical, traffic, empty);
    assert_eq!((found.states, found.edges), (25_435, 150_178));
}

/// What can happen to a responder. Only time heals.
fn traffic(world: &World<Responder>) -> Vec<Move<responder::Event<'static>>> {
    let mut moves = Vec::new();
    let mut add = |event: responder::Event<'static>| {
        let heals = event == responder::Event::Tick;
        let counted = event == responder::Event::Accepted;
        moves.push(Move { event, dice: 0, counted, heals });
    };
    if world.budget > 0 {
        add(responder::Event::Accepted);
    }
    for view in world.machine.tunnels() {
        let tunnel = view.tunnel;
        match view.stage {
            responder::Stage::Handshaking => {
                for (node, cluster) in [("n", "c"), ("m", "d")] {
                    add(responder::Event::Greeted { tunnel, hello: hello(node, cluster) });
                }
            }
            responder::Stage::Idle => {
                add(responder::Event::Closed { tunnel });
            }
            responder::Stage::InUse => {
                add(responder::Event::GoawayReceived { tunnel });
            }
            responder::Stage::Rejected | responder::Stage::Settling | responder::Stage::Draining => {}
        }
        if view.streams > 0 {
            add(responder::Event::Released { tunnel });
        }
    }
    for place in [Place::Node(node("n")), Place::Cluster(cluster("c"))] {
        let target = Target { tenant: TenantId::new("t").ok(), place };
        add(responder::Event::Opened { stream: StreamId(100), target });
    }
    add(responder::Event::DrainOrdered { scope: DrainScope::All, grace: UNIT });
    if world.machine.deadline().is_some() {
        add(responder::Event::Tick);
    }
    moves
}

fn hello(name: &'static str, group: &'static str) -> Hello<'static> {
    let identity = Identity { node: node(name), cluster: cluster(group), tenant: TenantId::new("t").expect("legal") };
    Hello { identity, instance: None, verdict: Verdict::Believed }
}

fn node(name: &'static str) -> NodeId<'static> {
    NodeId::new(name).expect("legal")
}

fn cluster(name: &'static str) -> ClusterId<'static> {
    ClusterId::new(name).expect("legal")
}
