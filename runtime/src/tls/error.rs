//! What can be wrong with files of certificates and keys.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;

/// Why files of certificates and keys cannot be used. Each message is a short phrase without a full stop that names the
/// file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsFileError {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not in the PEM format (RFC 7468).
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file holds no certificate.
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no private key.
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A file holds no certificate revocation list.
    NoRevocationList {
        /// The file.
        path: PathBuf,
    },
    /// A file holds a private key that is encrypted, and nobody is there to be asked for its passphrase.
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A file holds a private key of a kind or curve that cannot be used.
    UnsupportedKey {
        /// The file.
        path: PathBuf,
    },
    /// Everybody on this machine can read a private key.
    ReadableKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not valid any more.
    Expired {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, counted from one.
        number: usize,
    },
    /// A certificate is not valid yet.
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, counted from one.
        number: usize,
    },
    /// A file says that it holds a certificate, and what it holds is not an X.509 certificate.
    NotX509 {
        /// The file.
        path: PathBuf,
    },
    /// A certificate cannot serve as a root of trust.
    UnusableRoot {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The roots of trust cannot verify certificates.
    UnusableRoots {
        /// Why not.
        source: VerifierBuilderError,
    },
    /// This system has no root certificates, and no file is given.
    NoSystemRoots,
    /// A certificate and a private key do not belong together, or cannot be used.
    KeyMismatch {
        /// The file with the certificate.
        cert: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// What is wrong with them.
        source: rustls::Error,
    },
}

impl TlsFileError {
    pub(super) fn mismatch(cert: &Path, key: &Path, source: rustls::Error) -> Self {
        Self::KeyMismatch { cert: cert.to_owned(), key: key.to_owned(), source }
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::NotPem { path, source } => write!(f, "{} is not valid PEM: {source}", path.display()),
            Self::NoCertificate { path } => write!(f, "{} holds no certificate", path.display()),
            Self::NoPrivateKey { path } => write!(f, "{} holds no private key", path.display()),
            Self::NoRevocationList { path } => write!(f, "{} holds no certificate revocation list", path.display()),
            Self::EncryptedKey { path } => {
                write!(f, "{} holds a private key that is encrypted", path.display())
            }
            Self::UnsupportedKey { path } => write!(
                f,
                "{} holds a private key of a kind that is not supported; RSA, ECDSA with P-256 or P-384, and Ed25519 are",
                path.display()
            ),
            Self::ReadableKey { path } => {
                write!(f, "{} holds a private key that everybody on this machine can read", path.display())
            }
            Self::Expired { path, number } => {
                write!(f, "{} holds a certificate that has expired (certificate number {number})", path.display())
            }
            Self::NotYetValid { path, number } => {
                write!(f, "{} holds a certificate that is not valid yet (certificate number {number})", path.display())
            }
            Self::NotX509 { path } => {
                write!(f, "{} holds something that is not an X.509 certificate", path.display())
            }
            Self::UnusableRoot { path, source } => {
                write!(f, "{} cannot be used as a CA: {source}", path.display())
            }
            Self::UnusableRoots { source } => write!(f, "the CA certificates cannot be used: {source}"),
            Self::NoSystemRoots => f.write_str("this system has no root certificates"),
            Self::KeyMismatch { cert, key, source } => {
                write!(f, "{} and {} do not belong together: {source}", cert.display(), key.display())
            }
        }
    }
}

impl Error for TlsFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::NotPem { source, .. } => Some(source),
            Self::UnusableRoot { source, .. } | Self::KeyMismatch { source, .. } => Some(source),
            Self::UnusableRoots { source } => Some(source),
            Self::NoCertificate { .. }
            | Self::NoPrivateKey { .. }
            | Self::NoRevocationList { .. }
            | Self::EncryptedKey { .. }
            | Self::UnsupportedKey { .. }
            | Self::ReadableKey { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::NotX509 { .. }
            | Self::NoSystemRoots => None,
        }
    }
}
