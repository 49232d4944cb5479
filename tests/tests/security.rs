//! The threat model (`SECURITY.md`) names tests that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Every Rust file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// The names of all tests: functions right below an attribute that makes them one.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["core", "runtime", "tests/tests"].iter().flat_map(|folder| sources(&root().join(folder))) {
        let text = fs::read_to_string(&file).expect("UTF-8");
        let mut awaited = false;
        for line in text.lines().map(str::trim) {
            let name =
                line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ").and_then(|it| it.split('(').next());
            match name {
                Some(name) if awaited => drop(names.insert(name.to_owned())),
                _ => {}
            }
            awaited =
                line.starts_with("#[test]") || line.starts_with("#[tokio::test") || (awaited && line.starts_with("#["));
        }
    }
    names
}

#[test]
fn every_row_of_the_threat_model_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("UTF-8");
    let tests = tests();
    assert!(tests.len() > 300, "the parser still understands the code: {} tests", tests.len());
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---") && !line.ends_with("shown by |"));
    let mut seen = 0;
    for row in rows {
        let shown = row.trim_end_matches('|').rsplit(" | ").next().expect("a last cell");
        let quoted: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        let (mut here, fuzz) = (0, root().join("fuzz/fuzz_targets"));
        for name in quoted.into_iter().filter(|name| name.contains('_')) {
            let target = fuzz.join(format!("{name}.rs")).exists();
            assert!(target || tests.contains(name), "SECURITY.md: there is no test {name}");
            here += usize::from(!target);
        }
        assert!(here > 0, "no test shows this: {row}");
        seen += here;
    }
    assert!(seen > 30, "the tables are still there: {seen} tests");
}

#[test]
fn every_attacker_has_a_table() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("UTF-8");
    let attackers = [
        "**A stranger**",
        "**Somebody on the way**",
        "**A tenant**",
        "**A compromised initiator**",
        "**A compromised responder**",
    ];
    for attacker in attackers {
        let (_, behind) = page.split_once(attacker).unwrap_or_else(|| panic!("{attacker} is missing"));
        let section = behind.split("\n**").next().expect("there is a first part");
        assert!(section.contains("| may | may not | shown by |"), "{attacker}");
    }
    assert!(page.contains("## Reporting a flaw"));
}
