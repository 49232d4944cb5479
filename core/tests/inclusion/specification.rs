//! The complete graph of the specification in one world, as TLC found it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::graph::{Edge, Graph, Views};
use crate::value::Value;

/// What `spec/check` exits with when TLC cannot be had.
const UNAVAILABLE: i32 = 3;

/// Whether TLC could be had for the graphs that this process has asked for. Two tests may want the same one: it is made once.
static MADE: Mutex<BTreeMap<String, Arc<OnceLock<bool>>>> = Mutex::new(BTreeMap::new());

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core/ is in the workspace").to_owned()
}

/// Runs TLC in the world of `spec/MODULE/graph/WORLD.cfg`. None, and a word about it, where TLC cannot be had.
pub(crate) fn explore(
    module: &str,
    world: &str,
    views: &mut Views,
    view: impl Fn(&BTreeMap<String, Value>) -> String,
) -> Option<Graph> {
    let name = format!("{module}/graph/{world}.cfg");
    let made = Arc::clone(MADE.lock().unwrap_or_else(PoisonError::into_inner).entry(name.clone()).or_default());
    if !made.get_or_init(|| make(&name)) {
        return None;
    }
    let dump = root().join(format!("target/tla/graph/{module}-{world}.dot"));
    Some(read(&std::fs::read_to_string(dump).expect("spec/check leaves the graph there"), views, view))
}

/// Whether TLC could be had.
fn make(name: &str) -> bool {
    let output = Command::new(root().join("spec/check")).arg(name).output().expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(UNAVAILABLE) {
        eprintln!("SKIPPED: {name}, since TLC cannot be had: {}", said.trim());
        return false;
    }
    assert!(output.status.success() && said.contains("1 of 1 configurations as expected"), "{said}");
    true
}

/// Reads `ID [label="STATE"]` and `ID -> ID [label="ACTION"]`.
fn read(dump: &str, views: &mut Views, view: impl Fn(&BTreeMap<String, Value>) -> String) -> Graph {
    let mut view_of = BTreeMap::new();
    let mut edges = Vec::new();
    for line in dump.lines() {
        let Some((subject, rest)) = line.split_once(" [label=\"") else { continue };
        if let Some((from, to)) = subject.split_once(" -> ") {
            let (action, _) = rest.split_once('"').expect("a label ends");
            edges.push((from, action, to));
        } else if subject.parse::<i64>().is_ok() {
            let end = rest.rfind("\"").expect("a label ends");
            let state = unescaped(&rest[..end]);
            view_of.insert(subject, views.number(view(&Value::state(&state))));
        }
    }
    let edges = edges.into_iter().map(|(from, action, to)| Edge {
        from: view_of[from],
        action: views.known_action(action),
        to: view_of[to],
    });
    Graph { states: view_of.len(), edges: edges.collect() }
}

fn unescaped(label: &str) -> String {
    let mut characters = label.chars();
    let mut text = String::with_capacity(label.len());
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => panic!("an escape goes on"),
            },
            other => other,
        });
    }
    text
}
