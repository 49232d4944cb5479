//! Whether a journal is what the machine does.

use alloc::string::{String, ToString};
use core::fmt;

use super::{Journaled, Line, ParseError};

/// Takes every step of a journal again and returns how many there were. Empty lines and those that begin with `#`
/// are passed over.
///
/// # Errors
/// At the first line that cannot be read or is not what `machine` does.
pub fn replay<M: Journaled>(machine: &mut M, journal: &str) -> Result<usize, ReplayError> {
    let mut steps = 0;
    for (index, text) in journal.lines().enumerate() {
        steps += usize::from(replay_line(machine, index + 1, text)?.is_some());
    }
    Ok(steps)
}

/// Takes the step of the journal's line `number` again, if there is one in `text`.
///
/// # Errors
/// If the line cannot be read or is not what `machine` does.
pub fn replay_line<M: Journaled>(machine: &mut M, number: usize, text: &str) -> Result<Option<Line>, ReplayError> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let fail = |kind| ReplayError { line: number, kind };
    let line = Line::parse(text).map_err(|error| fail(ReplayErrorKind::Malformed(error)))?;
    let event = line.event::<M>().ok_or_else(|| fail(ReplayErrorKind::Unknown))?;
    let (taken, _) = Line::step(machine, line.env(), event);
    if taken == line { Ok(Some(line)) } else { Err(fail(ReplayErrorKind::Differs { machine: taken.to_string() })) }
}

/// Where a journal and the machine part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// The number of the line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ReplayErrorKind,
}

/// What is wrong with a line of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayErrorKind {
    /// It is not a line of the text format.
    Malformed(ParseError),
    /// Its event is none of the machine's.
    Unknown,
    /// The machine does something else.
    Differs {
        /// The line as the machine would have it.
        machine: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            ReplayErrorKind::Malformed(error) => error.fmt(f),
            ReplayErrorKind::Unknown => f.write_str("not an event of this machine"),
            ReplayErrorKind::Differs { machine } => write!(f, "the machine does something else: {machine}"),
        }
    }
}

impl core::error::Error for ReplayError {}
