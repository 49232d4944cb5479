//! The table of differences, and its comparison with what was observed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const TABLE: &str = include_str!("../../differences.md");

/// What Envoy did and what revtun did.
pub(crate) type Observed = BTreeMap<String, (String, String)>;

/// Compares what differed with the part of the table that stands under `heading`.
///
/// # Panics
/// If a difference is not in the table, or the table has one that was not observed, or gives no reason.
pub(crate) fn compare(heading: &str, observed: &Observed) {
    let mut listed = listed(heading);
    let mut wrong = String::new();
    for (case, (envoy, revtun)) in observed.iter().filter(|(_, (envoy, revtun))| envoy != revtun) {
        let row = listed.remove(case);
        if row.as_ref() != Some(&(envoy.clone(), revtun.clone())) {
            let problem = if row.is_some() { "listed otherwise" } else { "not listed" };
            writeln!(wrong, "{problem}:\n| {case} | {envoy} | {revtun} | why? |").expect("a string takes all");
        }
    }
    for case in listed.keys() {
        writeln!(wrong, "listed, but both do the same now: {case}").expect("a string takes all");
    }
    assert!(wrong.is_empty(), "tests/differences.md, {heading}:\n{wrong}");
}

fn listed(heading: &str) -> Observed {
    let heading = format!("## {heading}");
    let rows = TABLE.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("## "));
    let cells = rows.filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1).map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [case, envoy, revtun, why] = cells[..] else { panic!("four cells, not {}: {row}", cells.len()) };
        assert!(why.len() > 20, "no reason given: {row}");
        (case.to_owned(), (envoy.to_owned(), revtun.to_owned()))
    });
    cells.collect()
}

/// `bytes` as one cell of the table.
pub(crate) fn cell(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\r\\n", "⏎").replace("\\'", "'").replace('|', "¦")
}
