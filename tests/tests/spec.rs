//! The specification, its page and the code name the same things; and its smallest worlds hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `spec/check` exits with when TLC cannot be had.
const UNAVAILABLE: i32 = 3;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The variants of `pub enum NAME` in `source`, laid out as rustfmt does.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("pub enum {name}")).expect("the enum is there");
    let (body, _) = body.split_once("\n}").expect("it ends");
    let named = |line: &str| {
        let line = line.strip_prefix("    ")?;
        let end = line.find(|c: char| !c.is_alphanumeric())?;
        (line.starts_with(char::is_uppercase)).then(|| line[..end].to_owned())
    };
    body.lines().filter_map(named).collect()
}

/// The actions that the module's `Next` consists of, be it by way of the groups that stand right before it: names
/// behind a disjunction, a quantifier or the head of a group.
fn actions(module: &str) -> BTreeSet<String> {
    let next = module.find("\nNext ==").expect("Next is defined");
    let begin = module.find("\n(* Everything that can happen").unwrap_or(next);
    let end = next + module[next..].find("\n\n").expect("it ends");
    let section = &module[begin..end];
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    let groups: BTreeSet<String> = section.lines().filter(|line| line.contains(" ==")).map(name).collect();
    let words: Vec<&str> = section.split_whitespace().collect();
    let mut actions = BTreeSet::new();
    for pair in words.windows(2) {
        let name = name(pair[1]);
        if [r"\/", ":", "=="].contains(&pair[0]) && !name.is_empty() && !groups.contains(&name) {
            assert!(module.contains(&format!("\n{name}")), "{name} is defined");
            actions.insert(name);
        }
    }
    actions
}

struct Row {
    action: String,
    event: String,
    file: String,
    function: String,
}

/// The rows of the table under the heading `## HEADING`.
fn table(page: &str, heading: &str) -> Vec<Row> {
    let (_, section) = page.split_once(&format!("## {heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().expect("there is a first part");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let (file, function) = cells[3].split_once(": ").expect("the third cell is FILE: FUNCTION");
        assert!(cells[4].starts_with('§'), "{line}: the fourth cell is a section of the reference");
        Row { action: cells[1].into(), event: cells[2].into(), file: file.into(), function: function.into() }
    };
    rows.map(row).collect()
}

/// Every event and timer of the machine is one action of the module and one row of the page, and nothing else is.
fn agree(machine: &str, module: &str, heading: &str) {
    let mut events = variants(&read(&format!("core/src/{machine}/event.rs")), "Event");
    assert!(events.remove("Tick"), "a tick goes by the timer that it fires");
    let timers = variants(&read(&format!("core/src/{machine}.rs")), "Timer");
    assert!(events.len() > 5 && timers.len() > 5, "the parser still understands the code");
    assert!(events.is_disjoint(&timers), "an action is named after an event or a timer, never both");

    let in_code: BTreeSet<String> = events
        .iter()
        .map(|name| format!("Event::{name}"))
        .chain(timers.iter().map(|name| format!("Timer::{name}")))
        .collect();
    let rows = table(&read("spec/README.md"), heading);
    let in_page: BTreeSet<String> = rows.iter().map(|row| row.event.clone()).collect();
    assert_eq!(in_page, in_code, "{heading}: events of the page and of the code");

    let in_module = actions(&read(&format!("spec/{module}.tla")));
    let on_page: BTreeSet<String> = rows.iter().map(|row| row.action.clone()).collect();
    assert_eq!(on_page, in_module, "{heading}: actions of the page and of the module");

    for Row { action, event, file, function } in rows {
        assert!(event.ends_with(&format!("::{action}")), "{action} is named after {event}");
        let source = read(&format!("core/src/{file}"));
        assert!(source.contains(&format!("fn {function}(")), "{file} has no function {function}");
    }
}

#[test]
fn the_initiator_its_module_and_the_page_agree() {
    agree("initiator", "Initiator", "Actions of the initiator");
}

#[test]
fn the_responder_its_module_and_the_page_agree() {
    agree("responder", "Responder", "Actions of the responder");
}

/// The first two cells of the rows under the heading `## HEADING`: names in backticks.
fn names(page: &str, heading: &str) -> Vec<(String, Vec<String>)> {
    let (_, section) = page.split_once(&format!("## {heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().expect("there is a first part");
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').collect();
        (quoted(cells[1]).concat(), quoted(cells[2]))
    };
    section.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

#[test]
fn the_system_is_made_of_the_machines_actions() {
    let page = read("spec/README.md");
    let of_machines: Vec<_> =
        ["Initiator", "Responder"].iter().map(|module| actions(&read(&format!("spec/{module}.tla")))).collect();
    let rows = names(&page, "Actions of the system");
    let on_page: BTreeSet<String> = rows.iter().map(|(action, _)| action.clone()).collect();
    assert_eq!(on_page, actions(&read("spec/System.tla")), "actions of the page and of the module");
    for (action, events) in rows {
        let known = |event: &String| of_machines.iter().any(|actions| actions.contains(event));
        assert!(events.iter().all(known), "{action}: one of {events:?} is no action of a machine");
    }
}

#[test]
fn the_handover_and_the_page_agree() {
    let rows = names(&read("spec/README.md"), "Actions of the hand-over");
    let on_page: BTreeSet<String> = rows.iter().map(|(action, _)| action.clone()).collect();
    assert_eq!(on_page, actions(&read("spec/Handover.tla")), "actions of the page and of the module");
    for (action, places) in rows {
        assert!(!places.is_empty(), "{action}: the page does not say where the code is");
        for place in places {
            let (file, function) = place.split_once(": ").expect("the second cell has FILE: FUNCTION");
            assert!(read(file).contains(&format!("fn {function}")), "{file} has no function {function}");
        }
    }
}

const SPECS: [&str; 4] = ["Handover", "Initiator", "Responder", "System"];

/// The configurations of this spec and kind: path, mistake, and properties.
fn configurations(spec: &str, kind: &str) -> Vec<(PathBuf, String, BTreeSet<String>)> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("it can be read");
        let (_, rest) = text.split_once("Bug = \"").expect("every configuration says whether a mistake is planted");
        let (bug, rest) = rest.split_once('"').expect("it is quoted");
        let keywords = ["SYMMETRY", "Symmetry", "INVARIANTS", "PROPERTIES", "TypeOK"];
        let properties = rest.split_whitespace().filter(|word| !keywords.contains(word)).map(str::to_owned).collect();
        (path, bug.to_owned(), properties)
    };
    let folder = fs::read_dir(root().join("spec").join(spec).join(kind)).expect("the folder is there");
    folder.map(|entry| read(entry.expect("it can be read").path())).collect()
}

/// Every mistake and every property that a configuration names stands in the page's table of properties.
#[test]
fn the_page_knows_every_property_and_every_planted_mistake() {
    let page = read("spec/README.md");
    let (_, table) = page.split_once("## Properties\n").expect("the heading is there");
    for spec in SPECS {
        for (path, bug, properties) in ["holds", "planted"].iter().flat_map(|kind| configurations(spec, kind)) {
            for name in properties.iter().chain([&bug]).filter(|name| *name != "none") {
                assert!(table.contains(&format!("`{name}`")), "{}: the page does not explain {name}", path.display());
            }
        }
    }
}

/// A property that no mistake ever violated may say nothing.
#[test]
fn every_property_that_holds_notices_a_planted_mistake() {
    for spec in SPECS {
        let all = |kind| configurations(spec, kind).into_iter().flat_map(|(_, _, properties)| properties);
        let noticing: BTreeSet<String> = all("planted").collect();
        let holding: BTreeSet<String> = all("holds").collect();
        assert!(holding.len() > 4, "{spec}: the configurations are still where they were");
        assert_eq!(holding.difference(&noticing).collect::<Vec<_>>(), Vec::<&String>::new(), "{spec}");
    }
}

#[test]
fn the_smallest_worlds_hold() {
    let output = Command::new(root().join("spec/check")).arg("holds/Actions").output().expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(UNAVAILABLE) {
        eprintln!("SKIPPED: the specification, since TLC cannot be had: {}", said.trim());
        return;
    }
    assert!(output.status.success() && said.contains("4 of 4 configurations as expected"), "{said}");
}
