//! The table of outcomes, written by hand only where it says why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::pair::Makers;
use crate::row::{Row, Version};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFORMANCE.md");

const HEAD: &str = "\
# HTTP, row by row

What becomes of one request or one answer between a caller and a service, for each pair of a responder and an initiator
(`responder ← initiator`); Envoy 1.40 with Envoy is the control. After every row the next request on the same connection is
sent, and another request on the same tunnel, which was in flight all the while, has to end well. ✓: as the RFC wants.
✗: not; the lists below say how. Written by `REVTUN_BLESS=1 cargo test -p revtun-tests --test conformance`, save the last column
of the first list.
";
const OURS: &str = "\n## Differences of revtun\n\nEach is a fault to be mended, or says why it is none.\n\n";
const OURS_COLUMNS: &str = "| row | pair | what happens | why |\n| --- | --- | --- | --- |\n";
const CONTROL: &str =
    "\n## Differences of Envoy\n\nOf Envoy with itself, and of pairs in which Envoy does the same.\n\n";
const CONTROL_COLUMNS: &str = "| row | pair | what happens |\n| --- | --- | --- |\n";
const RIGHT: &str = "✓";
const WRONG: &str = "✗";
/// Of a difference that nobody has explained yet.
const OPEN: &str = "open";

/// What happened in each row, for one pair.
pub(crate) type Outcomes = Vec<Option<String>>;

/// Compares what happened with the table, or writes it anew.
///
/// # Panics
/// If they differ, or a row of revtun is wrong that was right before.
pub(crate) fn compare(rows: &[Row], outcomes: &BTreeMap<Makers, Outcomes>) {
    let before = fs::read_to_string(FILE).unwrap_or_default();
    let table = render(rows, outcomes, &before);
    let worse = worse(&before, &table);
    assert!(worse.is_empty(), "right before, and wrong now:\n{}", worse.join("\n"));
    if env::var_os("REVTUN_BLESS").is_some() {
        fs::write(FILE, table).expect("the sources are writable");
        return;
    }
    let differing: Vec<_> = lines_beside(&table, &before, '+').chain(lines_beside(&before, &table, '-')).collect();
    let name = Path::new(FILE).file_name().expect("a file").display();
    assert!(differing.is_empty(), "tests/{name} is not what happened:\n{}", differing.join("\n"));
}

fn lines_beside<'a>(text: &'a str, other: &'a str, sign: char) -> impl Iterator<Item = String> + 'a {
    text.lines().filter(|line| !other.lines().any(|other| other == *line)).map(move |line| format!("{sign} {line}"))
}

fn render(rows: &[Row], outcomes: &BTreeMap<Makers, Outcomes>, before: &str) -> String {
    let why = reasons(before);
    let mut table = format!("{HEAD}\n| row | caller | section |");
    let mut ruler = "| --- | --- | --- |".to_owned();
    for makers in outcomes.keys() {
        write!(table, " {} |", makers.name()).expect("a string takes all");
        ruler.push_str(" --- |");
    }
    writeln!(table, "\n{ruler}").expect("a string takes all");
    let (mut ours, mut control) = (String::new(), String::new());
    for (number, row) in rows.iter().enumerate() {
        let title = title(row);
        write!(table, "| {} | {} | {} |", row.name, caller(row), row.section).expect("a string takes all");
        let of_envoy = outcomes.get(&Makers::EnvoyEnvoy).and_then(|all| all[number].as_ref());
        for (makers, all) in outcomes {
            write!(table, " {} |", if all[number].is_none() { RIGHT } else { WRONG }).expect("a string takes all");
            let Some(difference) = &all[number] else { continue };
            let pair = makers.name();
            if *makers != Makers::RevtunRevtun && of_envoy == Some(difference) {
                writeln!(control, "| {title} | {pair} | {difference} |").expect("a string takes all");
            } else {
                let why = why.get(&(title.clone(), pair.to_owned())).map_or(OPEN, String::as_str);
                writeln!(ours, "| {title} | {pair} | {difference} | {why} |").expect("a string takes all");
            }
        }
        table.push('\n');
    }
    [&table, OURS, OURS_COLUMNS, &ours, CONTROL, CONTROL_COLUMNS, &control].concat()
}

fn title(row: &Row) -> String {
    format!("{} ({})", row.name, caller(row))
}

fn caller(row: &Row) -> &'static str {
    match row.ask.version {
        Version::Http1 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}

/// The reasons that stand in a table, by row and pair.
fn reasons(table: &str) -> BTreeMap<(String, String), String> {
    let listed = table.split(OURS).nth(1).and_then(|ours| ours.split(CONTROL).next()).unwrap_or_default();
    let rows = listed.lines().filter_map(|line| match cells(line)[..] {
        [row, pair, _, why] => Some(((row.to_owned(), pair.to_owned()), why.to_owned())),
        _ => None,
    });
    rows.collect()
}

/// The rows of revtun that are right in one table and wrong in the other.
fn worse(before: &str, after: &str) -> Vec<String> {
    let verdicts = |table: &str| -> BTreeMap<(String, String), Vec<String>> {
        let rows = table.split(OURS).next().unwrap_or_default().lines().filter_map(|line| {
            let cells = cells(line);
            let [row, caller, _, ref verdicts @ ..] = cells[..] else { return None };
            let ours = verdicts.len().saturating_sub(1);
            Some(((row.to_owned(), caller.to_owned()), verdicts[..ours].iter().map(ToString::to_string).collect()))
        });
        rows.collect()
    };
    let after = verdicts(after);
    let mut worse = Vec::new();
    for ((row, caller), before) in verdicts(before) {
        let Some(after) = after.get(&(row.clone(), caller.clone())) else { continue };
        let pairs = Makers::ALL.iter().zip(before.iter().zip(after));
        for (makers, _) in pairs.filter(|(_, (before, after))| *before == RIGHT && *after == WRONG) {
            worse.push(format!("{row} ({caller}): {}", makers.name()));
        }
    }
    worse
}

fn cells(line: &str) -> Vec<&str> {
    let Some(line) = line.strip_prefix("| ") else { return Vec::new() };
    line.trim_end_matches(" |").split(" | ").collect()
}
