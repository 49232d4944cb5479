//! How a command can fail, and what the user is told.

use std::fmt::Display;
use std::process::ExitCode;

use revtun_program::config::{Problem, Source};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user has to mend something: one line for each thing. Exit code 2.
    User(Vec<String>),
    /// Something of ours or of the system's failed. Exit code 1.
    Own(String),
}

impl Failure {
    /// One mistake of the user's.
    pub(crate) fn user(line: impl Display) -> Self {
        Self::User(vec![format!("revtun: {line}")])
    }

    /// A failure that is not the user's.
    pub(crate) fn own(line: impl Display) -> Self {
        Self::Own(format!("revtun: {line}"))
    }

    /// Every problem with the settings, which came from `source` and from flags.
    pub(crate) fn problems(problems: &[Problem], source: Option<Source<'_>>) -> Self {
        Self::User(problems.iter().map(|problem| problem.render(source)).collect())
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
