//! The list of planted bugs fits the sources, the specification and the matrix of who notices them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder` whose name ends with `ending`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().expect("UTF-8").ends_with(ending) {
            found.push(path);
        }
    }
    found
}

struct Bug {
    name: String,
    file: String,
    function: String,
    find: String,
    replace: String,
    breaks: Vec<String>,
    spec: Option<String>,
    story: String,
}

fn bugs() -> Vec<Bug> {
    let list: Table = read("tests/planted/bugs.toml").parse().expect("a list of bugs");
    let bugs = list["bug"].as_array().expect("bugs");
    let bug = |bug: &toml::Value| {
        let text = |key: &str| bug.get(key).map(|text| text.as_str().expect("text").to_owned());
        let of = |key: &str| text(key).unwrap_or_else(|| panic!("a bug has no {key}: {bug}"));
        let breaks = bug["breaks"].as_array().expect("properties").iter();
        Bug {
            name: of("name"),
            file: of("file"),
            function: of("function"),
            find: of("find"),
            replace: of("replace"),
            breaks: breaks.map(|name| name.as_str().expect("a name").to_owned()).collect(),
            spec: text("spec"),
            story: of("story"),
        }
    };
    bugs.iter().map(bug).collect()
}

/// The functions of that name in `source`, laid out as rustfmt does.
fn functions<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let heads = [format!("fn {name}("), format!("fn {name}<")];
    let mut found = Vec::new();
    let mut begin = 0;
    for line in source.split_inclusive('\n') {
        if heads.iter().any(|head| line.contains(head.as_str())) {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = source[begin..].find(&format!("\n{indent}}}\n")).expect("a function ends");
            found.push(&source[begin..begin + end]);
        }
        begin += line.len();
    }
    found
}

/// The names in the first column of the specification's table of properties.
fn specified() -> BTreeSet<String> {
    let page = read("spec/README.md");
    let (_, table) = page.split_once("## Properties\n").expect("the heading is there");
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|row| row.split('`').nth(1).expect("a name").to_owned()).collect()
}

#[test]
fn every_bug_has_its_place() {
    let mut names = BTreeSet::new();
    for bug in bugs() {
        let source = read(&bug.file);
        let places: usize = functions(&source, &bug.function).iter().map(|body| body.matches(&bug.find).count()).sum();
        assert_eq!(places, 1, "{}: how often its text stands in {} of {}", bug.name, bug.function, bug.file);
        assert!(bug.find != bug.replace && bug.story.ends_with('.'), "{}", bug.name);
        assert!(names.insert(bug.name.clone()), "{} is there twice", bug.name);
    }
}

#[test]
fn every_bug_breaks_what_is_known() {
    let simulated: String =
        files(&root().join("sim/src"), ".rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mistakes: BTreeSet<String> = files(&root().join("spec"), ".cfg")
        .iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("planted")))
        .map(|path| {
            fs::read_to_string(path).unwrap().split("Bug = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        })
        .collect();
    let specified = specified();
    let mut broken = BTreeSet::new();
    for bug in bugs() {
        for property in bug.breaks {
            let known = specified.contains(&property) || simulated.contains(&format!("\"{property}\""));
            assert!(known, "{}: {property} is a property of nobody's", bug.name);
            broken.insert(property);
        }
        if let Some(mistake) = bug.spec {
            assert!(mistakes.contains(&mistake), "{}: the specification has no mistake {mistake}", bug.name);
        }
    }
    let unbroken: Vec<_> = specified.iter().filter(|name| !broken.contains(*name)).collect();
    assert!(unbroken.is_empty(), "no bug breaks {unbroken:?}");
}

#[test]
fn what_asks_about_the_bugs_knows_the_tree() {
    let output = Command::new(root().join("tests/planted/run")).arg("--check").output().expect("Python 3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn enough_is_planted_everywhere() {
    let within = |folder: &str| bugs().iter().filter(|bug| bug.file.starts_with(folder)).count();
    assert!(within("core/") >= 40 && within("runtime/") >= 8);
}

#[test]
fn the_matrix_has_every_bug_and_a_killer_for_each() {
    let matrix = read("tests/planted/MATRIX.md");
    let rows: Vec<_> = matrix.lines().filter(|line| line.starts_with("| `")).collect();
    let in_matrix: Vec<_> = rows.iter().map(|row| row.split('`').nth(1).expect("a name").to_owned()).collect();
    let listed: Vec<_> = bugs().into_iter().map(|bug| bug.name).collect();
    assert_eq!(in_matrix, listed, "tests/planted/run writes the matrix anew");
    for row in rows {
        assert!(row.contains(" ● ") || row.contains(" **◉** "), "noticed by nobody: {row}");
    }
}

/// The switches are in a copy that `tests/planted/run` makes, and nowhere else.
#[test]
fn what_ships_has_no_switch() {
    for folder in ["core", "runtime", "sim", "fuzz"] {
        for path in files(&root().join(folder), ".rs") {
            let source = fs::read_to_string(&path).unwrap_or_default();
            assert!(!source.contains("planted::"), "{}", path.display());
        }
    }
}
