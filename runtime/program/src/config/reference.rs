//! Documents that are made from the declarations: examples of files, and the reference of all settings.

use super::declared::{Declared, DeclaredGroup, declared, declared_log, declared_routes};
use super::sources::End;

/// The length of a line of an example.
const COLUMNS: usize = 100;

/// Who an example's initiator is, and whom it dials.
const ADDRESSES: &str = "\
# One table for each address: rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT, and the local service that requests are
# forwarded to which no route matches. The count is per host of the upstream.
[[initiator.listener]]
address = \"rc://edge-1:edge:acme@cloud:3\"
forward = \"http://127.0.0.1:8080\"

# What the names of upstreams stand for. They are resolved; every address behind them is a host.
[initiator.upstreams]
cloud = [\"127.0.0.1:15443\"]
";

const OPENING: &str = "\
# Settings

<!-- Made from the declarations by `REVTUN_BLESS=1 cargo test -p revtun-program --test reference`. -->

Every setting of both ends. A flag overrides its environment variable, that overrides the file, and that overrides the
default. `revtun config responder` and `revtun config initiator` print what is in force and where each value comes from.

- A setting stands in the table of the TOML file that the heading of its row names: `ping_interval` of `[responder]`, and
  `cert` of `[responder.tls]`.
- The environment variable of a flag is `REVTUN_` and its name in capitals: `REVTUN_PING_INTERVAL` for `--ping-interval`.
  `REVTUN_CONFIG` names the file. A variable that is empty counts as not set. Where a flag may be given several times, its
  variable holds the values with spaces between them.
- A switch that is off by default may be given without a value: `--allow-plaintext`, or `--allow-plaintext=false`.
- Durations are whole numbers with units: `500ms`, `2s`, `1m30s`. Zero is `0s`.
- Paths in a file are relative to the folder of that file; those of flags and variables to the working directory.
- All settings are read when the process starts. What is in a file that is marked with ↻ is read again when it changes.
";

/// The file `examples/END.toml`: every setting of `end` with its default.
#[must_use]
pub fn example(end: End) -> String {
    let name = name(end);
    let mut text = format!(
        "# Every setting of `revtun {name}` with its default. Check a file with `revtun check --config FILE`.\n\
         # Durations are whole numbers with units: 500ms, 2s, 1m30s, 24h at most. Paths are relative to this file.\n"
    );
    for (table, groups) in by_table(declared_log()).into_iter().chain(by_table(declared(end))) {
        let is_optional = table.contains('.');
        let hash = if is_optional { "# " } else { "" };
        text += &format!("\n{hash}[{table}]\n");
        for group in groups {
            write_group(&mut text, &group, is_optional);
        }
        if table == "initiator" {
            text += &format!("\n{ADDRESSES}");
            for (name, groups) in
                ["[[initiator.listener.route]]", "[initiator.services.NAME]"].into_iter().zip(declared_routes())
            {
                text += &format!("\n# {name}\n");
                groups.iter().for_each(|group| write_group(&mut text, group, true));
            }
        }
    }
    text
}

/// The file `SETTINGS.md`: every setting of both ends.
#[must_use]
pub fn reference() -> String {
    let mut text = OPENING.to_owned();
    text += "\n## Both ends\n";
    write_tables(&mut text, &declared_log());
    for end in [End::Responder, End::Initiator] {
        text += &format!("\n## `revtun {}`\n", name(end));
        write_tables(&mut text, &declared(end));
        if end == End::Initiator {
            text += "\n### The tables `[[initiator.listener]]` and `[initiator.upstreams]`\n\n```toml\n";
            text += ADDRESSES;
            text += "```\n";
            declared_routes().iter().for_each(|groups| write_tables(&mut text, groups));
        }
    }
    text
}

const fn name(end: End) -> &'static str {
    match end {
        End::Responder => "responder",
        End::Initiator => "initiator",
    }
}

/// The groups of each table, in the order of the tables.
fn by_table(groups: Vec<DeclaredGroup>) -> Vec<(String, Vec<DeclaredGroup>)> {
    let mut tables: Vec<(String, Vec<DeclaredGroup>)> = Vec::new();
    for group in groups {
        match tables.last_mut().filter(|(table, _)| *table == group.table) {
            Some((_, groups)) => groups.push(group),
            None => tables.push((group.table.clone(), vec![group])),
        }
    }
    tables
}

fn write_group(text: &mut String, group: &DeclaredGroup, is_optional: bool) {
    let in_file: Vec<_> = group.settings.iter().filter(|setting| !setting.key.is_empty()).collect();
    if in_file.is_empty() {
        return;
    }
    *text += &format!("\n# --- {} ---\n", group.heading);
    if !group.note.is_empty() {
        comment(text, group.note);
    }
    for setting in in_file {
        let sentence = match &setting.default {
            Some(_) => format!("{}.", setting.sentence),
            None => format!("{} [default: {}].", setting.sentence, setting.absent),
        };
        text.push('\n');
        comment(text, &sentence);
        let value = setting.default.as_ref().or(setting.example.as_ref()).map_or("", String::as_str);
        let hash = if is_optional || setting.default.is_none() { "# " } else { "" };
        *text += &format!("{hash}{} = {value}\n", setting.key);
    }
}

/// Writes a comment, on as many lines as it takes.
fn comment(text: &mut String, words: &str) {
    let mut line = "#".to_owned();
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > COLUMNS {
            *text += &format!("{line}\n");
            line = "#".to_owned();
        }
        line.push(' ');
        line += word;
    }
    *text += &format!("{line}\n");
}

fn write_tables(text: &mut String, groups: &[DeclaredGroup]) {
    let mut heading = "";
    for group in groups {
        if group.heading != heading {
            heading = group.heading;
            *text += &format!("\n### {heading}\n");
        }
        if !group.note.is_empty() {
            *text += &format!("\n{}\n", group.note);
        }
        *text += &format!("\n| `[{}]` | flag | type | default | |\n| --- | --- | --- | --- | --- |\n", group.table);
        for setting in &group.settings {
            write_row(text, setting);
        }
    }
}

fn write_row(text: &mut String, setting: &Declared) {
    let code = |text: &str| format!("`{text}`");
    let key = if setting.key.is_empty() { String::new() } else { code(setting.key) };
    let flag = setting.flag.as_ref().map(|flag| code(&format!("--{flag}"))).unwrap_or_default();
    let default = setting.default.as_ref().map_or_else(|| setting.absent.to_owned(), |default| code(default));
    let mut sentence = setting.sentence.to_owned();
    if let Some(variable) = setting.variables.get(1) {
        sentence += &format!(". The variable `{variable}` counts as well, below ours");
    }
    if setting.is_read_again {
        sentence += " ↻";
    }
    let cells = [key, flag, setting.kind.clone(), default, sentence].map(|cell| cell.replace('|', "\\|"));
    *text += &format!("| {} |\n", cells.join(" | "));
}
