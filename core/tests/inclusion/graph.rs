//! The complete graph of the real code in one world, in the words of the specification.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// A machine and what it lives among: how much harm is left to do, who calls, who carries what.
pub(crate) trait World: Sized {
    /// What happened, and on which schedule: what of the time and of the dice decides what a step does.
    type Told: Told;

    /// 128 bits that tell this state from every other.
    fn fingerprint(&self) -> u128;

    /// This state as the specification sees it, slots of tunnels without their names.
    fn view(&self) -> String;

    /// Everything that can happen, on every schedule that makes a difference.
    fn steps(&self) -> Vec<Step<Self>>;
}

/// One step of the real code.
pub(crate) struct Step<W: World> {
    pub(crate) told: W::Told,
    pub(crate) next: W,
}

/// One step in words.
pub(crate) trait Told: Display {
    /// The action of the specification.
    fn action(&self) -> &str;
}

/// One edge, between views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) action: u32,
    pub(crate) to: u32,
}

pub(crate) struct Graph {
    pub(crate) states: usize,
    pub(crate) edges: BTreeSet<Edge>,
}

/// Numbers for texts: views and actions, those of the code and of the specification alike.
#[derive(Default)]
pub(crate) struct Views {
    numbers: BTreeMap<String, u32>,
    views: Vec<String>,
    actions: Vec<String>,
}

impl Views {
    pub(crate) fn number(&mut self, view: String) -> u32 {
        let next = u32::try_from(self.views.len()).expect("fewer than 2^32 views");
        let number = *self.numbers.entry(view.clone()).or_insert(next);
        if number == next {
            self.views.push(view);
        }
        number
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        &self.views[number as usize]
    }

    pub(crate) fn action(&self, number: u32) -> &str {
        &self.actions[number as usize]
    }

    /// The number of the action that `label` names, or of which it names a part: `AnsweredAccepted` is an `Answered`.
    pub(crate) fn known_action(&self, label: &str) -> u32 {
        let whole = self.actions.iter().position(|action| label == action);
        let known = whole.or_else(|| self.actions.iter().position(|action| label.starts_with(action.as_str())));
        position(known.unwrap_or_else(|| panic!("the code never does what {label} does")))
    }

    fn number_of_action(&mut self, action: &str) -> u32 {
        let known = self.actions.iter().position(|known| *known == action);
        position(known.unwrap_or_else(|| {
            self.actions.push(action.to_owned());
            self.actions.len() - 1
        }))
    }

    pub(crate) fn tell(&self, edge: &Edge) -> String {
        format!("{}\n  {} ->\n{}", self.text(edge.from), self.action(edge.action), self.text(edge.to))
    }
}

/// Everything that was found, and how.
pub(crate) struct Walk {
    pub(crate) graph: Graph,
    /// How each state was reached first.
    parents: Vec<Option<(u32, String)>>,
    /// The first state and words that took each edge.
    origins: BTreeMap<Edge, (u32, String)>,
}

/// Takes every step from every state that can be reached from `start`.
///
/// # Panics
/// If there are more than `limit` states: a walk must end.
pub(crate) fn walk<W: World>(start: W, limit: usize, views: &mut Views) -> Walk {
    let mut known = BTreeMap::from([(start.fingerprint(), 0_u32)]);
    let mut view_of = vec![views.number(start.view())];
    let mut worlds = vec![start];
    let mut walk =
        Walk { graph: Graph { states: 0, edges: BTreeSet::new() }, parents: vec![None], origins: BTreeMap::new() };
    let mut from = 0;
    while from < worlds.len() {
        let here = position(from);
        for Step { told, next } in worlds[from].steps() {
            let found = position(known.len());
            let to = *known.entry(next.fingerprint()).or_insert(found);
            if to == found {
                assert!(known.len() <= limit, "more than {limit} states");
                view_of.push(views.number(next.view()));
                worlds.push(next);
                walk.parents.push(Some((here, told.to_string())));
            }
            let action = views.number_of_action(told.action());
            let edge = Edge { from: view_of[from], action, to: view_of[to as usize] };
            if walk.graph.edges.insert(edge) {
                walk.origins.insert(edge, (here, told.to_string()));
            }
        }
        from += 1;
    }
    walk.graph.states = worlds.len();
    walk
}

impl Walk {
    /// The steps that first took `edge`.
    pub(crate) fn story(&self, edge: &Edge) -> String {
        let mut lines = Vec::new();
        let mut step = self.origins.get(edge);
        while let Some((from, words)) = step {
            lines.push(words.as_str());
            step = self.parents[*from as usize].as_ref();
        }
        lines.reverse();
        lines.join("\n")
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 things")
}
