//! Swarm testing: the seed decides for every kind of fault whether it is off, rare or frequent.

use std::time::Duration;

use super::fault::{CrashKind, Direction, Fault};
use super::hostile::{GarbageClient, HostileInitiator, HostileResponder};
use crate::dice::chance;
use crate::net::HostId;

/// The most starts of one host: each takes a kernel, and kernels cost time.
const STARTS_MAX: usize = 5;

/// Kinds that [`draw`] draws. Later kinds have their own random numbers, so that the rest of a seed's plan stays
/// what it was before they existed.
const FIRST_KINDS: usize = 20;

/// Kinds that [`draw`] and [`draw_later`] draw; [`draw_hostile_peers`] and [`draw_dns`] draw the rest.
const DRAWN_KINDS: usize = 21;

/// Faults within `span`, in the order of their times.
pub fn draw(
    dice: &mut fastrand::Rng,
    responders: usize,
    initiators: usize,
    span: (Duration, Duration),
) -> Vec<(Duration, Fault)> {
    let weights: Vec<u32> = (0..FIRST_KINDS).map(|_| [0, 0, 0, 1, 1, 2, 8][dice.usize(..7)]).collect();
    let total: u32 = weights.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    // Mostly a few, sometimes very many.
    let count = if chance(dice, 100) { dice.usize(30..60) } else { dice.usize(1..24) };
    let mut starts = vec![1; responders + initiators];
    let mut faults = Vec::with_capacity(count);
    for _ in 0..count {
        let mut left = dice.u32(..total);
        let kind = weights.iter().position(|weight| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        let at = random_time(dice, span);
        let fault = draw_one(dice, kind.unwrap_or_default(), responders, initiators);
        if let Fault::Crash { host, .. } | Fault::Drain { host, .. } = fault {
            let starts = match host {
                HostId::Responder(number) => &mut starts[number],
                HostId::Initiator(number) => &mut starts[responders + number],
                HostId::Caller | HostId::Hostile => continue,
            };
            if *starts == STARTS_MAX {
                continue;
            }
            *starts += 1;
        }
        faults.push((at, fault));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

/// Faults of kinds that were added later.
pub fn draw_later(
    dice: &mut fastrand::Rng,
    responders: usize,
    initiators: usize,
    span: (Duration, Duration),
) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    for kind in FIRST_KINDS..DRAWN_KINDS {
        for _ in 0..[0, 0, 0, 0, 1, 2, 5][dice.usize(..7)] {
            let at = random_time(dice, span);
            faults.push((at, draw_one(dice, kind, responders, initiators)));
        }
    }
    faults
}

/// Hostile initiators and responders within `span`.
pub fn draw_hostile_peers(
    dice: &mut fastrand::Rng,
    responders: usize,
    span: (Duration, Duration),
) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    if chance(dice, 150) {
        for _ in 0..dice.usize(1..4) {
            let at = random_time(dice, span);
            faults.push((
                at,
                Fault::HostileInitiator {
                    responder: dice.usize(..responders),
                    behaviour: HostileInitiator::draw(dice),
                },
            ));
        }
    }
    // At most one: the port of its listener stays in use for a while.
    if chance(dice, 150) {
        let at = random_time(dice, span);
        let duration = Duration::from_secs(dice.u64(3..30));
        faults.push((at, Fault::HostileResponder { behaviour: HostileResponder::draw(dice), duration }));
    }
    faults
}

/// Trouble with the name service within `span`.
pub fn draw_dns(dice: &mut fastrand::Rng, span: (Duration, Duration)) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    if chance(dice, 150) {
        for _ in 0..dice.usize(1..5) {
            let (at, duration) = (random_time(dice, span), random_duration(dice));
            let fault = match dice.u8(..3) {
                0 => Fault::DnsOutage { duration },
                1 => Fault::DnsLie { duration },
                _ => Fault::DnsDelay { delay: Duration::from_millis(dice.u64(100..12_000)), duration },
            };
            faults.push((at, fault));
        }
    }
    faults
}

fn draw_one(dice: &mut fastrand::Rng, kind: usize, responders: usize, initiators: usize) -> Fault {
    let (initiator, responder) = (dice.usize(..initiators), dice.usize(..responders));
    let host = if dice.bool() { HostId::Responder(responder) } else { HostId::Initiator(initiator) };
    let duration = random_duration(dice);
    match Fault::KINDS[kind] {
        "partition" => Fault::Partition { initiator, responder, direction: Direction::Both, duration },
        "cut-one-direction" => Fault::Partition {
            initiator,
            responder,
            direction: if dice.bool() { Direction::Up } else { Direction::Down },
            duration,
        },
        "flap" => {
            let every = Duration::from_millis(dice.u64(5..1500));
            Fault::Flap { initiator, responder, every, times: dice.u32(2..12) }
        }
        "syn-drop" => Fault::SynDrop { responder, duration },
        "nat-rebind" => Fault::NatRebind { initiator },
        "middlebox-reset" => Fault::MiddleboxReset { initiator, responder },
        "packet-loss" => Fault::PacketLoss { initiator, responder, loss: dice.u32(50..600), duration },
        "link-delay" => {
            Fault::Delay { initiator, responder, delay: Duration::from_millis(dice.u64(20..1500)), duration }
        }
        "kill" => Fault::Crash { host, how: CrashKind::Kill, down: random_duration(dice) },
        "reboot" => Fault::Crash { host, how: CrashKind::Reboot, down: random_duration(dice) },
        "power-loss" => Fault::Crash { host, how: CrashKind::PowerLoss, down: random_duration(dice) },
        "reconfigure" => Fault::Reconfigure { initiator, count: dice.u16(1..6) },
        "freeze" => Fault::Freeze { host, duration },
        "clock-skew" => Fault::ClockSkew { host, millis: dice.i64(-86_400_000..86_400_000) },
        "drain-responder" => Fault::Drain { host: HostId::Responder(responder), grace: random_grace(dice) },
        "drain-initiator" => Fault::Drain { host: HostId::Initiator(initiator), grace: random_grace(dice) },
        "drain-node" => Fault::DrainNode { responder, initiator, grace: random_grace(dice) },
        "dns-removal" => Fault::DnsRemoval { responder, duration: Duration::from_secs(dice.u64(1..30)) },
        "scrape" => Fault::Scrape { host },
        "request-burst" => Fault::RequestBurst { responder, requests: dice.u32(5..80) },
        "garbage-client" => Fault::GarbageClient { responder, behaviour: GarbageClient::draw(dice) },
        other => unreachable!("{other} is no kind of fault"),
    }
}

/// A random time within `span`.
fn random_time(dice: &mut fastrand::Rng, (from, to): (Duration, Duration)) -> Duration {
    from + (to - from).mul_f64(dice.f64())
}

/// From milliseconds to longer than every timeout.
fn random_duration(dice: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(match dice.u8(..4) {
        0 => dice.u64(5..500),
        1 => dice.u64(500..5_000),
        2 => dice.u64(5_000..12_000),
        _ => dice.u64(12_000..40_000),
    })
}

fn random_grace(dice: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(dice.u64(0..8_000))
}
