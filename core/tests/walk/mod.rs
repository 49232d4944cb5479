//! Random walks of a machine: raw throws, decoded into events that its state gives a meaning to.

pub(crate) mod initiator;
pub(crate) mod responder;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use revtun_core::journal::{Journaled, Line};
use revtun_core::{CANONICAL_NOW, Effects, Env, Instant, TunnelId};

/// A machine that a walk can drive.
pub(crate) trait Walked: Journaled {
    /// The kinds of its events, by how often each comes in an ordinary life.
    const KINDS: &'static [u32];

    /// An event of the `kind`th kind.
    fn draw(&self, kind: usize, luck: &mut Luck, past: &Past) -> Self::Event<'static>;

    /// The ids of its tunnels, by slot.
    fn ids(&self) -> Vec<TunnelId>;

    /// The same state as a search sees it.
    fn canonical(&self, now: Instant) -> Self;
}

/// A walk: the machine and the time it has reached.
pub(crate) struct Walk<M> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    past: Past,
    /// The lines of the walk, if somebody wants them; printed if it ends in a panic.
    pub(crate) journal: Option<String>,
}

/// What was there once: where stale ids come from.
#[derive(Default)]
pub(crate) struct Past {
    tunnels: BTreeSet<TunnelId>,
    /// How many callers there were.
    pub(crate) callers: u64,
}

/// Throws out of one throw.
pub(crate) struct Luck {
    left: u64,
    /// For a fuzzer each throw is the next of these bytes; else they have nothing in common (SplitMix64).
    bytes: Option<u128>,
}

impl Luck {
    /// Throws that follow from `seed`.
    #[allow(dead_code, reason = "journals are of walks with one setting")]
    pub(crate) const fn of_seed(seed: u64) -> Self {
        Self { left: seed, bytes: None }
    }

    pub(crate) fn next(&mut self) -> u64 {
        if let Some(bytes) = &mut self.bytes {
            let [byte, ..] = bytes.to_le_bytes();
            *bytes >>= 8;
            return u64::from(byte);
        }
        self.left = self.left.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.left ^ (self.left >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
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
    pub(crate) fn weighted(&mut self, weights: &[u64]) -> usize {
        let all = weights.iter().sum::<u64>().max(1);
        // One byte has to reach the last of them, however much they weigh.
        let mut left = if self.bytes.is_some() && all > 0x100 { self.next() * all / 0x100 } else { self.below(all) };
        let found = weights.iter().position(|weight| {
            let hit = left < *weight;
            left = left.saturating_sub(*weight);
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

#[allow(dead_code, reason = "each who includes this takes the decisions in one of two ways")]
impl<M: Walked> Walk<M> {
    /// A walk that is written down if it is `aloud`.
    pub(crate) fn new(machine: M, aloud: bool) -> Self {
        let journal = aloud.then(String::new);
        Self { machine, now: Instant::from_nanos(1_000_000_000), past: Past::default(), journal }
    }

    /// Time goes on and something happens, both out of one throw. `weights` make this walk unlike others.
    pub(crate) fn decode(&mut self, throw: u64, weights: &[u8]) -> (Env, M::Event<'static>) {
        self.decide(Luck { left: throw, bytes: None }, weights)
    }

    /// The same, with a byte of `throw` for each decision.
    pub(crate) fn decode_bytes(&mut self, throw: u128, weights: &[u8]) -> (Env, M::Event<'static>) {
        self.decide(Luck { left: 0, bytes: Some(throw) }, weights)
    }

    fn decide(&mut self, mut luck: Luck, weights: &[u8]) -> (Env, M::Event<'static>) {
        self.now = self.now.after(pause(&mut luck));
        let event = match self.machine.deadline() {
            Some(due) if due <= self.now && luck.one_in(2) => M::TICK,
            Some(due) if luck.one_in(16) => {
                self.now = self.now.max(due);
                M::TICK
            }
            Some(_) | None => {
                let weights = M::KINDS.iter().zip(weights).map(|(usual, here)| u64::from(usual * u32::from(*here)));
                self.machine.draw(luck.weighted(&weights.collect::<Vec<_>>()), &mut luck, &self.past)
            }
        };
        let dice = if luck.one_in(4) { luck.of(&[0, u64::MAX]) } else { luck.next() };
        (Env { now: self.now, dice }, event)
    }

    /// Takes a step and asserts that the state is sound.
    #[allow(dead_code, reason = "not every user takes and judges at once")]
    pub(crate) fn step(&mut self, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        let effects = self.take(env, event);
        self.judge(env);
        effects
    }

    /// Takes a step and remembers the tunnels behind it.
    pub(crate) fn take(&mut self, env: Env, event: M::Event<'_>) -> Effects<M::Effect> {
        let (line, effects) = Line::step(&mut self.machine, env, event);
        if let Some(journal) = &mut self.journal {
            *journal += &format!("{line}\n");
        }
        self.past.tunnels.extend(self.machine.ids());
        self.past.callers += 1;
        effects
    }

    /// Asserts that the state is sound, right behind a step.
    pub(crate) fn judge(&self, env: Env) {
        self.machine.check();
        let canonical = self.machine.canonical(env.now);
        canonical.check();
        assert!(canonical.canonical(CANONICAL_NOW) == canonical, "a canonical state stays as it is");
    }
}

impl<M> Drop for Walk<M> {
    fn drop(&mut self) {
        if let Some(journal) = &self.journal
            && thread::panicking()
        {
            eprintln!("{journal}");
        }
    }
}

fn pause(luck: &mut Luck) -> Duration {
    let longest = luck.of(&[0, 0, 0, 0, 0, 1, 1, 50, 300, 1_500]);
    let jump = if luck.one_in(400) { 30_000 } else { 0 };
    Duration::from_nanos((jump * 1_000_000) + luck.below(longest * 1_000_000 + 1))
}
