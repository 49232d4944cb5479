//! What can be wrong with files of tokens and keys.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use revtun_core::token::TokenError;

/// Why a file cannot be read as a whole. Each message is a short phrase without a full stop that names the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refuses.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a folder, a pipe or something else that may have no end.
    NotAFile {
        /// Its path.
        path: PathBuf,
    },
    /// It is longer than what it is for can be.
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::NotAFile { path } => write!(f, "{} is not a regular file", path.display()),
            Self::TooLong { path, limit } => write!(f, "{} is longer than {limit} bytes", path.display()),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::NotAFile { .. } | Self::TooLong { .. } => None,
        }
    }
}

/// Why a file gives no token to send.
#[derive(Debug)]
#[non_exhaustive]
pub enum TokenFileError {
    /// It cannot be read.
    Read(ReadError),
    /// What it holds is not a token that can be sent.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: TokenError,
    },
}

impl fmt::Display for TokenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Malformed { path, fault } => {
                write!(f, "{} holds no token that could be sent: {}", path.display(), fault.name())
            }
        }
    }
}

impl Error for TokenFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Malformed { .. } => None,
        }
    }
}

impl From<ReadError> for TokenFileError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Why bytes are not a JSON Web Key Set that can be used (RFC 7517 §5). Each message follows the name of the set.
#[cfg(feature = "jwt")]
#[derive(Debug)]
#[non_exhaustive]
pub enum KeySetError {
    /// They are not JSON, or not such a set.
    Malformed(serde_json::Error),
    /// There are more keys than this.
    TooManyKeys {
        /// The most keys that a set may have.
        limit: usize,
    },
    /// A key is not sound.
    UnusableKey {
        /// Which, counted from one.
        number: usize,
        /// What it would be for: `RS256`, `ES256` or `EdDSA`.
        algorithm: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two keys have the same `kid`, or none.
    DuplicateKid {
        /// The second of them, counted from one.
        number: usize,
    },
    /// No key is for signatures.
    NoSigningKey,
}

#[cfg(feature = "jwt")]
impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "is not a JSON Web Key Set: {error}"),
            Self::TooManyKeys { limit } => write!(f, "holds more than {limit} keys"),
            Self::UnusableKey { number, algorithm, why } => {
                write!(f, "holds a key that cannot be used for {algorithm} (key number {number}): {why}")
            }
            Self::DuplicateKid { number } => {
                write!(f, "holds a key with the kid of another one, or none (key number {number})")
            }
            Self::NoSigningKey => f.write_str("holds no key for signatures"),
        }
    }
}

#[cfg(feature = "jwt")]
impl Error for KeySetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::TooManyKeys { .. } | Self::UnusableKey { .. } | Self::DuplicateKid { .. } | Self::NoSigningKey => {
                None
            }
        }
    }
}

/// Why a file gives no keys to verify tokens with.
#[cfg(feature = "jwt")]
#[derive(Debug)]
#[non_exhaustive]
pub enum KeySetFileError {
    /// It cannot be read.
    Read(ReadError),
    /// What it holds is not a JSON Web Key Set that can be used.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeySetError,
    },
}

#[cfg(feature = "jwt")]
impl fmt::Display for KeySetFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Unusable { path, source } => write!(f, "{} {source}", path.display()),
        }
    }
}

#[cfg(feature = "jwt")]
impl Error for KeySetFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Unusable { source, .. } => Some(source),
        }
    }
}

#[cfg(feature = "jwt")]
impl From<ReadError> for KeySetFileError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
