//! Tests out of the specification: paths through its graph that lead over every edge, taken by the real code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::env;

use crate::compare::Rule;
use crate::figures;
use crate::graph::{Edge, Graph, Told, Views, World};

/// A path is as long as this, and then goes on to the next edge that is new.
const LONG: usize = 40;

/// The number of the path to be taken and told, `MODULE WORLD NUMBER`, as a failure prints it.
const PATH: &str = "REVTUN_PATH";

/// What became of the paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) paths: usize,
    /// Edges of the specification that the code took.
    pub(crate) taken: usize,
    /// Edges that it did not, for one of the reasons that are listed.
    pub(crate) explained: usize,
}

/// Takes every path from `start` through the specification. Each of its steps has to be possible, or a rule says why
/// not.
///
/// # Panics
/// If a step is possible in the specification and not in the code, behind the story of the path.
pub(crate) fn cover<W: World + Clone>(
    name: &str,
    start: &W,
    specification: &Graph,
    rules: &[Rule],
    views: &mut Views,
) -> Covered {
    let first = views.number(start.view());
    let is_ruled =
        |views: &Views, edge: &Edge| rules.iter().any(|rule| rule(views.action(edge.action), views.text(edge.from)));
    let ruled: BTreeSet<Edge> = specification.edges.iter().filter(|edge| is_ruled(views, edge)).copied().collect();
    let paths = plan(specification, first, &ruled);
    if let Ok(asked) = env::var(PATH)
        && let Some(number) = asked.strip_prefix(name).and_then(|rest| rest.trim().parse::<usize>().ok())
    {
        println!("{}", take(start, &paths[number - 1], views).story);
    }
    let mut taken: BTreeSet<&Edge> = BTreeSet::new();
    for (number, path) in (1..).zip(&paths) {
        let run = take(start, path, views);
        taken.extend(&path[..run.steps]);
        if let Some(stuck) = path.get(run.steps) {
            let here = format!("{PATH}='{name} {number}' tells it\n{}", run.story);
            assert!(
                path[..=run.steps].iter().any(|edge| ruled.contains(edge)),
                "{here}does not do\n{}",
                views.tell(stuck)
            );
        }
    }
    let covered =
        Covered { paths: paths.len(), taken: taken.len(), explained: specification.edges.len() - taken.len() };
    figures::tell(format_args!(
        "{name}: {} of {} edges in {} paths",
        covered.taken,
        specification.edges.len(),
        covered.paths
    ));
    covered
}

/// How far the code went along a path.
struct Run {
    steps: usize,
    story: String,
}

/// Which slot a tunnel stands in does not show in the specification, so the code is taken along in every way that it
/// can go; the story is that of one of them.
fn take<W: World + Clone>(start: &W, path: &[Edge], views: &Views) -> Run {
    let mut run = Run { steps: 0, story: format!("{}\n", start.view()) };
    let mut worlds = vec![start.clone()];
    for edge in path {
        let action = views.action(edge.action);
        let steps = worlds.iter().flat_map(World::steps).filter(|step| step.told.action() == action);
        let mut ways = BTreeMap::new();
        for step in steps.filter(|step| step.next.view() == views.text(edge.to)) {
            ways.entry(step.next.fingerprint()).or_insert(step);
        }
        let Some(way) = ways.values().next() else { break };
        run.story += &format!("  {} ->\n{}\n", way.told, views.text(edge.to));
        run.steps += 1;
        worlds = ways.into_values().map(|step| step.next).collect();
    }
    run
}

/// Paths that begin at `first` and lead over every edge. An edge that a rule covers ends its path: the code may not go
/// on from there. Only where no other way leads on is it passed.
fn plan(graph: &Graph, first: u32, ruled: &BTreeSet<Edge>) -> Vec<Vec<Edge>> {
    let mut leaving: BTreeMap<u32, Vec<Edge>> = BTreeMap::new();
    for edge in &graph.edges {
        leaving.entry(edge.from).or_default().push(*edge);
    }
    let mut open = graph.edges.clone();
    let mut paths = Vec::new();
    while !open.is_empty() {
        let mut path: Vec<Edge> = Vec::new();
        while path.len() < LONG {
            let here = path.last().map_or(first, |edge| edge.to);
            let mut way = nearest(&leaving, here, &open, |edge| !ruled.contains(edge));
            if way.is_empty() && path.is_empty() {
                way = nearest(&leaving, here, &open, |_| true);
            }
            let Some(last) = way.last().copied() else { break };
            for edge in &way {
                open.remove(edge);
            }
            path.extend(way);
            if ruled.contains(&last) {
                break;
            }
        }
        assert!(!path.is_empty(), "every edge can be reached");
        paths.push(path);
    }
    paths
}

/// The shortest way from `here` over one of the `open` edges, by way of edges that may be `passed`.
fn nearest(
    leaving: &BTreeMap<u32, Vec<Edge>>,
    here: u32,
    open: &BTreeSet<Edge>,
    passed: impl Fn(&Edge) -> bool,
) -> Vec<Edge> {
    let mut came_by: BTreeMap<u32, Option<Edge>> = BTreeMap::from([(here, None)]);
    let mut frontier = VecDeque::from([here]);
    while let Some(state) = frontier.pop_front() {
        for edge in leaving.get(&state).into_iter().flatten() {
            if open.contains(edge) {
                let mut way = vec![*edge];
                while let Some(before) = came_by[&way[way.len() - 1].from] {
                    way.push(before);
                }
                way.reverse();
                return way;
            }
            if passed(edge) && !came_by.contains_key(&edge.to) {
                came_by.insert(edge.to, Some(*edge));
                frontier.push_back(edge.to);
            }
        }
    }
    Vec::new()
}
