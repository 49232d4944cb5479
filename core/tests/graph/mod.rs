//! Breadth-first search of a machine: every state that a few kinds of events can lead to, and how they hang together.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use revtun_core::journal::Journaled;
use revtun_core::{CANONICAL_NOW, Env, Instant};

/// A machine in canonical form, and how often the world may still do what is counted.
#[derive(Clone, Hash)]
pub(crate) struct World<M> {
    pub(crate) machine: M,
    pub(crate) budget: u8,
}

/// One thing that can happen in a world.
pub(crate) struct Move<E> {
    pub(crate) event: E,
    pub(crate) dice: u64,
    /// Whether it uses up the world's budget.
    pub(crate) counted: bool,
    /// Whether it may be used to get back to a good state.
    pub(crate) heals: bool,
}

/// Everything that was found: how often, and which states can still reach a good one.
pub(crate) struct Graph {
    pub(crate) states: usize,
    pub(crate) edges: usize,
    sources: Vec<Vec<u32>>,
    good: Vec<bool>,
    /// How each state was reached first, for telling the story of a failure.
    parents: Vec<Option<(u32, String)>>,
}

/// Walks everything that can be reached from `start`, and asserts the invariants everywhere.
///
/// # Panics
/// If there are more than `limit` states: a search must end.
pub(crate) fn search<M: Journaled>(
    start: World<M>,
    limit: usize,
    canonical: impl Fn(&M, Instant) -> M,
    moves: impl Fn(&World<M>) -> Vec<Move<M::Event<'static>>>,
    is_good: impl Fn(&World<M>) -> bool,
) -> Graph {
    let mut known = BTreeMap::from([(fingerprint(&start), 0)]);
    let mut graph =
        Graph { states: 1, edges: 0, sources: vec![Vec::new()], good: vec![is_good(&start)], parents: vec![None] };
    let mut frontier = VecDeque::from([(0, start)]);
    while let Some((from, world)) = frontier.pop_front() {
        for step in moves(&world) {
            let mut next = World { machine: world.machine.clone(), budget: world.budget - u8::from(step.counted) };
            let deadline = world.machine.deadline().filter(|_| is_tick::<M>(step.event));
            let now = deadline.map_or(CANONICAL_NOW, |deadline| deadline.max(CANONICAL_NOW));
            let _ = next.machine.step(Env { now, dice: step.dice }, step.event);
            next.machine = canonical(&next.machine, now);
            let found = u32::try_from(known.len()).expect("fewer than 2^32 states");
            let to = *known.entry(fingerprint(&next)).or_insert(found);
            graph.edges += 1;
            if to == found {
                assert!(known.len() <= limit, "more than {limit} states");
                next.machine.check();
                graph.sources.push(Vec::new());
                graph.good.push(is_good(&next));
                graph.parents.push(Some((from, M::tell_event(step.event).to_string())));
                frontier.push_back((to, next));
            }
            if step.heals {
                graph.sources[to as usize].push(from);
            }
        }
    }
    graph.states = known.len();
    println!("{} states, {} edges", graph.states, graph.edges);
    graph
}

impl Graph {
    /// AG EF good: asserts that from every state a good one can be reached by healing moves only.
    pub(crate) fn can_always_heal(&self) {
        let mut healed = self.good.clone();
        let mut open: Vec<_> = (0..self.states).filter(|state| healed[*state]).collect();
        assert!(!open.is_empty(), "there are good states");
        while let Some(state) = open.pop() {
            for source in &self.sources[state] {
                if !std::mem::replace(&mut healed[*source as usize], true) {
                    open.push(*source as usize);
                }
            }
        }
        let stuck = healed.iter().position(|healed| !healed);
        assert!(stuck.is_none(), "no way back from here:\n{}", self.story(stuck.unwrap_or_default()));
    }

    /// The steps that lead to a state.
    fn story(&self, mut state: usize) -> String {
        let mut lines = Vec::new();
        while let Some((parent, line)) = &self.parents[state] {
            lines.push(line.as_str());
            state = *parent as usize;
        }
        lines.reverse();
        lines.join("\n")
    }
}

fn is_tick<M: Journaled>(event: M::Event<'_>) -> bool {
    M::tell_event(event).word() == "Tick"
}

/// 128 bits out of two hashes with fixed keys: among a million states two are taken for one with odds of 1 in 10^26.
fn fingerprint(world: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}
