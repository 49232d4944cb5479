//! How a command can fail, and what the user is told.

use std::fmt::Display;
use std::process::ExitCode;

use revtun::supervise::TaskPanicked;
use revtun_program::config::{Diagnostic, Source};

use crate::log;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The user has to mend something: one line for each thing. Exit code 2.
    User(Vec<String>),
    /// Something of ours or of the system's failed. Exit code 1.
    Own(String),
    /// A bug of ours: the last line of the log, whatever is logged. Exit code 1.
    Fatal(String),
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

    /// A task without which nothing goes on has panicked.
    pub(crate) fn fatal(panicked: &TaskPanicked) -> Self {
        Self::Fatal(format!("fatal: {panicked}"))
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
            Self::Fatal(line) => {
                log::urgent(&line);
                (Vec::new(), 1)
            }
        };
        for line in lines {
            log::say(&line);
        }
        ExitCode::from(code)
    }
}
