//! What a machine was before its first step.

use core::fmt;

use super::sentence::Tokens;
use super::{Journaled, Malformed, Sentence};

/// How the first line of a journal begins. The number is that of the format.
const BEGINNING: &str = "# revtun-journal 1 ";

/// How the last line begins of a journal that has no more of the run, since its writer did not keep up.
pub const CUT_SHORT: &str = "# cut short";

/// The first line of a journal, `# revtun-journal 1 Responder SETTING=VALUE …`: which machine made it, with which
/// settings.
/// Durations are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(Sentence);

impl Header {
    /// The header of a journal that `machine` is about to make.
    pub fn of<M: Journaled>(machine: &M) -> Self {
        Self(machine.tell_config())
    }

    /// Reads the first line of a journal.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let expected = Malformed { expected: "# revtun-journal 1 MACHINE SETTING=VALUE ... at the beginning" };
        let mut tokens = Tokens::new(text.strip_prefix(BEGINNING).ok_or(expected)?);
        let config = tokens.sentence()?;
        if tokens.is_empty() { Ok(Self(config)) } else { Err(expected) }
    }

    /// The machine that made the journal, before its first step; none if that was another kind, or had other settings.
    #[must_use]
    pub fn machine<M: Journaled>(&self) -> Option<M> {
        M::with_config(&self.0)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{}", self.0)
    }
}
