//! How a command can fail, and what the user is told.

use std::fmt::Display;
use std::process::ExitCode;

use revtun_program::config::{Diagnostic, Source};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The user has to mend something: one line for each thing. Exit code 2.
    User(Vec<String>),
    /// Something of ours or of the system's failed. Exit code 1.
    Own(String),
}

impl CliError {
    /// One mistake of the user's.
    pub(crate) fn user(line: impl Display) -> Self {
        Self::User(vec![format!("revtun: {line}")])
    }

    /// A failure that is not the user's.
    pub(crate) fn own(line: impl Display) -> Self {
        Self::Own(format!("revtun: {line}"))
    }

    /// Every diagnostic with the settings, which came from `source` and from flags.
    pub(crate) fn diagnostics(diagnostics: &[Diagnostic], source: Option<Source<'_>>) -> Self {
        Self::User(diagnostics.iter().map(|diagnostic| diagnostic.render(source)).collect())
    }

    /// Tells the user, one line a mistake.
    pub(crate) fn report(self) -> ExitCode {
        let (lines, code) = match self {
            Self::User(lines) => (lines, 2),
            Self::Own(line) => (vec![line], 1),
        };
        for line in lines {
            eprintln!("{line}");
        }
        ExitCode::from(code)
    }
}
