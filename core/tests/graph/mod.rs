//! Breadth-first search of a machine: every state that a few kinds of events can lead to, and how they hang together.

mod fingerprint;

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

use fingerprint::fingerprint;
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

/// How much was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) states: usize,
    pub(crate) edges: usize,
}

/// Walks everything that can be reached from `start`, asserts the invariants everywhere, and that from every state a
/// good one can be reached by healing moves only (AG EF good).
///
/// # Panics
/// If there are more than `limit` states: a search must end.
pub(crate) fn search<M: Journaled>(
    start: World<M>,
    limit: usize,
    canonical: impl Fn(&M, Instant) -> M,
    moves: impl Fn(&World<M>) -> Vec<Move<M::Event<'static>>>,
    is_good: impl Fn(&World<M>) -> bool,
) -> Size {
    let mut known = BTreeMap::from([(fingerprint(&start), 0)]);
    let mut graph = Graph { healing: Vec::new(), good: vec![is_good(&start)], parents: vec![0] };
    let mut edges = 0;
    let mut frontier = VecDeque::from([(0, start.clone())]);
    while let Some((from, world)) = frontier.pop_front() {
        for step in moves(&world) {
            let next = take(&world, &step, &canonical);
            let found = u32::try_from(known.len()).expect("fewer than 2^32 states");
            let to = *known.entry(fingerprint(&next)).or_insert(found);
            edges += 1;
            if to == found {
                assert!(known.len() <= limit, "more than {limit} states");
                next.machine.check();
                graph.good.push(is_good(&next));
                graph.parents.push(from);
                frontier.push_back((to, next));
            }
            if step.heals {
                graph.healing.push((to, from));
            }
        }
    }
    println!("{} states, {edges} edges", known.len());
    if let Some(path) = graph.path_to_no_return() {
        let mut world = start;
        for number in path {
            let mut steps = moves(&world).into_iter().map(|step| (take(&world, &step, &canonical), step));
            let (next, step) = steps.find(|(next, _)| known[&fingerprint(next)] == number).expect("it led on before");
            println!("{}", M::tell_event(step.event));
            world = next;
        }
        panic!("there is no way back from where these steps lead");
    }
    Size { states: known.len(), edges }
}

fn take<M: Journaled>(
    world: &World<M>,
    step: &Move<M::Event<'static>>,
    canonical: impl Fn(&M, Instant) -> M,
) -> World<M> {
    let mut machine = world.machine.clone();
    let is_tick = M::tell_event(step.event).word() == "Tick";
    let deadline = machine.deadline().filter(|_| is_tick);
    let now = deadline.map_or(CANONICAL_NOW, |deadline| deadline.max(CANONICAL_NOW));
    let _effects = machine.step(Env { now, dice: step.dice }, step.event);
    World { machine: canonical(&machine, now), budget: world.budget - u8::from(step.counted) }
}

/// How the states hang together, by number.
struct Graph {
    /// From where healing moves lead back to where they begin.
    healing: Vec<(u32, u32)>,
    good: Vec<bool>,
    /// The state that each was first reached from.
    parents: Vec<u32>,
}

impl Graph {
    /// The way to a state that no healing move leads away from to a good one.
    fn path_to_no_return(&mut self) -> Option<Vec<u32>> {
        self.healing.sort_unstable();
        let mut healed = self.good.clone();
        let mut open: Vec<_> = (0_u32..).zip(&healed).filter(|(_, good)| **good).map(|(state, _)| state).collect();
        assert!(!open.is_empty(), "there are good states");
        while let Some(state) = open.pop() {
            let first = self.healing.partition_point(|(to, _)| *to < state);
            for (_, source) in self.healing[first..].iter().take_while(|(to, _)| *to == state) {
                if !std::mem::replace(&mut healed[*source as usize], true) {
                    open.push(*source);
                }
            }
        }
        let mut state = healed.iter().position(|healed| !healed)?;
        let mut path = Vec::new();
        while state > 0 {
            path.push(u32::try_from(state).expect("fewer than 2^32 states"));
            state = self.parents[state] as usize;
        }
        path.reverse();
        Some(path)
    }
}
