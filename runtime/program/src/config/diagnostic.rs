//! What is wrong with a setting, where it stands, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Why a text is not a legal value: what is wrong with it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    what: String,
    remedy: String,
}

impl ConfigError {
    /// An error; both parts are short phrases without a full stop.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// `what is wrong; what to do`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// These bytes of the file.
    File(Range<usize>),
    /// This flag, with its dashes.
    Flag(String),
    /// This environment variable.
    Environment(String),
    /// Another setting, from which it follows.
    Follows(&'static str),
    /// Nowhere: it is missing.
    Absent,
}

/// One thing that an operator has to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    origin: Origin,
    /// The setting, such as `responder.ping_interval`; empty where the origin says it all.
    setting: String,
    error: ConfigError,
}

impl Diagnostic {
    /// A diagnostic with `setting` (dotted, may be empty), which came from `origin`.
    pub fn new(origin: Origin, setting: impl Into<String>, error: ConfigError) -> Self {
        Self { origin, setting: setting.into(), error }
    }

    /// Where it stands in the file, for sorting; what is missing comes last.
    pub(super) fn position(&self) -> usize {
        match &self.origin {
            Origin::File(span) => span.start,
            Origin::Flag(_) | Origin::Environment(_) | Origin::Follows(_) | Origin::Absent => usize::MAX,
        }
    }

    /// One line: `FILE:LINE:COLUMN: setting: what is wrong; what to do`. Lines and columns count from one,
    /// columns in characters.
    #[must_use]
    pub fn render(&self, source: Option<Source<'_>>) -> String {
        let place = match (&self.origin, source) {
            (Origin::File(span), Some(source)) => {
                let (line, column) = line_and_column(source.text, span.start);
                format!("{}:{line}:{column}: ", source.path.display())
            }
            (Origin::Flag(flag), _) => format!("{flag}: "),
            (Origin::Environment(variable), _) => format!("the environment variable {variable}: "),
            (Origin::Follows(_) | Origin::Absent, Some(source)) => format!("{}: ", source.path.display()),
            (Origin::File(_) | Origin::Follows(_) | Origin::Absent, None) => String::new(),
        };
        let setting = if self.setting.is_empty() { String::new() } else { format!("{}: ", self.setting) };
        // A value may be quoted in the error; nothing in it must break the line, or turn the order of what is shown.
        let is_hidden = |c: char| c.is_control() || (!c.is_ascii() && c.escape_debug().len() > 1);
        format!("{place}{setting}{}", self.error)
            .chars()
            .map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c })
            .collect()
    }
}

/// The file that settings were read from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, as the operator gave it.
    pub path: &'a Path,
    /// What it says.
    pub text: &'a str,
}

impl Origin {
    /// A few words for people: `site.toml:4`, `flag --threads`, `environment variable REVTUN_THREADS`, `default`.
    #[must_use]
    pub fn describe(&self, source: Option<Source<'_>>) -> String {
        match (self, source) {
            (Self::File(span), Some(source)) => {
                let (line, _) = line_and_column(source.text, span.start);
                format!("{}:{line}", source.path.display())
            }
            (Self::File(_), None) => "file".to_owned(),
            (Self::Flag(flag), _) => format!("flag {flag}"),
            (Self::Environment(variable), _) => format!("environment variable {variable}"),
            (Self::Follows(setting), _) => format!("follows from {setting}"),
            (Self::Absent, _) => "default".to_owned(),
        }
    }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let text = "a = 1\nß = 2\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, text.find('2').unwrap()), (2, 5));
        assert_eq!(line_and_column(text, text.len() + 9), (3, 1));
    }

    #[test]
    fn a_problem_is_one_line() {
        let diagnostic = Diagnostic::new(
            Origin::File(0..1),
            "responder.x",
            ConfigError::new("\"a\nb\u{202e}\" is no number", "write a number"),
        );
        let source = Source { path: Path::new("f.toml"), text: "x" };
        assert_eq!(
            diagnostic.render(Some(source)),
            "f.toml:1:1: responder.x: \"a\u{fffd}b\u{fffd}\" is no number; write a number"
        );
    }
}
