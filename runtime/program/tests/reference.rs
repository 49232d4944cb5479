//! Documents that are made from the declarations of settings are those that lie in the repository.
//!
//! `REVTUN_BLESS=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::env;
use std::fs;
use std::path::Path;

use revtun_program::config::{End, Settings, declared, declared_log, example, reference};

const EXAMPLES: [(End, &str); 2] =
    [(End::Responder, "examples/responder.toml"), (End::Initiator, "examples/initiator.toml")];

fn compare(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if env::var_os("REVTUN_BLESS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(made.lines()).position(|(written, made)| written != made);
    assert!(
        written == made,
        "{name} differs from the declarations, first at line {:?}; write it anew with REVTUN_BLESS=1",
        differs.map(|line| line + 1)
    );
}

#[test]
fn the_examples_are_made_from_the_declarations() {
    for (end, name) in EXAMPLES {
        compare(name, &example(end));
    }
}

#[test]
fn the_reference_is_made_from_the_declarations() {
    compare("runtime/program/SETTINGS.md", &reference());
}

/// Without the hashes before tables and settings, every line of an example is read.
#[test]
fn an_example_shows_how_every_setting_is_written() {
    for (end, name) in EXAMPLES {
        let is_setting = |line: &str| {
            let key = line.split(" = ").next().unwrap_or(line);
            (line.starts_with('[') && line.ends_with(']')) || (line.contains(" = ") && !key.contains(' '))
        };
        let lines = example(end);
        let lines = lines.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line));
        // These say the same as others, and only one of them may be there.
        let twins = ["ping_failure_threshold", "urls"];
        let lines: Vec<_> = lines.filter(|line| !twins.iter().any(|twin| line.starts_with(twin))).collect();
        if let Err(diagnostics) = Settings::parse(&lines.join("\n")) {
            panic!("{name}: {diagnostics:#?}");
        }
        for setting in declared_log().into_iter().chain(declared(end)).flat_map(|group| group.settings) {
            let shown = format!("{} = ", setting.key);
            let is_shown = setting.key.is_empty()
                || example(end).lines().any(|line| line.trim_start_matches("# ").starts_with(&shown));
            assert!(is_shown, "{name} does not show {}.{}", setting.table, setting.key);
        }
    }
}
