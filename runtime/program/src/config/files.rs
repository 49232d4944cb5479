//! What an operator is told about files of certificates, keys and tokens that cannot be used.

use super::diagnostic::ConfigError;
use revtun::tls::{DenyFileError, Reloadable, TlsFileError};
use revtun::token::{KeySetFileError, TokenFileError};
use revtun::world::{Tokio, World};

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
            TlsFileError::NoRevocationList { .. } => "give a PEM file with X509 CRL in it",
            TlsFileError::EncryptedKey { .. } => "decrypt it into a file that nobody else can read",
            TlsFileError::UnsupportedKey { .. } => "make a key of one of these kinds, and a certificate for it",
            TlsFileError::ReadableKey { .. } => "take the right to read it from others (chmod o-r)",
            TlsFileError::Expired { .. } => "give one that is valid now",
            TlsFileError::NotYetValid { .. } => "give one that is valid now, or set the clock of this machine",
            _ => "give other files",
        };
        Self::new(error.to_string(), remedy)
    }
}

impl From<DenyFileError> for ConfigError {
    fn from(error: DenyFileError) -> Self {
        Self::new(
            error.to_string(),
            "give a text file with lines such as: serial 0a:1b, san NAME, token ID, node TENANT/CLUSTER/NODE",
        )
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
    let now = Tokio::begin().unix_millis() / 1000;
    files.map_or_else(Vec::new, |files| files.errors(now).into_iter().map(Into::into).collect())
}

/// What should be mended about `files`, if there are any, although they can be used.
pub(super) fn warnings_of<F: Reloadable<Error: Into<ConfigError>>>(files: Option<F>) -> Vec<ConfigError> {
    files.map_or_else(Vec::new, |files| files.warnings().into_iter().map(Into::into).collect())
}
