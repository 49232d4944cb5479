//! What an operator is told about files of certificates, keys and tokens that cannot be used.

use super::diagnostic::ConfigError;
use revtun::tls::{Reloadable, TlsFileError};
use revtun::token::{KeySetFileError, TokenFileError};

impl From<TlsFileError> for ConfigError {
    fn from(error: TlsFileError) -> Self {
        let remedy = match &error {
            TlsFileError::Read { .. } => "give the path of a PEM file",
            TlsFileError::UnusableRoots { .. } => "give a CA that can be used",
            TlsFileError::NoSystemRoots => "name a file with the CA of the responder",
            TlsFileError::KeyMismatch { .. } => "give a certificate and its own key",
            TlsFileError::NotPem { .. }
            | TlsFileError::NoCertificate { .. }
            | TlsFileError::NoPrivateKey { .. }
            | TlsFileError::NotX509 { .. }
            | TlsFileError::UnusableRoot { .. } => "give a PEM file made for this",
            _ => "give other files",
        };
        Self::new(error.to_string(), remedy)
    }
}

impl From<KeySetFileError> for ConfigError {
    fn from(error: KeySetFileError) -> Self {
        Self::new(error.to_string(), "give a JSON Web Key Set with public keys for RS256, ES256 or EdDSA")
    }
}

impl From<TokenFileError> for ConfigError {
    fn from(error: TokenFileError) -> Self {
        Self::new(error.to_string(), "give a file with a token and nothing else")
    }
}

/// Everything that is wrong with `files`, if there are any.
pub(super) fn errors_of<F: Reloadable<Error: Into<ConfigError>>>(files: Option<F>) -> Vec<ConfigError> {
    files.map_or_else(Vec::new, |files| files.errors().into_iter().map(Into::into).collect())
}
