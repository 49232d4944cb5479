//! Who may import whom: no circle among the files of the runtime, none among its folders, no end in the other.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use self::source::{Crate, Imports};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn library() -> Crate {
    Crate::read(&root(), "runtime/src", "lib.rs")
}

/// Every crate below `runtime/`: the library, and the program with the part of it that tests look at.
fn crates() -> [Crate; 3] {
    let program = |file| Crate::read(&root(), "runtime/program/src", file);
    [library(), program("lib.rs"), program("main.rs")]
}

fn without_folder(file: &str) -> &str {
    let folders = ["runtime/src/", "runtime/program/src/"];
    folders.iter().find_map(|folder| file.strip_prefix(folder)).unwrap_or(file)
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for of in crates() {
        let imports = of.imports();
        let edges = imports.keys().map(|(from, to)| (from.clone(), to.clone()));
        if let Some(circle) = circle(edges) {
            panic!("files import each other in a circle:\n{}", shown(&circle, &imports, |file| vec![file.to_owned()]));
        }
    }
}

/// A folder is one room: all that is in it, together with the file of its name, stands for it where its neighbours are
/// looked at. So a face may use its folder, and what two folders share stands beside them or below.
#[test]
fn no_folders_import_each_other_in_a_circle() {
    for of in crates() {
        let imports = of.imports();
        let files = of.files();
        let paths: BTreeMap<&str, &Vec<String>> = files.iter().map(|(path, file)| (*file, *path)).collect();
        for level in files.keys() {
            // A neighbour at this level: a file or a folder in it, or else the face itself.
            let neighbour = |file: &str| {
                let path = paths[file];
                let below = path.strip_prefix(level.as_slice())?;
                Some(below.first().cloned().unwrap_or_else(|| "(face)".to_owned()))
            };
            let edges = imports.keys().filter_map(|(from, to)| Some((neighbour(from)?, neighbour(to)?)));
            if let Some(circle) = circle(edges.filter(|(from, to)| from != to)) {
                let members = |name: &str| {
                    let inside = files.values().filter(|file| neighbour(file).is_some_and(|room| room == name));
                    inside.map(|file| (*file).to_owned()).collect()
                };
                let level = level.join("/");
                panic!("in {level:?}, folders import each other in a circle:\n{}", shown(&circle, &imports, members));
            }
        }
    }
}

#[test]
fn methods_stand_beside_their_types() {
    for of in crates() {
        assert_eq!(of.foreign_impls(), <[String; 0]>::default());
    }
}

#[test]
fn neither_end_imports_the_other() {
    for ((from, to), path) in library().imports() {
        let ends = [("responder", "initiator"), ("initiator", "responder")];
        for (one, other) in ends {
            assert!(!(is_in(&from, one) && is_in(&to, other)), "{from} imports {path} of {to}");
        }
    }
}

#[test]
fn the_core_imports_nothing() {
    let core = Crate::read(&root(), "core/src", "lib.rs");
    assert!(core.files().len() > 20);
    for (name, file) in core.foreign() {
        // The language itself, the one codec, and what a `use` inside a function takes from an enum.
        let of_the_language = ["core", "alloc", "httparse"].contains(&name.as_str());
        let of_a_type = name.starts_with(char::is_uppercase);
        assert!(of_the_language || of_a_type, "{file} imports {name}");
    }
}

#[test]
fn every_file_is_part_of_a_crate() {
    let known: BTreeSet<_> =
        crates().iter().flat_map(|of| of.files().into_values().map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut left = vec![root().join("runtime/src"), root().join("runtime/program/src")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let file = path.strip_prefix(root()).expect("it is within").to_str().expect("UTF-8");
                assert!(known.contains(file), "nobody declares {file}");
            }
        }
    }
}

/// Whether `file` is the file or the folder `module` of the runtime.
fn is_in(file: &str, module: &str) -> bool {
    let rest = without_folder(file).strip_prefix(module);
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// The shortest circle, if there is one.
fn circle(edges: impl Iterator<Item = (String, String)>) -> Option<Vec<String>> {
    let mut next = BTreeMap::<String, BTreeSet<String>>::new();
    for (from, to) in edges {
        next.entry(from).or_default().insert(to);
    }
    let circles = next.keys().filter_map(|start| {
        // From whom each was reached first.
        let mut reached = BTreeMap::<&String, &String>::new();
        let mut now = vec![start];
        while !now.is_empty() && !reached.contains_key(start) {
            let mut later = Vec::new();
            for from in now {
                for to in next.get(from).into_iter().flatten() {
                    reached.entry(to).or_insert_with(|| {
                        later.push(to);
                        from
                    });
                }
            }
            now = later;
        }
        let mut circle = vec![start.clone()];
        let mut at = *reached.get(start)?;
        while at != start {
            circle.push(at.clone());
            at = reached[at];
        }
        circle.push(start.clone());
        circle.reverse();
        Some(circle)
    });
    circles.min_by_key(Vec::len)
}

/// A circle with the imports that make it.
fn shown(circle: &[String], imports: &Imports, members: impl Fn(&str) -> Vec<String>) -> String {
    let mut text = String::new();
    for pair in circle.windows(2) {
        let (from, to) = (members(&pair[0]), members(&pair[1]));
        text += &format!("  {} -> {}\n", pair[0], pair[1]);
        for ((one, other), path) in imports {
            if from.contains(one) && to.contains(other) {
                text += &format!("      {one} imports {path} of {other}\n");
            }
        }
    }
    text
}

#[test]
fn a_circle_is_found_and_the_shortest_one_is_shown() {
    let edges = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        pairs.into_iter()
    };
    assert_eq!(circle(edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(edges(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c")]));
    assert_eq!(found.map(|circle| circle.join(" ")), Some("c d c".to_owned()));
}
