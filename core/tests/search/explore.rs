//! Breadth-first search of a world: every state that its steps can lead to, and how they hang together.
//!
//! A state is kept as 128 bits of fingerprint and the step that led to it first; the states themselves are forgotten
//! once their steps were taken, and made again from the beginning when a story has to be told.

use std::collections::VecDeque;
use std::env;
use std::thread;

use super::figures;
use super::fingerprint::fingerprint;
use super::visited::Visited;

/// Something small enough to be walked whole: machines, and what they live among.
pub(crate) trait World: Clone {
    type Step: Copy;

    /// What tells this state from every other.
    fn identity(&self) -> impl std::hash::Hash;

    /// Everything that can happen here.
    fn steps(&self) -> Vec<Self::Step>;

    /// What one of them leads to. Asserts what every step has to keep.
    fn take(&self, step: Self::Step) -> Self;

    /// Whether the step does no harm, so that it may be used to get back to a good state.
    fn heals(&self, step: Self::Step) -> bool;

    /// Asserts what has to hold in every state.
    fn check(&self);

    /// Whether everything is as it shall be.
    fn is_good(&self) -> bool;

    /// The story of these steps, which begin in this state: a journal.
    fn tell(&self, steps: &[Self::Step]) -> String;
}

/// How much was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) states: usize,
    pub(crate) edges: usize,
}

/// The steps of this run are taken instead of a search, and told: `NAME 3 0 12 …`, as a failure prints it.
const REPLAY: &str = "REVTUN_REPLAY";

/// Walks everything that can be reached from `start`, asserts what has to hold everywhere, and that from every state a
/// good one can be reached by healing steps only (AG EF good). None if only a run was replayed.
///
/// # Panics
/// If something does not hold, behind the story of how it came to that; or if there are more than `limit` states.
pub(crate) fn search<W: World>(name: &str, start: W, limit: usize) -> Option<Size> {
    if let Ok(run) = env::var(REPLAY) {
        if let Some(numbers) = run.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')) {
            replay(name, &start, numbers);
        }
        return None;
    }
    let mut search = Search { name, start: start.clone(), parents: vec![(0, 0)], at: None };
    let mut visited = Visited::default();
    visited.number(fingerprint(&start.identity()));
    let mut ways_back = Vec::new();
    let mut good = vec![start.is_good()];
    let mut edges = 0;
    let mut frontier = VecDeque::from([start]);
    let mut from = 0;
    while let Some(world) = frontier.pop_front() {
        search.at = Some((from, None));
        for (number, step) in world.steps().into_iter().enumerate() {
            let number = u16::try_from(number).expect("fewer than 2^16 steps");
            search.at = Some((from, Some(number)));
            let next = world.take(step);
            let to = visited.number(fingerprint(&next.identity()));
            edges += 1;
            if to as usize == good.len() {
                assert!(good.len() < limit, "more than {limit} states");
                next.check();
                good.push(next.is_good());
                search.parents.push((from, number));
                frontier.push_back(next);
            }
            if world.heals(step) {
                ways_back.push((to, from));
            }
        }
        from += 1;
    }
    search.at = None;
    if let Some(state) = no_return(&good, ways_back) {
        search.at = Some((state, None));
        panic!("{name}: there is no way back to where everything is as it shall be");
    }
    search.at = None;
    figures::tell(format_args!("{name}: {} states, {edges} edges", good.len()));
    // Stories are true: told again with nothing put away, the steps lead to the same states.
    for state in (0..good.len()).step_by(good.len().div_ceil(STORIES)) {
        let state = u32::try_from(state).expect("fewer than 2^32 states");
        let _story = search.start.tell(&search.path(state, None));
    }
    Some(Size { states: good.len(), edges })
}

/// So many stories are told after each search.
const STORIES: usize = 50;

/// Takes the steps of these numbers, checks each, and tells them.
fn replay<W: World>(name: &str, start: &W, numbers: &str) {
    let mut search = Search { name, start: start.clone(), parents: vec![(0, 0)], at: None };
    let mut world = start.clone();
    for (from, number) in (0..).zip(numbers.split_whitespace()) {
        let number = number.parse().expect("REVTUN_REPLAY is a name and numbers");
        search.at = Some((from, Some(number)));
        let step = *world.steps().get(usize::from(number)).expect("a step of this number can be taken here");
        world = world.take(step);
        search.parents.push((from, number));
        search.at = Some((from + 1, None));
        world.check();
    }
    let (last, _) = search.at.take().expect("at least one step");
    println!("{}", start.tell(&search.path(last, None)).trim_end());
}

/// The way that a search has gone; tells how it came to a failure.
struct Search<'a, W: World> {
    name: &'a str,
    start: W,
    /// For each state the one that it was first reached from, and by which of its steps.
    parents: Vec<(u32, u16)>,
    /// What is being looked at: a state, or a step from it.
    at: Option<(u32, Option<u16>)>,
}

impl<W: World> Search<'_, W> {
    /// The numbers of the steps that lead to `state`, and one more.
    fn numbers(&self, state: u32, last: Option<u16>) -> Vec<u16> {
        let mut numbers: Vec<_> = last.into_iter().collect();
        let mut state = state as usize;
        while state > 0 {
            let (parent, number) = self.parents[state];
            numbers.push(number);
            state = parent as usize;
        }
        numbers.reverse();
        numbers
    }

    fn path(&self, state: u32, last: Option<u16>) -> Vec<W::Step> {
        let mut steps = Vec::new();
        let mut world = self.start.clone();
        let numbers = self.numbers(state, last);
        for (index, number) in numbers.iter().enumerate() {
            let step = world.steps()[usize::from(*number)];
            steps.push(step);
            if index + 1 < numbers.len() {
                world = world.take(step);
            }
        }
        steps
    }
}

impl<W: World> Drop for Search<'_, W> {
    fn drop(&mut self) {
        if let (true, Some((state, last))) = (thread::panicking(), self.at.take()) {
            println!("{}", self.start.tell(&self.path(state, last)).trim_end());
            let numbers: Vec<_> = self.numbers(state, last).iter().map(u16::to_string).collect();
            println!("{REPLAY}='{} {}' takes these steps again", self.name, numbers.join(" "));
        }
    }
}

/// A state that no way leads back from to a good one. `ways_back` are healing steps, the wrong way round.
fn no_return(good: &[bool], mut ways_back: Vec<(u32, u32)>) -> Option<u32> {
    ways_back.sort_unstable();
    let mut healed = good.to_vec();
    let mut open: Vec<_> = (0_u32..).zip(good).filter(|(_, good)| **good).map(|(state, _)| state).collect();
    assert!(!open.is_empty(), "there are good states");
    while let Some(state) = open.pop() {
        let first = ways_back.partition_point(|(to, _)| *to < state);
        for (_, source) in ways_back[first..].iter().take_while(|(to, _)| *to == state) {
            if !std::mem::replace(&mut healed[*source as usize], true) {
                open.push(*source);
            }
        }
    }
    healed.iter().position(|healed| !healed).map(|state| u32::try_from(state).expect("fewer than 2^32 states"))
}
