//! Help, README and examples agree with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use revtun::responder::LocalReply;
use revtun_program::config::{End, Settings, declared, declared_log};
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

const SUBCOMMANDS: [&[&str]; 9] = [
    &["demo"],
    &["responder"],
    &["initiator"],
    &["check"],
    &["config"],
    &["config", "responder"],
    &["config", "initiator"],
    &["replay"],
    &["connect"],
];

/// Every `--flag` in `text`.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && !word.ends_with('-')).map(str::to_owned).collect()
}

#[test]
fn the_readme_names_every_flag_and_no_other() {
    let mut known = BTreeSet::new();
    for command in SUBCOMMANDS {
        let output = revtun(&[command, &["--help"]].concat());
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
    for command in SUBCOMMANDS {
        let help = text(&revtun(&[command, &["--help"]].concat()).stdout);
        let lines: Vec<_> = help.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("--")) {
            let explanation = lines.get(at + 1).copied().unwrap_or("");
            assert!(explanation.len() > 20, "{command:?} does not explain {line}");
            let required = command == ["check"] && line.starts_with("--config");
            let says = lines[at + 1..].iter().take(3).any(|line| line.contains("[default:"));
            assert!(says || required, "{command:?} tells no default of {line}");
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
fn the_readme_names_every_local_reply() {
    let table: BTreeMap<_, _> = read("README.md").lines().filter_map(row).collect();
    let mut ours: BTreeMap<_, _> =
        LocalReply::ALL.iter().map(|reply| (reply.reason().to_owned(), reply.status().as_u16())).collect();
    const ERROR: &str = "runtime/src/upstream/error.rs";
    const FORWARD: &str = "runtime/src/upstream/forward.rs";
    const TCP: &str = "runtime/src/upstream/tcp.rs";
    let elsewhere = [
        (ERROR, "request-illegal", 400),
        (ERROR, "request-lost", 502),
        (ERROR, "service-unreachable", 502),
        (ERROR, "service-lost", 502),
        (ERROR, "service-not-upgraded", 502),
        (ERROR, "service-upgrade-invalid", 502),
        (ERROR, "service-down", 503),
        (ERROR, "service-timeout", 504),
        (ERROR, "deadline-exceeded", 504),
        (FORWARD, "no-route", 404),
        (FORWARD, "upgrade-not-allowed", 501),
        (FORWARD, "service-coding", 502),
        (FORWARD, "service-lengths", 502),
        (FORWARD, "service-switched", 502),
        (TCP, "destination-illegal", 400),
        (TCP, "destination-not-allowed", 403),
        (TCP, "destination-unresolved", 502),
        (TCP, "destination-unreachable", 502),
        (TCP, "destination-timeout", 504),
        ("runtime/src/http/h2_server.rs", "response-headers-too-large", 502),
    ];
    for (file, reason, status) in elsewhere {
        assert!(read(file).contains(&format!("\"{reason}\"")), "{reason}");
        // The responder passes on no reason of its own.
        assert_eq!(ours.insert(reason.to_owned(), status), None, "{reason}");
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
fn the_examples_and_the_reference_show_every_setting() {
    let reference = read("runtime/program/SETTINGS.md");
    for (end, example) in [(End::Responder, "examples/responder.toml"), (End::Initiator, "examples/initiator.toml")] {
        let shown = read(example);
        let settings: Vec<_> =
            declared_log().into_iter().chain(declared(end)).flat_map(|group| group.settings).collect();
        assert!(settings.len() >= 30, "{example}");
        for setting in settings {
            let line = format!("{} = ", setting.key);
            let is_shown = shown.lines().any(|shown| shown.trim_start_matches("# ").starts_with(&line));
            assert!(is_shown || setting.key.is_empty(), "{example} does not show {}", setting.key);
            let names = [Some(setting.key.to_owned()), setting.flag.map(|flag| format!("--{flag}"))];
            for name in names.into_iter().flatten().filter(|name| !name.is_empty()) {
                assert!(reference.contains(&format!("| `{name}` |")), "the reference does not show {name}");
            }
        }
    }
}

#[test]
fn config_prints_what_is_in_force_and_where_it_comes_from() {
    let args = ["config", "responder", "--config", "examples/responder.toml", "--threads", "3"];
    let mut command = Command::new(binary());
    command.args(args).current_dir(root()).env("REVTUN_DRAIN_GRACE", "7s").env_remove("RUST_LOG");
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = text(&output.stdout);
    let lines: Vec<_> = page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "responder.threads = 3 # flag --threads",
        "responder.drain_grace = \"7s\" # environment variable REVTUN_DRAIN_GRACE",
        "# responder.journal # default: none",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {page}");
    }
    assert!(page.contains("# examples/responder.toml:"), "{page}");
    let again = Settings::parse(&page).expect("what is printed is a file");
    assert_eq!(again.responder.expect("a responder").process.threads.map(std::num::NonZero::get), Some(3));
}

#[test]
fn config_says_what_is_missing_to_start() {
    let output = revtun(&["config", "initiator", "--forward", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("initiator.admin_listen = "), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("an initiator needs an address"), "{}", text(&output.stderr));
    assert_eq!(revtun(&["config"]).status.code(), Some(2));
}
