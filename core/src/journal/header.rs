//! The first line of a journal: the machine and its settings.

use core::fmt;

use super::record::Tokens;
use super::{Journaled, ParseError, Record};

/// How the first line of a journal begins. The number is the version of the format.
const BEGINNING: &str = "# revtun-journal 1 ";

/// How the last line of a journal begins that ends before its run did, because its writer did not keep up.
pub const TRUNCATED: &str = "# truncated";

/// The first line of a journal, `# revtun-journal 1 Responder SETTING=VALUE …`: the machine that made it, and its
/// settings. Durations are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(Record);

impl Header {
    /// The header of a journal that `machine` is about to make.
    pub fn of<M: Journaled>(machine: &M) -> Self {
        Self(machine.encode_config())
    }

    /// Reads the first line of a journal.
    ///
    /// # Errors
    /// If it is something else.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let expected = ParseError { expected: "# revtun-journal 1 MACHINE SETTING=VALUE ... at the beginning" };
        let mut tokens = Tokens::new(text.strip_prefix(BEGINNING).ok_or(expected)?);
        let config = tokens.record()?;
        if tokens.is_empty() { Ok(Self(config)) } else { Err(expected) }
    }

    /// The machine that made the journal, before its first step; none if it was of another kind or its settings are not
    /// understood.
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
