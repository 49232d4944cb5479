//! Help, README and examples agree with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use revtun::responder::OwnAnswer;
use revtun_program::config::Settings;
use revtun_tests::revtun::binary;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn revtun(args: &[&str]) -> Output {
    Command::new(binary()).args(args).current_dir(root()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).expect("UTF-8")
}

/// Every `--flag` in `text`.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && !word.ends_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_readme_names_every_flag_and_no_other() {
    let mut known = BTreeSet::new();
    for command in ["demo", "responder", "initiator", "check", "check-trace"] {
        let output = revtun(&[command, "--help"]);
        assert!(output.status.success());
        known.extend(flags(&text(&output.stdout)));
    }
    // Behind cargo stand its own, and those of the simulator.
    let of_revtun = |line: &&str| !line.starts_with("cargo ");
    let mut named = flags(&read("README.md").lines().filter(of_revtun).collect::<Vec<_>>().join("\n"));
    named.extend(["--help".to_owned(), "--version".to_owned()]);
    assert_eq!(named, known);
}

#[test]
fn every_flag_is_explained() {
    for command in ["demo", "responder", "initiator", "check", "check-trace"] {
        let help = text(&revtun(&[command, "--help"]).stdout);
        let lines: Vec<_> = help.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("--")) {
            let explanation = lines.get(at + 1).copied().unwrap_or("");
            assert!(explanation.len() > 20, "{command} does not explain {line}");
            let optional = !matches!(*line, "--address <RC_URL>" | "--upstream <NAME=HOST:PORT[,HOST:PORT]...>");
            let required = command == "check" && line.starts_with("--config");
            let says =
                lines[at + 1..].iter().take(3).any(|line| line.contains("[default:") || line.contains("[example:"));
            assert!(says || !optional || required, "{command} tells no default of {line}");
        }
    }
}

#[test]
fn the_readmes_commands_are_commands() {
    // A command may go on in the next line, and quote what a shell would read.
    let readme = read("README.md").replace("\\\n", "").replace('\'', "");
    let commands: Vec<_> = readme.lines().filter(|line| line.starts_with("revtun ")).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let mut args: Vec<_> = command.split_whitespace().skip(1).collect();
        if args[0] != "check" {
            // The command line is read, and nothing is started.
            args.push("--help");
        }
        let output = revtun(&args);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
}

#[test]
fn the_readme_has_the_two_commands() {
    let readme = read("README.md");
    for command in ["cargo run --release -- demo", "cargo test --workspace"] {
        assert!(readme.lines().any(|line| line == command), "{command}");
    }
}

#[test]
fn the_readme_names_every_answer_of_our_own() {
    let table: BTreeMap<_, _> = read("README.md").lines().filter_map(row).collect();
    let mut ours: BTreeMap<_, _> =
        OwnAnswer::ALL.iter().map(|answer| (answer.reason().to_owned(), answer.status().as_u16())).collect();
    for reason in ["service-unreachable", "service-lost", "request-lost"] {
        assert!(read("runtime/src/initiator/forward.rs").contains(&format!("\"{reason}\"")), "{reason}");
        ours.insert(reason.to_owned(), 502);
    }
    assert_eq!(table, ours);
}

/// Reason and status in a row such as ``| 502 | `tunnel-lost` | …``.
fn row(line: &str) -> Option<(String, u16)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let status = cells.next()?.parse().ok()?;
    let reason = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    Some((reason.to_owned(), status))
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for document in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md"] {
        let text = read(document);
        let folder = root().join(document).parent().expect("a folder").to_owned();
        let heading = |line: &str| line.starts_with('#').then(|| anchor(line.trim_start_matches('#')));
        let headings: BTreeSet<_> = text.lines().filter_map(heading).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let leads = match link.strip_prefix('#') {
                Some(place) => headings.contains(place),
                None => link.starts_with("https://") || folder.join(link).exists(),
            };
            assert!(leads, "{document} links to {link}");
        }
    }
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ')
        .collect::<String>()
        .replace(' ', "-")
}

#[test]
fn each_example_is_sound() {
    for entry in fs::read_dir(root().join("examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        let output = revtun(&["check", "--config", path.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn the_examples_show_the_defaults() {
    let shown = Settings::parse(&read("examples/responder.toml")).expect("sound").responder.expect("a responder");
    let default = Settings::parse("[responder]").expect("sound").responder.expect("a responder");
    assert_eq!(shown, default);
    let mut shown = Settings::parse(&read("examples/initiator.toml")).expect("sound").initiator.expect("an initiator");
    let default = Settings::parse("[initiator]").expect("sound").initiator.expect("an initiator");
    assert!(!shown.listeners.is_empty() && !shown.upstreams.is_empty());
    shown.listeners.clear();
    shown.upstreams.clear();
    assert_eq!(shown, default);
}

#[test]
fn the_examples_show_every_setting() {
    for (source, example) in [
        ("runtime/program/src/config/log.rs", "examples/responder.toml"),
        ("runtime/program/src/config/log.rs", "examples/initiator.toml"),
        ("runtime/program/src/config/responder.rs", "examples/responder.toml"),
        ("runtime/program/src/config/initiator.rs", "examples/initiator.toml"),
        ("runtime/program/src/config/tls.rs", "examples/responder.toml"),
    ] {
        let (source, shown) = (read(source), read(example));
        let mut keys = 0;
        for read in ["text", "listen", "duration", "number", "switch"] {
            let call = format!("section.{read}(\"");
            let calls = source.split(&call).skip(1);
            for key in calls.filter_map(|rest| rest.split('"').next()) {
                let is_shown =
                    shown.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} = ")));
                assert!(is_shown, "{example} does not show {key}");
                keys += 1;
            }
        }
        assert!(keys >= 2, "the readers of {example} look different now");
    }
}
