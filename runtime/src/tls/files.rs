//! The files with certificates and keys, in PEM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::certificate::Certificate;
use super::keep::Kept;
use crate::config::Fault;

/// What a server shows, and whose clients it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate, and those between it and a root.
    pub cert: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// Who may have signed the certificates of clients; with it, each must show one.
    pub client_ca: Option<PathBuf>,
    /// The protocols to choose from; none to leave that open.
    pub alpn: &'static [&'static [u8]],
}

/// Whom a client believes, and what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Who may have signed the server's certificate; none means the roots of this system.
    pub ca: Option<PathBuf>,
    /// Its own certificate and the key of that.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl Kept for ServerFiles {
    type Config = ServerConfig;

    fn paths(&self) -> Vec<&Path> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(AsRef::as_ref).collect()
    }

    fn own(&self) -> Option<&Path> {
        Some(&self.cert)
    }

    fn load(&self) -> Result<ServerConfig, Fault> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("ring speaks TLS 1.2 and 1.3");
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| unusable(path, &error.to_string()))?)
            }
        };
        let (chain, key) = own_pair(&self.cert, &self.key)?;
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| mismatched(&self.cert, &self.key, &error))?;
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

impl Kept for ClientFiles {
    type Config = ClientConfig;

    fn paths(&self) -> Vec<&Path> {
        let own = self.own.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca.iter().chain(own).map(AsRef::as_ref).collect()
    }

    fn own(&self) -> Option<&Path> {
        self.own.as_ref().map(|(cert, _)| cert.as_ref())
    }

    fn load(&self) -> Result<ClientConfig, Fault> {
        let provider = provider();
        let roots = match &self.ca {
            Some(path) => roots(path)?,
            None => system_roots()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let verifier = verifier.map_err(|error| Fault::new(error.to_string(), "give a CA that can be used"))?;
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().expect("ring speaks TLS 1.2 and 1.3");
        let builder = builder.with_webpki_verifier(verifier);
        match &self.own {
            None => Ok(builder.with_no_client_auth()),
            Some((cert, key)) => {
                let (chain, secret) = own_pair(cert, key)?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| mismatched(cert, key, &error))
            }
        }
    }
}

/// The cryptography, the same for everybody.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn own_pair(cert: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| unusable(key, "holds no private key"))?;
    Ok((certificates(cert)?, secret))
}

fn roots(path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| unusable(path, &error.to_string()))?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err(Fault::new("this system has no root certificates", "name a file with the CA of the responder"));
    }
    Ok(roots)
}

/// All certificates of a file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(unusable(path, "holds no certificate"));
    }
    for certificate in &certificates {
        Certificate::parse(certificate).map_err(|error| unusable(path, &format!("holds something that {error}")))?;
    }
    Ok(certificates)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path)
        .map_err(|error| Fault::new(format!("cannot read {}: {error}", path.display()), "give the path of a PEM file"))
}

fn unusable(path: &Path, what: &str) -> Fault {
    Fault::new(format!("{} {what}", path.display()), "give a PEM file made for this")
}

fn mismatched(cert: &Path, key: &Path, error: &rustls::Error) -> Fault {
    let what = format!("{} and {} do not belong together: {error}", cert.display(), key.display());
    Fault::new(what, "give a certificate and its own key")
}
