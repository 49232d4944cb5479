//! Which crate depends on which: the library on nothing of the program, and nobody on the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The crates that a program builds which depends on the library, with `features` as arguments of cargo.
fn library(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "revtun", "--edges", "normal", "--prefix", "none", "--offline", "--format", "{p}"])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let crates: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(crates.contains("revtun-core") && crates.contains("hyper"), "{crates:?}");
    crates
}

/// What the program has for itself: its command line, files, logs and heap.
const OF_THE_PROGRAM: [&str; 9] = [
    "clap",
    "clap_builder",
    "revtun-program",
    "strsim",
    "tikv-jemalloc-sys",
    "tikv-jemallocator",
    "toml",
    "tracing-subscriber",
    "anstream",
];
/// What comes with JSON Web Tokens, and only with them.
const OF_TOKENS: [&str; 5] = ["jsonwebtoken", "serde", "serde_core", "serde_derive", "serde_json"];

#[test]
fn the_library_builds_nothing_of_the_program() {
    for features in [&["--no-default-features"][..], &[]] {
        let crates = library(features);
        for name in OF_THE_PROGRAM.iter().chain(&OF_TOKENS) {
            assert!(!crates.contains(*name), "with {features:?} the library depends on {name}");
        }
    }
    let crates = library(&["--all-features"]);
    for name in OF_THE_PROGRAM {
        assert!(!crates.contains(name), "with all features the library depends on {name}");
    }
    assert!(crates.contains("jsonwebtoken"));
}

#[test]
fn only_tests_look_at_the_program() {
    let mut importers = BTreeSet::new();
    let manifests =
        ["core", "runtime", "runtime/program", "sim", "tests", "tests/bench", "tests/interleavings", "fuzz"];
    for folder in manifests {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
        let manifest: Table = manifest.parse().expect("TOML");
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(kind).and_then(|found| found.as_table());
            if dependencies.is_some_and(|dependencies| dependencies.contains_key("revtun-program")) {
                importers.insert((folder, kind));
            }
        }
    }
    assert_eq!(importers, BTreeSet::from([("fuzz", "dependencies"), ("tests", "dev-dependencies")]));
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let workspace: Table = workspace.parse().expect("TOML");
    let members = workspace["workspace"]["members"].as_array().expect("a list");
    let listed: BTreeSet<_> = members.iter().filter_map(|member| member.as_str()).chain(["fuzz"]).collect();
    assert_eq!(listed, BTreeSet::from(manifests), "a crate that is not looked at");
}
