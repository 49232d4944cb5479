//! The files with certificates and keys, in PEM.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::accept_any::AcceptAnyServer;
use super::certificate::Certificate;
use super::error::TlsFileError;
use super::full_handshake::Resumable;
use super::reload::Reloadable;

/// What a server shows, and whose clients it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFiles {
    /// Its certificate, and those between it and a root.
    pub cert: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// Who may have signed the certificates of clients; with it, each must show one.
    pub client_ca: Option<PathBuf>,
    /// The certificate revocation lists of those, in PEM (RFC 5280 §5). A certificate whose signer has none there counts.
    pub crl: Option<PathBuf>,
    /// The protocols to choose from; none to leave that open.
    pub alpn: &'static [&'static [u8]],
}

/// Whom a client believes, and what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientFiles {
    /// Who may have signed the server's certificate; none means the roots of this system.
    pub ca: Option<PathBuf>,
    /// Its own certificate and the key of that.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Believe any server, whatever certificate it shows: also one that is somebody else's, who reads and changes everything.
    pub accept_any_server: bool,
}

impl ServerFiles {
    /// A certificate and its key. Clients need none, and choose any protocol.
    #[must_use]
    pub fn new(cert: PathBuf, key: PathBuf) -> Self {
        Self { cert, key, client_ca: None, crl: None, alpn: &[] }
    }
}

impl Reloadable for ServerFiles {
    type Config = ServerConfig;
    type Error = TlsFileError;

    fn paths(&self) -> Vec<&Path> {
        let files = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref(), self.crl.as_ref()];
        files.into_iter().flatten().map(AsRef::as_ref).collect()
    }

    fn certificate_validity(&self) -> Option<RangeInclusive<u64>> {
        validity(&self.cert)
    }

    fn errors(&self, now: u64) -> Vec<TlsFileError> {
        errors(self, Some(&self.cert), now)
    }

    fn warnings(&self) -> Vec<TlsFileError> {
        readable(&self.key).into_iter().collect()
    }

    fn load(&self) -> Result<ServerConfig, TlsFileError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().expect("ring speaks TLS 1.2 and 1.3");
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => builder.with_client_cert_verifier(client_verifier(ca, self.crl.as_deref())?),
        };
        let (chain, key) = own_pair(&self.cert, &self.key)?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsFileError::mismatch(&self.cert, &self.key, error))?;
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Ok(if self.client_ca.is_some() { config.without_resumption() } else { config })
    }
}

impl Reloadable for ClientFiles {
    type Config = ClientConfig;
    type Error = TlsFileError;

    fn paths(&self) -> Vec<&Path> {
        let own = self.own.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca.iter().chain(own).map(AsRef::as_ref).collect()
    }

    fn certificate_validity(&self) -> Option<RangeInclusive<u64>> {
        self.own.as_ref().and_then(|(cert, _)| validity(cert))
    }

    fn errors(&self, now: u64) -> Vec<TlsFileError> {
        errors(self, self.own.as_ref().map(|(cert, _)| cert.as_path()), now)
    }

    fn warnings(&self) -> Vec<TlsFileError> {
        self.own.as_ref().and_then(|(_, key)| readable(key)).into_iter().collect()
    }

    fn load(&self) -> Result<ClientConfig, TlsFileError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().expect("ring speaks TLS 1.2 and 1.3");
        let builder = match self.accept_any_server {
            true => builder.dangerous().with_custom_certificate_verifier(AcceptAnyServer::new(&provider())),
            false => builder.with_webpki_verifier(self.verifier()?),
        };
        match &self.own {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let (chain, secret) = own_pair(cert, key)?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| TlsFileError::mismatch(cert, key, error))
            }
        }
    }
}

impl ClientFiles {
    /// Takes the certificates of servers that are signed by whom it believes.
    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, TlsFileError> {
        let roots = match &self.ca {
            Some(path) => roots(path)?,
            None => system_roots()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        verifier.map_err(|source| TlsFileError::UnusableRoots { source })
    }
}

/// Takes the certificates that one of `ca` has signed and none of `crl` has revoked.
pub(super) fn client_verifier(ca: &Path, crl: Option<&Path>) -> Result<Arc<dyn ClientCertVerifier>, TlsFileError> {
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider());
    if let Some(path) = crl {
        builder = builder.with_crls(revocation_lists(path)?).allow_unknown_revocation_status();
    }
    builder.build().map_err(|source| TlsFileError::UnusableRoots { source })
}

/// All lists of a file; at least one.
fn revocation_lists(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsFileError> {
    let lists = CertificateRevocationListDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|source| TlsFileError::NotPem { path: path.to_owned(), source })?;
    if lists.is_empty() { Err(TlsFileError::NoRevocationList { path: path.to_owned() }) } else { Ok(lists) }
}

/// The cryptography, the same for everybody.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What stands in a PEM file whose private key is encrypted (RFC 7468 §11, RFC 1421 §4.6.1.1).
const ENCRYPTED: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// A certificate with those between it and a root, and a private key.
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own_pair(cert: &Path, key: &Path) -> Result<Pair, TlsFileError> {
    let (bytes, path) = (read(key)?, || key.to_owned());
    if ENCRYPTED.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes())) {
        return Err(TlsFileError::EncryptedKey { path: path() });
    }
    let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsFileError::NoPrivateKey { path: path() })?;
    let known = provider().key_provider.load_private_key(secret.clone_key());
    known.map_err(|_| TlsFileError::UnsupportedKey { path: path() })?;
    Ok((certificates(cert)?, secret))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsFileError::UnusableRoot { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 { Err(TlsFileError::NoSystemRoots) } else { Ok(roots) }
}

/// All certificates of a file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let bytes = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|source| TlsFileError::NotPem { path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsFileError::NoCertificate { path: path.to_owned() });
    }
    if certificates.iter().any(|certificate| Certificate::parse(certificate).is_err()) {
        return Err(TlsFileError::NotX509 { path: path.to_owned() });
    }
    Ok(certificates)
}

/// The seconds since 1970 in which all certificates of a file are valid; it may be none.
fn validity(path: &Path) -> Option<RangeInclusive<u64>> {
    let chain = certificates(path).ok()?;
    let all = chain.iter().filter_map(|der| Certificate::parse(der).ok()).map(|certificate| certificate.validity());
    all.reduce(|all, one| *all.start().max(one.start())..=*all.end().min(one.end()))
}

/// What of the time is wrong with our own certificate and those between it and a root.
fn untimely(path: &Path, now: u64) -> Vec<TlsFileError> {
    let chain = certificates(path).unwrap_or_default();
    let fault = |(index, der): (usize, &CertificateDer<'_>)| {
        let validity = Certificate::parse(der).ok()?.validity();
        let (path, number) = (path.to_owned(), index + 1);
        if now > *validity.end() {
            Some(TlsFileError::Expired { path, number })
        } else if now < *validity.start() {
            Some(TlsFileError::NotYetValid { path, number })
        } else {
            None
        }
    };
    chain.iter().enumerate().filter_map(fault).collect()
}

/// A warning, if others than the owner of a key and its group can read it.
#[cfg(unix)]
fn readable(key: &Path) -> Option<TlsFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| TlsFileError::ReadableKey { path: key.to_owned() })
}

#[cfg(not(unix))]
fn readable(_: &Path) -> Option<TlsFileError> {
    None
}

/// Every file that cannot be read; or, if all can, the first thing that cannot be used; or, if all can, what of the time is wrong
/// with the certificates in `own`.
fn errors(files: &impl Reloadable<Error = TlsFileError>, own: Option<&Path>, now: u64) -> Vec<TlsFileError> {
    let unreadable: Vec<_> = files.paths().into_iter().filter_map(|path| read(path).err()).collect();
    if !unreadable.is_empty() {
        return unreadable;
    }
    match files.load() {
        Err(error) => vec![error],
        Ok(_) => own.map(|own| untimely(own, now)).unwrap_or_default(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(path).map_err(|source| TlsFileError::Read { path: path.to_owned(), source })
}
