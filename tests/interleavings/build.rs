//! Writes a module for each planted race: copies of the files that ship, one of them spoilt, and the models.

#[path = "src/planted.rs"]
#[allow(dead_code, unreachable_pub)]
mod planted;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use planted::{LIST, Race, races};

const ROOT: &str = "../..";
const RESPONDER: &str = "runtime/src/responder";
const SHIPPED: [&str; 4] = ["command.rs", "handle.rs", "shared.rs", "tick.rs"];
const STAGE: [&str; 2] = ["client.rs", "fixture.rs"];

fn main() {
    println!("cargo::rerun-if-changed={ROOT}/{RESPONDER}");
    println!("cargo::rerun-if-changed=tests");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/planted.rs");
    println!("cargo::rerun-if-changed={LIST}");
    let races = races(&read(LIST));
    let out = env::var("OUT_DIR").expect("cargo sets it");
    for tool in ["loom", "shuttle"] {
        let modules: String = races.iter().filter(|race| race.tool == tool).map(module).collect();
        fs::write(Path::new(&out).join(format!("{tool}.rs")), modules).expect("cargo's folder is writable");
    }
}

fn module(race: &Race) -> String {
    let mut text = format!("pub(crate) mod {} {{\n", race.name);
    for file in SHIPPED {
        let path = format!("{RESPONDER}/{file}");
        let mut source = read(&format!("{ROOT}/{path}"));
        if path == race.file {
            assert_eq!(source.matches(&race.right).count(), 1, "{}: {file} no longer has {:?}", race.name, race.right);
            source = source.replace(&race.right, &race.wrong);
        }
        submodule(&mut text, file, &source);
    }
    for file in STAGE {
        submodule(&mut text, file, &read(&format!("tests/stage/{file}")));
    }
    // The others wait until they are called by name.
    let models = read(&format!("tests/{}/models.rs", race.tool)).replace("#[test]\n", "#[test]\n#[ignore]\n");
    submodule(&mut text, "models.rs", &models);
    text + "}\n"
}

/// A file within a file has no words in front.
fn submodule(text: &mut String, file: &str, source: &str) {
    let name = file.trim_end_matches(".rs");
    let source: Vec<_> = source.lines().filter(|line| !line.starts_with("//!")).collect();
    writeln!(text, "pub(crate) mod {name} {{\n{}\n}}", source.join("\n")).expect("memory can be written");
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
