//! Files that say what counts no more: lists of revoked certificates, and deny lists.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use revtun_core::deny::{DenyList, DenyListError};
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;

use super::error::TlsFileError;
use super::files::client_verifier;
use super::proof::Proof;
use super::reload::Reloadable;

/// Whose certificates of clients count, and which of them were revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientVerifierFiles {
    /// Who may have signed them.
    pub client_ca: PathBuf,
    /// The certificate revocation lists (RFC 5280 §5) of those who did, in PEM.
    pub crl: PathBuf,
}

impl ClientVerifierFiles {
    /// A CA and its revocation lists.
    #[must_use]
    pub fn new(client_ca: PathBuf, crl: PathBuf) -> Self {
        Self { client_ca, crl }
    }
}

/// Verifies what was verified before.
#[derive(Clone, Debug)]
pub struct ClientVerifier(Arc<dyn ClientCertVerifier>);

impl ClientVerifier {
    /// Whether the certificate that a tunnel was opened with would be refused, `now` being in seconds since 1970. Without a certificate
    /// nothing was revoked.
    #[must_use]
    pub fn refuses(&self, proof: &Proof, now: u64) -> bool {
        let Some((own, between)) = proof.chain().split_first() else { return false };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        self.0.verify_client_cert(own, between, now).is_err()
    }
}

impl Reloadable for ClientVerifierFiles {
    type Config = ClientVerifier;
    type Error = TlsFileError;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.client_ca, &self.crl]
    }

    fn load(&self) -> Result<ClientVerifier, TlsFileError> {
        client_verifier(&self.client_ca, Some(&self.crl)).map(ClientVerifier)
    }
}

/// The file with a [deny list](revtun_core::deny).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyFile(PathBuf);

/// The longest deny list that is read, in bytes.
const MAX_DENY_BYTES: u64 = 32 << 20;

impl DenyFile {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Reloadable for DenyFile {
    type Config = DenyList;
    type Error = DenyFileError;

    fn paths(&self) -> Vec<&Path> {
        vec![&self.0]
    }

    fn load(&self) -> Result<DenyList, DenyFileError> {
        let failed = |what: &dyn fmt::Display| DenyFileError(format!("cannot read {}: {what}", self.0.display()));
        let length = std::fs::metadata(&self.0).map_err(|error| failed(&error))?.len();
        if length > MAX_DENY_BYTES {
            return Err(failed(&format_args!("it is longer than {MAX_DENY_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(&self.0).map_err(|error| failed(&error))?;
        let unusable = |error: DenyListError| DenyFileError(format!("{} is no deny list: {error}", self.0.display()));
        DenyList::parse(&text).map_err(unusable)
    }
}

/// Why a file gives no deny list: a short phrase without a full stop that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyFileError(String);

impl fmt::Display for DenyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DenyFileError {}
