//! The graph of the code beside that of the specification.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::figures;
use crate::graph::{Edge, Views, World, walk};
use crate::specification;
use crate::value::Value;

/// A walk that finds more states than this has lost its bounds.
pub(crate) const LIMIT: usize = 300_000;

/// Of a hundred edges of the specification the code has to take as many.
const TAKEN_PERCENT: usize = 95;

/// Fewer edges than this, in all worlds of a module, would compare little.
const EDGES_FLOOR: usize = 100_000;

/// Why the code never takes some edges that the specification allows: whether it covers the one with `action` from
/// the view `from`.
pub(crate) type Rule = fn(action: &str, from: &str) -> bool;

/// What a comparison has to find. A change of the behaviour shows here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// States of the code.
    pub(crate) states: usize,
    /// Edges of the specification.
    pub(crate) allowed: usize,
    /// Those that the code never takes.
    pub(crate) never: usize,
}

/// What was taken, in people's terms.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.allowed - self.never;
        let hundredths = taken * 10_000 / self.allowed;
        let (percent, rest) = (hundredths / 100, hundredths % 100);
        write!(f, "{taken:>6} of {:>6} edges of the specification taken ({percent}.{rest:02} %)", self.allowed)
    }
}

/// Compares the machine in the world `start` with `spec/MODULE/graph/WORLD.cfg`.
pub(crate) fn compare<W: World>(
    (module, world): (&str, &str),
    start: W,
    view: fn(&BTreeMap<String, Value>) -> String,
    rules: &[Rule],
    expected: Found,
) -> Found {
    let mut views = Views::default();
    let code = walk(start, LIMIT, &mut views);
    let Some(specification) = specification::explore(module, world, &mut views, view) else {
        assert_eq!(code.graph.states, expected.states, "states of the code in {module} {world}");
        return expected;
    };
    let (taken, allowed) = (&code.graph.edges, &specification.edges);
    // A step that changes nothing is always allowed.
    let foreign = taken.difference(allowed).find(|edge| edge.from != edge.to);
    if let Some(edge) = foreign {
        panic!(
            "{module} {world} does not allow\n{}\nwhich the code does after\n{}",
            views.tell(edge),
            code.story(edge)
        );
    }
    let never: Vec<&Edge> = allowed.difference(taken).collect();
    // What lies behind an edge that is never taken is explained with it.
    let visited: BTreeSet<u32> = taken.iter().map(|edge| edge.to).collect();
    let is_covered = |edge: &Edge| rules.iter().any(|rule| rule(views.action(edge.action), views.text(edge.from)));
    if let Some(edge) = never.iter().find(|edge| visited.contains(&edge.from) && !is_covered(edge)) {
        panic!("in {module} {world} the code never does\n{}\nand no rule says why", views.tell(edge));
    }
    let found = Found { states: code.graph.states, allowed: allowed.len(), never: never.len() };
    let whole = format!("{module} {world}");
    figures::tell(format_args!(
        "{whole:20} {:>7} states of the code, none of whose steps is foreign; {found}",
        found.states
    ));
    assert_eq!(found, expected, "{whole}");
    found
}

/// Whether a module's worlds were large enough, and enough of them was taken.
pub(crate) fn sum_up(worlds: &[Found]) {
    let allowed: usize = worlds.iter().map(|world| world.allowed).sum();
    let never: usize = worlds.iter().map(|world| world.never).sum();
    figures::tell(format_args!("in all: {}", Found { states: 0, allowed, never }));
    assert!(allowed >= EDGES_FLOOR, "only {allowed} edges were compared");
    assert!(never * 100 <= allowed * (100 - TAKEN_PERCENT), "{never} of {allowed} edges are never taken");
}
