//! The file that an initiator has its token in. Whoever issues tokens writes a new one there before the old one ends.

use std::fmt;
use std::path::PathBuf;

use revtun_core::token::Token;

use super::error::TokenFileError;
use super::read::read;

/// The longest file that is read: more than the longest token, and white space.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// The path of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFile(PathBuf);

impl TokenFile {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Reads the token that is there now. White space around it does not count.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no token.
    pub fn read(&self) -> Result<TokenText, TokenFileError> {
        let bytes = read(&self.0, MAX_FILE_BYTES)?;
        let text = str::from_utf8(bytes.trim_ascii()).unwrap_or("\0");
        Token::new(text).map_err(|fault| TokenFileError::Malformed { path: self.0.clone(), fault })?;
        Ok(TokenText(text.to_owned()))
    }
}

/// A token of legal form, not shown, as [`Token`] is not.
pub struct TokenText(String);

impl TokenText {
    /// The token, to be sent.
    #[must_use]
    pub fn token(&self) -> Token<'_> {
        Token::new(&self.0).expect("its form was checked when it was read")
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token().fmt(f)
    }
}
