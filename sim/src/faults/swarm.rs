//! Which faults a seed brings: every kind is on or off, rare or frequent, as the seed has it.

use std::time::Duration;

use super::{Death, Fault, Way};
use crate::cast::stranger::Manner;
use crate::cast::{false_cloud, guest};
use crate::dice::chance;
use crate::net::Place;

/// The most starts of one machine: each takes a kernel, and kernels cost time.
const STARTS_MAX: usize = 5;

/// So many kinds are drawn by [`draw`]. Those behind them have dice of their own, so that whatever else a seed brings stays
/// what it was without them.
const AT_FIRST: usize = 20;

/// So many are drawn by [`draw`] and [`draw_later`]; the rest by [`visitors`].
const LATER: usize = 21;

/// Faults within `span` for a world of so many responders and initiators, in order.
pub fn draw(
    dice: &mut fastrand::Rng,
    responders: usize,
    initiators: usize,
    span: (Duration, Duration),
) -> Vec<(Duration, Fault)> {
    let weights: Vec<u32> = (0..AT_FIRST).map(|_| [0, 0, 0, 1, 1, 2, 8][dice.usize(..7)]).collect();
    let total: u32 = weights.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    // Mostly some, at times very many.
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
        let at = moment(dice, span);
        let fault = draw_one(dice, kind.unwrap_or_default(), responders, initiators);
        if let Fault::Crash { place, .. } | Fault::Drain { place, .. } = fault {
            let starts = match place {
                Place::Responder(number) => &mut starts[number],
                Place::Initiator(number) => &mut starts[responders + number],
                Place::Caller | Place::Stranger => continue,
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

/// Faults of the kinds that came later.
pub fn draw_later(
    dice: &mut fastrand::Rng,
    responders: usize,
    initiators: usize,
    span: (Duration, Duration),
) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    for kind in AT_FIRST..LATER {
        for _ in 0..[0, 0, 0, 0, 1, 2, 5][dice.usize(..7)] {
            let at = moment(dice, span);
            faults.push((at, draw_one(dice, kind, responders, initiators)));
        }
    }
    faults
}

/// Peers within `span` that may come in although they mean no good, at either end.
pub fn visitors(dice: &mut fastrand::Rng, responders: usize, span: (Duration, Duration)) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    if chance(dice, 150) {
        for _ in 0..dice.usize(1..4) {
            let at = moment(dice, span);
            faults.push((at, Fault::Guest { responder: dice.usize(..responders), manner: guest::Manner::draw(dice) }));
        }
    }
    // A port that had a listener is taken for a while, so one has to be enough.
    if chance(dice, 150) {
        let at = moment(dice, span);
        let lasts = Duration::from_secs(dice.u64(3..30));
        faults.push((at, Fault::FalseCloud { manner: false_cloud::Manner::draw(dice), lasts }));
    }
    faults
}

fn draw_one(dice: &mut fastrand::Rng, kind: usize, responders: usize, initiators: usize) -> Fault {
    let (initiator, responder) = (dice.usize(..initiators), dice.usize(..responders));
    let place = if dice.bool() { Place::Responder(responder) } else { Place::Initiator(initiator) };
    let lasts = duration(dice);
    match Fault::KINDS[kind] {
        "cut" => Fault::Cut { initiator, responder, way: Way::Both, lasts },
        "cut-one-way" => Fault::Cut { initiator, responder, way: if dice.bool() { Way::Up } else { Way::Down }, lasts },
        "flap" => {
            let every = Duration::from_millis(dice.u64(5..1500));
            Fault::Flap { initiator, responder, every, times: dice.u32(2..12) }
        }
        "syn-hole" => Fault::SynHole { responder, lasts },
        "nat-rebind" => Fault::Rebind { initiator },
        "middlebox-reset" => Fault::Reset { initiator, responder },
        "storm" => Fault::Storm { initiator, responder, loss: dice.u32(50..600), lasts },
        "slow-link" => Fault::Slow { initiator, responder, delay: Duration::from_millis(dice.u64(20..1500)), lasts },
        "killed" => Fault::Crash { place, how: Death::Killed, down: duration(dice) },
        "restart-with-reset" => Fault::Crash { place, how: Death::Reset, down: duration(dice) },
        "power-loss" => Fault::Crash { place, how: Death::PowerLoss, down: duration(dice) },
        "reconfigure" => Fault::Reconfigure { initiator, count: dice.u16(1..6) },
        "freeze" => Fault::Freeze { place, lasts },
        "clock-skew" => Fault::Skew { place, millis: dice.i64(-86_400_000..86_400_000) },
        "drain-responder" => Fault::Drain { place: Place::Responder(responder), grace: grace(dice) },
        "drain-initiator" => Fault::Drain { place: Place::Initiator(initiator), grace: grace(dice) },
        "renew" => Fault::Renew { responder, initiator, grace: grace(dice) },
        "vanish" => Fault::Vanish { responder, lasts: Duration::from_secs(dice.u64(1..30)) },
        "scrape" => Fault::Scrape { place },
        "burst" => Fault::Burst { responder, requests: dice.u32(5..80) },
        "stranger" => Fault::Stranger { responder, manner: Manner::draw(dice) },
        other => unreachable!("{other} is no kind of fault"),
    }
}

/// A moment of `span`, from its beginning to its end.
fn moment(dice: &mut fastrand::Rng, (from, to): (Duration, Duration)) -> Duration {
    from + (to - from).mul_f64(dice.f64())
}

/// A blink, a moment, or longer than anybody is patient.
fn duration(dice: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(match dice.u8(..4) {
        0 => dice.u64(5..500),
        1 => dice.u64(500..5_000),
        2 => dice.u64(5_000..12_000),
        _ => dice.u64(12_000..40_000),
    })
}

fn grace(dice: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(dice.u64(0..8_000))
}
