//! Rules of the layout that no compiler checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A newcomer reads a file of this length in one go.
const LINES_MAX: usize = 400;
/// What ships beside the core: the library and the program.
const SHIPPED: [&str; 2] = ["runtime/src", "runtime/program/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Every file that is under version control or could be, by its path from the root.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["core", "runtime", "sim", "tests", "fuzz", "spec", "examples", ".ci"] {
        walk(&root().join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() > 50, "{found:?}");
    found
}

fn walk(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if path.is_dir() && !["target", "artifacts", "corpus", "coverage"].contains(&name.as_str()) {
            walk(&path, found);
        } else if path.is_file() {
            let path = path.strip_prefix(root()).expect("it is within");
            found.push(path.to_str().expect("UTF-8").to_owned());
        }
    }
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let names = files().into_iter().filter(|name| name.starts_with(folder) && name.ends_with(".rs"));
    names.map(|name| (name.clone(), fs::read_to_string(root().join(&name)).expect("UTF-8"))).collect()
}

/// What ships of a source: without the tests behind it.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// The lines of `folder` that hold one of `words`, outside of tests and comments, save in files that begin with one of
/// `exempt`.
fn offences(folder: &str, words: &[&str], exempt: &[&str]) -> Vec<String> {
    let mut offences = Vec::new();
    for (name, text) in sources(folder) {
        if exempt.iter().any(|exempt| name.starts_with(exempt)) {
            continue;
        }
        for (number, line) in shipped(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            if words.iter().any(|word| code.contains(word)) {
                offences.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    offences
}

#[test]
fn no_file_is_a_drawer_for_odds_and_ends() {
    for name in files() {
        for part in Path::new(&name).iter().map(|part| part.to_str().expect("UTF-8")) {
            let stem = part.split('.').next().unwrap_or(part);
            assert!(!["utils", "util", "helpers", "helper", "common", "misc"].contains(&stem), "{name}");
        }
    }
}

#[test]
fn files_can_be_read_in_one_go() {
    for folder in ["core", "runtime", "sim", "tests", "fuzz"] {
        for (name, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= LINES_MAX, "{name} has {lines} lines");
        }
    }
}

#[test]
fn the_core_depends_on_one_crate() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "revtun-core", "--edges", "normal", "--prefix", "none", "--offline"])
        .args(["--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let crates: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(crates, ["revtun-core", "httparse"]);
}

#[test]
fn a_number_of_the_core_that_overflows_is_a_panic_in_whatever_ships() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("UTF-8");
    let profiles = manifest.parse::<toml::Table>().expect("TOML")["profile"].clone();
    assert_eq!(profiles["release"]["package"]["revtun-core"]["overflow-checks"], toml::Value::Boolean(true));
    for profile in ["sim", "measure"] {
        assert_eq!(profiles[profile]["inherits"].as_str(), Some("release"), "{profile}");
    }
}

#[test]
fn the_core_knows_no_system() {
    let lib = fs::read_to_string(root().join("core/src/lib.rs")).expect("UTF-8");
    assert!(lib.contains("#![no_std]"));
    assert_eq!(offences("core/src", &["std::", "tokio", "extern crate std", "unsafe "], &[]), <[String; 0]>::default());
}

#[test]
fn the_runtime_reaches_the_system_through_its_facade() {
    let words = [
        "tokio::spawn",
        "task::spawn",
        "Instant::now",
        "SystemTime::now",
        "time::sleep",
        "time::timeout",
        "time::interval",
        "TcpListener::bind",
        "TcpStream::connect",
        "fastrand::",
        "lookup_host",
    ];
    for folder in SHIPPED {
        assert_eq!(offences(folder, &words, &["runtime/src/world"]), <[String; 0]>::default());
    }
}

#[test]
fn every_channel_is_bounded_and_every_choice_has_an_order() {
    for folder in SHIPPED {
        assert_eq!(offences(folder, &["unbounded"], &[]), <[String; 0]>::default());
    }
    for (name, text) in SHIPPED.into_iter().flat_map(sources) {
        let selects = text.matches("select! {").count();
        assert_eq!(selects, text.matches("biased;").count(), "{name}: a select! without biased;");
    }
}

/// One guards the responder's machine, one a list of idle connections, one the connection of HTTP/2 to an endpoint, one the choice
/// among endpoints, one the interim responses of a request that has some; all for the time of a step. Another is held by the one who
/// opens a connection of HTTP/2, while others wait for it.
#[test]
fn few_files_have_a_lock() {
    let expected = [
        "runtime/src/http/interim.rs",
        "runtime/src/responder/shared.rs",
        "runtime/src/upstream/http2.rs",
        "runtime/src/upstream/lease.rs",
        "runtime/src/upstream/pool.rs",
    ];
    let with_locks: BTreeSet<_> = SHIPPED
        .into_iter()
        .flat_map(|folder| offences(folder, &["Mutex<", "RwLock<"], &[]))
        .filter_map(|offence| offence.split(':').next().map(str::to_owned))
        .collect();
    assert_eq!(with_locks, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn what_tasks_share_is_seen_by_the_models() {
    // What these files take from elsewhere, the models of `tests/interleavings` would not see.
    let others = ["sync::atomic", "sync::Mutex", "sync::RwLock", "tokio::sync"];
    let modelled = ["responder/shared", "responder/handle", "responder/command", "tls/reload", "counter"];
    for name in modelled {
        let name = format!("runtime/src/{name}.rs");
        assert_eq!(offences(&name, &others, &[]), <[String; 0]>::default());
        assert!(sources(&name).iter().any(|(_, text)| text.contains("use crate::sync::")), "{name}");
    }
}

#[test]
fn the_project_speaks_only_of_itself() {
    let documents = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml", ".ci/run"].map(str::to_owned);
    let written = files().into_iter().chain(documents).filter(|name| !name.ends_with("layout.rs"));
    for name in written {
        // Seeds are bytes, not text.
        let Ok(text) = fs::read_to_string(root().join(&name)) else { continue };
        for word in ["TODO", "FIXME", "XXX", "/home/", "/root/", "stand-in"] {
            assert!(!text.contains(word), "{name} says {word:?}");
        }
    }
}
