//! What overrides a file: environment variables, and flags on top of them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::diagnostic::{Diagnostic, Origin};
use super::setting::{Access, Declaration, Setting, Takes};
use super::settings::Settings;
use super::{initiator, log, responder};

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `revtun responder`.
    Responder,
    /// `revtun initiator`.
    Initiator,
}

impl End {
    /// Its subcommand, and its table of the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Initiator => "initiator",
        }
    }
}

/// What an operator gives beside a file.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// What an environment variable says, if it is set. One that is empty counts as not set.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The values that a flag was given, which is named without its dashes; none if it was not given.
    pub flags: &'a dyn Fn(&str) -> Vec<OsString>,
}

impl Sources<'_> {
    /// What `variable` says, unless it is empty.
    #[must_use]
    pub fn variable(&self, variable: &str) -> Option<OsString> {
        (self.environment)(variable).filter(|text| !text.is_empty())
    }
}

/// The environment variable that belongs to a flag: `REVTUN_TUNNEL_LISTEN` to `tunnel-listen`.
#[must_use]
pub fn variable_of(flag: &str) -> String {
    format!("REVTUN_{}", flag.to_uppercase().replace('-', "_"))
}

/// Lets environment variables override what a file says, and flags override both: of the log, and of `end`, whose table
/// is there afterwards.
///
/// # Errors
/// Every text that is no legal value.
pub fn override_by(settings: &mut Settings, sources: Sources<'_>, end: Option<End>) -> Result<(), Vec<Diagnostic>> {
    let mut layer = Layer { sources, origins: &mut settings.origins, diagnostics: Vec::new() };
    layer.read(&log::DECLARATION, &mut settings.log);
    match end {
        None => {}
        Some(End::Responder) => {
            let responder = settings.responder.get_or_insert_default();
            layer.read(&responder::table::DECLARATION, responder);
        }
        Some(End::Initiator) => {
            let initiator = settings.initiator.get_or_insert_default();
            layer.read(&initiator::table::DECLARATION, initiator);
        }
    }
    let diagnostics = layer.diagnostics;
    settings.follow();
    if diagnostics.is_empty() { Ok(()) } else { Err(diagnostics) }
}

/// The sources over one file.
struct Layer<'a> {
    sources: Sources<'a>,
    origins: &'a mut BTreeMap<String, Origin>,
    diagnostics: Vec<Diagnostic>,
}

impl Layer<'_> {
    fn read<S>(&mut self, declaration: &Declaration<S>, settings: &mut S) {
        for group in declaration.groups {
            for setting in group.settings {
                let Some(flag) = declaration.flag(group, setting) else { continue };
                for (origin, texts) in self.texts(setting, &flag) {
                    let texts: Vec<&OsStr> = texts.iter().map(OsString::as_os_str).collect();
                    match declaration.apply(group, setting, settings, &texts, &origin) {
                        Ok(keys) => self.origins.extend(keys.into_iter().map(|key| (key, origin.clone()))),
                        Err(error) => self.diagnostics.push(Diagnostic::new(origin, "", error)),
                    }
                }
            }
        }
    }

    /// What is said of a setting, the stronger word last.
    fn texts<S>(&self, setting: &Setting<S>, flag: &str) -> Vec<(Origin, Vec<OsString>)> {
        let ours = variable_of(flag);
        let variables = [Some(ours.as_str()), setting.variable];
        let said = |name: &str| Some((Origin::Environment(name.to_owned()), self.sources.variable(name)?));
        let in_environment = variables.into_iter().flatten().find_map(said);
        let repeats = matches!(setting.access, Access::Act { takes: Takes::Several, .. });
        let in_environment = in_environment.map(|(origin, text)| match repeats {
            true => (origin, words(&text)),
            false => (origin, vec![text]),
        });
        let by_flag = (self.sources.flags)(flag);
        // Where a flag says it all, the environment does not count.
        let counts = by_flag.is_empty() || repeats;
        let by_flag = (!by_flag.is_empty()).then(|| (Origin::Flag(format!("--{flag}")), by_flag));
        in_environment.filter(|_| counts).into_iter().chain(by_flag).collect()
    }
}

fn words(text: &OsStr) -> Vec<OsString> {
    match text.to_str() {
        Some(text) => text.split_whitespace().map(OsString::from).collect(),
        None => vec![text.to_owned()],
    }
}
