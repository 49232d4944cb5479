//! How a command can fail, and what the user is told.

use std::fmt::Display;
use std::process::ExitCode;

use revtun::config::{Problem, Source};
use revtun::supervise::TaskPanicked;

use crate::log;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The user has to mend something: one line for each thing. Exit code 2.
    User(Vec<String>),
    /// Something of ours or of the system's failed. Exit code 1.
    Own(String),
    /// A bug of ours: the last line of the log, whatever is logged. Exit code 1.
    Fatal(String),
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

    /// A task without which nothing goes on has panicked.
    pub(crate) fn fatal(panicked: &TaskPanicked) -> Self {
        Self::Fatal(format!("fatal: {panicked}"))
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
