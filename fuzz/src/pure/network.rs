//! Two initiators, a responder and the network between them; bytes choose what happens next.
//!
//! Every choice is among what can happen now: a message arrives, a timer fires, a caller comes, a wire breaks. So no
//! input is wasted, and a small change of an input is a small change of a run. Whatever happened, once it stops the
//! ends have to find each other again.

mod ends;
mod wire;

use std::time::Duration;

use revtun_core::initiator::{self, HostId};
use revtun_core::responder::{DrainScope, Event, Stage, StreamId, Target, TargetName};
use revtun_core::{Env, Instant, Machine};

use self::ends::{Agent, NODES, Town, identity};
use self::wire::{Down, Up};

/// So long after the last fault all is well again: a few pauses of the longest kind.
const RECOVERY: Duration = Duration::from_secs(45);

/// Two bytes a step: what, and which one.
pub fn run(data: &[u8]) {
    let mut town = Town::new();
    for agent in 0..NODES.len() {
        town.set_target(agent, 1 + (agent as u16 & 1));
    }
    for step in data.chunks_exact(2) {
        act(&mut town, step[0], step[1]);
        town.responder.check();
        town.agents.iter().for_each(|agent| agent.machine.check());
    }
    recover(&mut town);
}

fn act(town: &mut Town, what: u8, which: u8) {
    let number = usize::from(which);
    match what % 16 {
        0..6 => {
            let full = town.wires.iter().enumerate().flat_map(|(wire, it)| {
                [(!it.up.is_empty()).then_some((wire, true)), (!it.down.is_empty()).then_some((wire, false))]
            });
            let full: Vec<_> = full.flatten().collect();
            if let Some((wire, up)) = pick(&full, number) {
                town.deliver(wire, up);
            }
        }
        6 => {
            let due = town.deadlines();
            if let Some(due) = pick(&due, number) {
                town.now = town.now.max(due);
                town.tick_once();
            }
        }
        7 => {
            town.now = town.now.after(Duration::from_millis(20 * u64::from(which)));
            town.tick_once();
        }
        8 => town.open(target(which)),
        9 => {
            if let Some(lease) = pick(&town.held, number) {
                town.release(lease);
            }
        }
        10 => {
            let waiting: Vec<_> = town.waiting.iter().copied().collect();
            if let Some(stream) = pick(&waiting, number) {
                town.waiting.remove(&stream);
                town.tell(Event::Cancelled { stream });
            }
        }
        11 => {
            if let Some(wire) = pick(&indices(town), number) {
                town.wires[wire].cut = true;
            }
        }
        12 => {
            if let Some(wire) = pick(&indices(town), number) {
                town.wires[wire].reset();
            }
        }
        13 => town.restart(number / 2 % NODES.len(), which & 1 == 0),
        14 => town.set_target(number % NODES.len(), u16::from(which / 2 % 4)),
        _ => command(town, which),
    }
}

/// What seldom happens.
fn command(town: &mut Town, which: u8) {
    let number = usize::from(which / 8);
    let grace = Duration::from_secs(u64::from(which / 64));
    match which % 8 {
        0 => {
            let ids: Vec<_> = town.responder.tunnels().map(|view| view.tunnel).collect();
            if let Some(tunnel) = pick(&ids, number) {
                town.tell(Event::DrainRequested { scope: DrainScope::Tunnel(tunnel), grace });
            }
        }
        1 => town.tell(Event::DrainRequested { scope: DrainScope::Target(target(which / 8)), grace }),
        2 if which > 0xf0 => town.tell(Event::DrainRequested { scope: DrainScope::All, grace }),
        3 if which > 0xf0 => town.instruct(number % NODES.len(), initiator::Event::DrainRequested { grace }),
        4 => town.late_word_to_responder(number),
        5 => town.late_word_to_agent(number % NODES.len(), number),
        6 => town.heard_everywhere(),
        _ => {
            let late = StreamId(u64::from(which));
            if !town.waiting.contains(&late) {
                town.tell(Event::Cancelled { stream: late });
            }
        }
    }
}

/// No fault any more: messages arrive, callers leave, time goes on.
fn recover(town: &mut Town) {
    for wire in &mut town.wires {
        if wire.cut {
            wire.reset();
        }
    }
    let end = town.now.after(RECOVERY);
    for turn in 0.. {
        assert!(turn < 200_000, "ends that are left alone calm down");
        while let Some(lease) = town.held.first().copied() {
            town.release(lease);
        }
        let full = town.wires.iter().position(|wire| !wire.up.is_empty() || !wire.down.is_empty());
        if let Some(wire) = full {
            town.deliver(wire, !town.wires[wire].up.is_empty());
            continue;
        }
        town.wires.retain(|wire| wire.near_open || wire.far.is_some());
        match town.deadlines().into_iter().min() {
            Some(due) if due <= end => {
                if due > town.now.after(Duration::from_secs(1)) {
                    town.now = town.now.after(Duration::from_secs(1));
                    town.heard_everywhere();
                } else {
                    town.now = town.now.max(due);
                    town.tick_once();
                }
            }
            Some(_) | None => break,
        }
    }
    town.responder.check();
    town.agents.iter().for_each(|agent| agent.machine.check());
    is_well(town);
}

/// Exactly the tunnels that were asked for, at both ends.
fn is_well(town: &Town) {
    let counts = town.responder.counts();
    assert_eq!((counts.streams, counts.waiting), (0, 0), "every request is over");
    if town.responder.is_draining() {
        assert_eq!((counts.tunnels, town.drained), (0, 1), "DrainEnds, and is said once");
        return;
    }
    for (index, Agent { machine, target, draining, .. }) in town.agents.iter().enumerate() {
        let target = if *draining { 0 } else { usize::from(*target) };
        let usable = |stage| matches!(stage, initiator::Stage::Idle | initiator::Stage::InUse);
        let near = machine.tunnels().filter(|view| usable(view.stage)).count();
        let served = |stage| matches!(stage, Stage::Settling | Stage::Idle | Stage::InUse);
        let ours = |view: &revtun_core::responder::TunnelView<'_>| view.identity == Some(identity(index));
        let far = town.responder.tunnels().filter(|view| ours(view) && served(view.stage)).count();
        assert_eq!((near, far), (target, target), "TargetReached: {machine:?} {:?}", town.responder);
    }
}

fn target(which: u8) -> Target<'static> {
    let identity = identity(usize::from(which) % NODES.len());
    let name = if which & 2 == 0 { TargetName::Node(identity.node) } else { TargetName::Cluster(identity.cluster) };
    Target { tenant: Some(identity.tenant), name }
}

fn indices(town: &Town) -> Vec<usize> {
    (0..town.wires.len()).collect()
}

fn pick<T: Copy>(among: &[T], number: usize) -> Option<T> {
    among.get(number.checked_rem(among.len())?).copied()
}

/// The only host.
const HOST: HostId = HostId(0);

/// The moment and a die that never shows the same twice.
fn env(now: Instant, dice: &mut u64) -> Env {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    Env { now, dice: *dice }
}

/// What is on its way, for both directions.
type Queue<T> = std::collections::VecDeque<T>;
type Ups = Queue<Up>;
type Downs = Queue<Down>;
