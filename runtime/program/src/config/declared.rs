//! What is known of every setting, for the command line and for documents.

use super::duration::LONGEST;
use super::section::Zero;
use super::setting::{Access, Changes, Declaration, Group, Setting, Takes};
use super::sources::{End, variable_of};
use super::{duration, initiator, log, responder};

/// One setting, as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The heading under which it stands.
    pub heading: &'static str,
    /// The table of the file that it stands in, such as `responder.tls`.
    pub table: String,
    /// Its key there; empty if it is a flag only.
    pub key: &'static str,
    /// What it is, without a full stop.
    pub sentence: &'static str,
    /// Its type with unit and range, in words.
    pub kind: String,
    /// Its default as it is written in a file, if it has one.
    pub default: Option<String>,
    /// What applies without a value.
    pub absent: &'static str,
    /// A value as it could be written in a file, where there is no default.
    pub example: Option<String>,
    /// Its flag, without dashes.
    pub flag: Option<String>,
    /// Its environment variables, the stronger one first.
    pub variables: Vec<String>,
    /// What its flag takes.
    pub takes: Takes,
    /// How a value is called in `--help`.
    pub value_name: &'static str,
    /// Whether the file that it names is read again while the process runs; everything else is read at the start.
    pub is_read_again: bool,
}

/// A table of the file, or a part of one, that stands under a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredGroup {
    /// The heading.
    pub heading: &'static str,
    /// The table of the file, such as `responder.tls`.
    pub table: String,
    /// Sentences about all of it; may be empty.
    pub note: &'static str,
    /// Its settings.
    pub settings: Vec<Declared>,
}

/// The settings of the log, which all processes have.
#[must_use]
pub fn declared_log() -> Vec<DeclaredGroup> {
    groups(&log::DECLARATION)
}

/// The settings of `end`, without those of the log, in the order of documents.
#[must_use]
pub fn declared(end: End) -> Vec<DeclaredGroup> {
    match end {
        End::Responder => groups(&responder::table::DECLARATION),
        End::Initiator => groups(&initiator::table::DECLARATION),
    }
}

/// The settings of a route of an initiator, and those of a service.
#[must_use]
pub fn declared_routes() -> [Vec<DeclaredGroup>; 2] {
    [groups(&initiator::routes::DECLARATION), groups(&initiator::services::DECLARATION)]
}

fn groups<S: Default>(declaration: &Declaration<S>) -> Vec<DeclaredGroup> {
    let group = |group: &Group<S>| DeclaredGroup {
        heading: group.heading,
        table: table(declaration, group),
        note: group.note,
        settings: group.settings.iter().map(|setting| one(declaration, group, setting)).collect(),
    };
    declaration.groups.iter().map(group).collect()
}

fn one<S: Default>(declaration: &Declaration<S>, group: &Group<S>, setting: &Setting<S>) -> Declared {
    let mut defaults = S::default();
    group.put(&mut defaults);
    let flag = declaration.flag(group, setting);
    let variables = flag.as_deref().map(variable_of).into_iter().chain(setting.variable.map(str::to_owned));
    let default = setting.show(&mut defaults);
    Declared {
        heading: group.heading,
        table: table(declaration, group),
        key: if setting.is_in_file() { setting.key } else { "" },
        sentence: setting.sentence,
        kind: kind(setting),
        takes: takes(setting, default.as_deref()),
        default,
        absent: setting.absent,
        example: setting.example(),
        variables: variables.collect(),
        flag,
        value_name: value_name(setting),
        is_read_again: setting.changes == Changes::Contents,
    }
}

fn table<S>(declaration: &Declaration<S>, group: &Group<S>) -> String {
    match group.table {
        "" => declaration.name.to_owned(),
        table => format!("{}.{table}", declaration.name),
    }
}

fn kind<S>(setting: &Setting<S>) -> String {
    match &setting.access {
        Access::Switch(_) => "true or false".to_owned(),
        Access::Number(range, _) | Access::Count { range, .. } => {
            format!("whole number, {} to {}", range.start(), range.end())
        }
        Access::Duration(Zero::IsOff, _) => format!("duration, 0s to {}", duration::format(LONGEST)),
        Access::Duration(Zero::IsWrong, _) => format!("duration, 1ms to {}", duration::format(LONGEST)),
        Access::Listen(_) => "IP:PORT".to_owned(),
        Access::File { what, .. } => format!("path of a {what}"),
        Access::List { value_name, max, .. } => format!("list of up to {max}: {value_name}"),
        Access::Text { value_name, .. } | Access::Act { value_name, .. } => (*value_name).to_owned(),
    }
}

/// A switch whose default is off may be given without a value.
fn takes<S>(setting: &Setting<S>, default: Option<&str>) -> Takes {
    match &setting.access {
        Access::Switch(_) if default == Some("false") => Takes::Switch,
        Access::Act { takes, .. } => *takes,
        Access::Switch(_)
        | Access::Number(..)
        | Access::Count { .. }
        | Access::Duration(..)
        | Access::Listen(_)
        | Access::File { .. }
        | Access::Text { .. }
        | Access::List { .. } => Takes::One,
    }
}

fn value_name<S>(setting: &Setting<S>) -> &'static str {
    match &setting.access {
        Access::Switch(_) => "true|false",
        Access::Number(..) | Access::Count { .. } => "N",
        Access::Duration(..) => "DURATION",
        Access::Listen(_) => "IP:PORT",
        Access::File { .. } => "FILE",
        Access::Text { value_name, .. } | Access::List { value_name, .. } | Access::Act { value_name, .. } => {
            value_name
        }
    }
}
