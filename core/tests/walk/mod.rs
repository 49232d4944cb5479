//! Random walks of a machine: raw throws, decoded into events that its state gives a meaning to.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::collections::BTreeSet;
use std::time::Duration;

use revtun_core::journal::Journaled;
use revtun_core::{Effects, Env, Instant, TunnelId};

/// A machine that a walk can drive.
pub(crate) trait Walked: Journaled {
    /// How many kinds of events it has.
    const KINDS: usize;

    /// An event of the `kind`th kind.
    fn draw(&self, kind: usize, luck: &mut Luck, past: &Past) -> Self::Event<'static>;

    /// The ids of its tunnels, by slot.
    fn ids(&self) -> Vec<TunnelId>;
}

/// A walk: the machine and the time it has reached.
pub(crate) struct Walk<M> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    past: Past,
}

/// What was there once: where stale ids come from.
#[derive(Default)]
pub(crate) struct Past {
    tunnels: BTreeSet<TunnelId>,
    /// How many callers there were.
    pub(crate) callers: u64,
}

/// Throws out of one throw (SplitMix64).
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, end: u64) -> bool {
        self.below(end) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::try_from(self.below(among.len() as u64)).expect("an index")]
    }

    /// An index, as often as its weight says; the last one if all are zero.
    pub(crate) fn weighted(&mut self, weights: &[u8]) -> usize {
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = self.below(total.max(1));
        let found = weights.iter().position(|weight| {
            let hit = left < u64::from(*weight);
            left = left.saturating_sub(u64::from(*weight));
            hit
        });
        found.unwrap_or(weights.len() - 1)
    }
}

impl Past {
    /// A tunnel's id, stale one time in eight.
    pub(crate) fn tunnel<M: Walked>(&self, machine: &M, luck: &mut Luck) -> TunnelId {
        let living = machine.ids();
        let known: Vec<_> = self.tunnels.iter().copied().collect();
        match (living.is_empty() || luck.one_in(8), known.is_empty()) {
            (false, _) => luck.of(&living),
            (true, false) => luck.of(&known),
            (true, true) => TunnelId::new(7, 7),
        }
    }
}

impl<M: Walked> Walk<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self { machine, now: Instant::from_nanos(1_000_000_000), past: Past::default() }
    }

    /// Time goes on and something happens, both out of one throw.
    pub(crate) fn decode(&mut self, throw: u64, weights: &[u8]) -> (Env, M::Event<'static>) {
        let mut luck = Luck(throw);
        let due = self.machine.deadline();
        self.now = self.now.after(pause(&mut luck));
        // A driver sends what is due soon, and not always first.
        let event = match due {
            Some(due) if luck.one_in(2) => {
                if luck.one_in(2) {
                    self.now = self.now.max(due);
                }
                M::TICK
            }
            Some(_) | None => self.machine.draw(luck.weighted(weights), &mut luck, &self.past),
        };
        let dice = if luck.one_in(4) { luck.of(&[0, u64::MAX]) } else { luck.next() };
        (Env { now: self.now, dice }, event)
    }

    /// Takes a step and remembers the tunnels that it left.
    pub(crate) fn step(&mut self, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        let effects = self.machine.step(env, event);
        self.past.tunnels.extend(self.machine.ids());
        self.past.callers += 1;
        effects
    }
}

fn pause(luck: &mut Luck) -> Duration {
    let longest = luck.of(&[0, 0, 0, 1_000_000, 50_000_000, 1_000_000_000, 4_000_000_000]);
    let jump = if luck.one_in(200) { 30_000_000_000 } else { 0 };
    Duration::from_nanos(jump + luck.below(longest + 1))
}
