//! Certificates that are the same in every run: Ed25519 keys derived from their owners' names, with deterministic
//! signatures.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use revtun::tls::Current;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::sync::watch;

use super::provider::{provider, time};

/// The PKCS #8 prefix of the 32 bytes of a private key (RFC 8410 §7).
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Signs every certificate.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
}

/// A certificate and its key.
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl CertificateAuthority {
    /// The only one.
    ///
    /// # Panics
    /// Never: the names are legal.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, key("the authority").0).expect("a sound certificate");
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).expect("a sound certificate");
        Self { issuer, roots: Arc::new(roots) }
    }

    /// The configuration of the server with this DNS name, which requires client certificates.
    #[must_use]
    pub fn server(&self, name: &str) -> Current<ServerConfig> {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider()).build();
        let builder = ServerConfig::builder_with_details(provider(), time()).with_protocol_versions(&[&TLS13]);
        let builder = builder.expect("TLS 1.3 is there").with_client_cert_verifier(verifier.expect("there is a root"));
        let (chain, key) = self.issue(name, SanType::DnsName(name.try_into().expect("a legal name")));
        fixed(builder.with_single_cert(chain, key).expect("they belong together"))
    }

    /// The configuration of a client whose certificate has the URI `identity`.
    #[must_use]
    pub fn client(&self, identity: &str) -> Current<ClientConfig> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider()).build();
        let builder = ClientConfig::builder_with_details(provider(), time()).with_protocol_versions(&[&TLS13]);
        let builder = builder.expect("TLS 1.3 is there").with_webpki_verifier(verifier.expect("there is a root"));
        let (chain, key) = self.issue(identity, SanType::URI(identity.try_into().expect("a legal URI")));
        fixed(builder.with_client_auth_cert(chain, key).expect("they belong together"))
    }

    fn issue(&self, owner: &str, name: SanType) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, owner);
        params.subject_alt_names.push(name);
        let (pair, key) = key(owner);
        let certificate = params.signed_by(&pair, &self.issuer).expect("a sound certificate");
        (vec![certificate.der().clone()], key.into())
    }
}

impl Default for CertificateAuthority {
    fn default() -> Self {
        Self::new()
    }
}

/// A configuration that never changes.
fn fixed<C>(config: C) -> Current<C> {
    watch::channel(Arc::new(config)).1
}

/// The key of this owner.
fn key(owner: &str) -> (KeyPair, PrivatePkcs8KeyDer<'static>) {
    let mut bytes = PKCS8.to_vec();
    let mut secret = [0; 32];
    crate::dice::dice(0, owner).fill(&mut secret);
    bytes.extend(secret);
    let der = PrivatePkcs8KeyDer::from(bytes);
    (KeyPair::try_from(&der).expect("any 32 bytes are a key"), der)
}
