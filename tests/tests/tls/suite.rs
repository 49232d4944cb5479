//! Fifty kinds of client certificates, each with what becomes of it: refused in the TLS handshake, or what it proves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType,
    SerialNumber, date_time_ymd,
};
use revtun::tls::{Proof, Reloadable as _, Server, ServerFiles, TunnelServer};
use revtun_core::binding::{Binding, Placeholder, Template};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::Verdict::{self, Authenticated, Mismatch};
use revtun_tests::certificates::{Authority, Files};
use revtun_tests::issuer::Paper;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt as _, duplex};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

use super::{SPIFFE, TEMPLATE};

type Ca = CertifiedIssuer<'static, KeyPair>;

/// What a client sends: certificates, its own first, and the key that it signs with.
struct Sent(Vec<CertificateDer<'static>>, KeyPair);

/// A name, what is sent, and what becomes of it: what it proves, or what the refusal says.
type Row = (&'static str, Sent, Result<Verdict, &'static str>);

/// Seconds.
const HOUR: i64 = 3600;

/// Makes it valid from so many seconds from now until so many.
fn valid(it: &mut CertificateParams, from: i64, to: i64) {
    let at = |from_now: i64| {
        let since_1970 = revtun_tests::issuer::now().checked_add_signed(from_now).expect("a time");
        date_time_ymd(1970, 1, 1) + Duration::from_secs(since_1970)
    };
    (it.not_before, it.not_after) = (at(from), at(to));
}

fn key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

/// A certificate that is sound, and proves who the initiator is.
fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "a client");
    params.subject_alt_names = vec![uri(SPIFFE)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    valid(&mut params, -HOUR, HOUR);
    change(&mut params);
    params
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().expect("ASCII"))
}

/// A CA of that name.
fn ca_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, -HOUR, HOUR);
    change(&mut params);
    params
}

fn root(name: &str) -> Ca {
    Ca::self_signed(ca_params(name, |_| {}), key()).expect("a sound certificate")
}

fn below(ca: &Ca, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Ca {
    Ca::signed_by(ca_params(name, change), key(), ca).expect("a sound certificate")
}

fn der(ca: &Ca) -> CertificateDer<'static> {
    ca.der().clone()
}

/// A client's certificate by `ca`, and those that it sends along.
fn by(ca: &Ca, along: &[&Ca], change: impl FnOnce(&mut CertificateParams)) -> Sent {
    let key = key();
    let own = params(change).signed_by(&key, ca).expect("a sound certificate");
    Sent([own.der().clone()].into_iter().chain(along.iter().map(|ca| der(ca))).collect(), key)
}

/// One that has such a name and no other.
fn named(ca: &Ca, san: SanType) -> Sent {
    by(ca, &[], |params| params.subject_alt_names = vec![san])
}

fn names(root: &Ca) -> Vec<Row> {
    let spiffe = |more: &str| named(root, uri(&format!("{SPIFFE}{more}")));
    vec![
        ("the URI", spiffe(""), Ok(Authenticated)),
        (
            "among others",
            by(root, &[], |it| it.subject_alt_names.splice(0..0, [dns("x.example"), uri("x://y")]).for_each(drop)),
            Ok(Authenticated),
        ),
        ("of another tenant", named(root, uri("spiffe://tenant-b/cluster-a/node-a")), Ok(Mismatch)),
        ("of another cluster", named(root, uri("spiffe://tenant-a/cluster-b/node-a")), Ok(Mismatch)),
        ("of another node", named(root, uri("spiffe://tenant-a/cluster-a/node-b")), Ok(Mismatch)),
        ("with a slash behind", spiffe("/"), Ok(Mismatch)),
        ("with more behind", spiffe("/x"), Ok(Mismatch)),
        ("with a query", spiffe("?x"), Ok(Mismatch)),
        ("with a fragment", spiffe("#x"), Ok(Mismatch)),
        ("with a zero behind", spiffe("\0.evil"), Ok(Mismatch)),
        ("with a line's end behind", spiffe("\n"), Ok(Mismatch)),
        ("in capitals", named(root, uri(&SPIFFE.to_uppercase())), Ok(Mismatch)),
        ("with a percent sign", named(root, uri("spiffe://tenant-a/cluster-a/node%2Da")), Ok(Mismatch)),
        ("with a port", named(root, uri("spiffe://tenant-a:443/cluster-a/node-a")), Ok(Mismatch)),
        ("as an address of mail", named(root, SanType::Rfc822Name(SPIFFE.try_into().expect("ASCII"))), Ok(Mismatch)),
        ("as a DNS name", named(root, dns("node-a.cluster-a.tenant-a")), Ok(Mismatch)),
        ("with a wildcard", named(root, dns("*.tenant-a")), Ok(Mismatch)),
        ("as an address", named(root, SanType::IpAddress([127, 0, 0, 1].into())), Ok(Mismatch)),
        (
            "in the common name alone",
            by(root, &[], |it| {
                it.subject_alt_names.clear();
                it.distinguished_name.push(DnType::CommonName, SPIFFE);
            }),
            Ok(Mismatch),
        ),
        ("nowhere", by(root, &[], |it| it.subject_alt_names.clear()), Ok(Mismatch)),
    ]
}

fn usages(root: &Ca) -> Vec<Row> {
    let eku = |usages: &[ExtendedKeyUsagePurpose]| by(root, &[], |it| it.extended_key_usages = usages.to_vec());
    let ku = |usages: &[KeyUsagePurpose]| by(root, &[], |it| it.key_usages = usages.to_vec());
    let extension = |critical| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(critical);
        by(root, &[], |it| it.custom_extensions = vec![extension])
    };
    let of_key = |key: KeyPair| {
        let own = params(|_| {}).signed_by(&key, root).expect("a sound certificate");
        Sent(vec![own.der().clone()], key)
    };
    let generate = |algorithm| KeyPair::generate_for(algorithm).expect("there is randomness");
    vec![
        (
            "for clients and servers",
            eku(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]),
            Ok(Authenticated),
        ),
        ("for any purpose by saying nothing", eku(&[]), Ok(Authenticated)),
        ("for servers alone", eku(&[ExtendedKeyUsagePurpose::ServerAuth]), Err("InvalidPurpose")),
        ("for code alone", eku(&[ExtendedKeyUsagePurpose::CodeSigning]), Err("InvalidPurpose")),
        ("for any purpose by name, which is not ours", eku(&[ExtendedKeyUsagePurpose::Any]), Err("InvalidPurpose")),
        ("for nothing by its key usage", ku(&[]), Ok(Authenticated)),
        ("an extension that is unknown", extension(false), Ok(Authenticated)),
        ("one that has to be understood", extension(true), Err("UnsupportedCriticalExtension")),
        ("with a key of P-384", of_key(generate(&PKCS_ECDSA_P384_SHA384)), Ok(Authenticated)),
        ("with a key of Ed25519", of_key(generate(&PKCS_ED25519)), Ok(Authenticated)),
    ]
}

fn times(root: &Ca) -> Vec<Row> {
    let from_to = |from, to| move |it: &mut CertificateParams| valid(it, from * HOUR, to * HOUR);
    let old = below(root, "old", from_to(-3, -2));
    let new = below(root, "new", from_to(2, 3));
    vec![
        ("expired", by(root, &[], from_to(-3, -2)), Err("Expired")),
        ("not valid yet", by(root, &[], from_to(2, 3)), Err("NotValidYet")),
        ("never valid", by(root, &[], from_to(3, -3)), Err("Expired")),
        ("below one that has expired", by(&old, &[&old], |_| {}), Err("Expired")),
        ("below one that is not valid yet", by(&new, &[&new], |_| {}), Err("NotValidYet")),
    ]
}

fn chains(root: &Ca) -> Vec<Row> {
    let one = below(root, "one", |_| {});
    let two = below(&one, "two", |_| {});
    let (stranger, namesake) = (self::root("a stranger"), self::root("the root"));
    let plain = Ca::signed_by(params(|_| {}), key(), root).expect("a sound certificate");
    let short = below(root, "short", |it| it.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let too_deep = below(&short, "too deep", |_| {});
    let within = |permitted: &str, excluded: Option<&str>| {
        let constraints = NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(permitted.to_owned())],
            excluded_subtrees: excluded.map(|name| GeneralSubtree::DnsName(name.to_owned())).into_iter().collect(),
        };
        let ca = below(root, "constrained", |it| it.name_constraints = Some(constraints));
        by(&ca, &[&ca], |it| it.subject_alt_names.push(dns("a.site.example")))
    };
    let own = key();
    let itself = params(|_| {}).self_signed(&own).expect("a sound certificate").der().clone();
    let Sent(chain, _) = by(root, &[], |_| {});
    let mut broken = by(root, &[], |_| {});
    broken.0[0] = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x05]);
    let mut forged = by(root, &[], |_| {});
    let mut bytes = forged.0[0].to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    forged.0[0] = CertificateDer::from(bytes);
    vec![
        ("by the root", by(root, &[], |_| {}), Ok(Authenticated)),
        ("with the root itself", by(root, &[root], |_| {}), Ok(Authenticated)),
        ("by one below it", by(&one, &[&one], |_| {}), Ok(Authenticated)),
        ("two below it", by(&two, &[&two, &one], |_| {}), Ok(Authenticated)),
        ("in the wrong order", by(&two, &[&one, &two], |_| {}), Ok(Authenticated)),
        ("with a stranger's beside", by(root, &[&stranger], |_| {}), Ok(Authenticated)),
        ("with none between", by(&one, &[], |_| {}), Err("UnknownIssuer")),
        ("by a stranger", by(&stranger, &[], |_| {}), Err("UnknownIssuer")),
        ("by a stranger, who sends its own", by(&stranger, &[&stranger], |_| {}), Err("UnknownIssuer")),
        ("by a namesake of the root", by(&namesake, &[], |_| {}), Err("BadSignature")),
        ("by itself", Sent(vec![itself], own), Err("UnknownIssuer")),
        ("by one that is no CA", by(&plain, &[&plain], |_| {}), Err("EndEntityUsedAsCa")),
        ("deeper than is allowed", by(&too_deep, &[&too_deep, &short], |_| {}), Err("PathLenConstraintViolated")),
        (
            "that of a CA",
            by(root, &[], |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            Err("CaUsedAsEndEntity"),
        ),
        ("within the names that are allowed", within("site.example", None), Ok(Authenticated)),
        ("outside of them", within("other.example", None), Err("NameConstraintViolation")),
        ("among those that are not", within("site.example", Some("a.site.example")), Err("NameConstraintViolation")),
        ("with another's key", Sent(chain, key()), Err("BadSignature")),
        ("with a signature that is changed", forged, Err("BadSignature")),
        ("none that could be read", broken, Err("BadEncoding")),
        ("none", Sent(vec![], key()), Err("NoCertificatesPresented")),
    ]
}

/// Certificates of which some stand in the revocation lists, and those lists in PEM.
fn revoked(root: &Ca) -> (Vec<Row>, String) {
    let numbered =
        |number: u8| move |it: &mut CertificateParams| it.serial_number = Some(SerialNumber::from(vec![number]));
    let one = below(root, "one of several", numbered(50));
    let gone = below(root, "gone", numbered(51));
    let rows = vec![
        ("revoked", by(root, &[], numbered(52)), Err("Revoked")),
        ("not revoked", by(root, &[], numbered(53)), Ok(Authenticated)),
        ("below one that was revoked", by(&gone, &[&gone], |_| {}), Err("Revoked")),
        ("revoked by the one below the root", by(&one, &[&one], numbered(54)), Err("Revoked")),
        // Each CA numbers for itself.
        ("of a number that another has revoked", by(root, &[], numbered(54)), Ok(Authenticated)),
    ];
    let list = |ca: &Ca, numbers: &[u8]| revtun_tests::certificates::revocation_list(ca, numbers);
    (rows, list(root, &[51, 52]) + &list(&one, &[54]))
}

/// A client that shows whatever it is told to.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// What a listener makes of a client: the error of its library, or what was proven.
async fn meet(listener: &TunnelServer, roots: &Arc<RootCertStore>, Sent(chain, key): &Sent) -> Result<Proof, String> {
    let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let secret = any_supported_type(&secret).expect("a key");
    let shown = (!chain.is_empty()).then(|| Arc::new(CertifiedKey::new(chain.clone(), secret)));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("ring");
    let config = config.with_root_certificates(Arc::clone(roots)).with_client_cert_resolver(Arc::new(Shows(shown)));
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let asking = async {
        // It hears of a refusal behind its own handshake.
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, near).await?;
        stream.read_u8().await
    };
    let accepting = async { listener.accept(far).await.map(|(_, proof)| proof) };
    let (accepted, _) = tokio::join!(accepting, asking);
    accepted.map_err(|error| format!("{error:?}"))
}

fn binding() -> Arc<Binding> {
    let [node, cluster, tenant] = [Placeholder::Node, Placeholder::Cluster, Placeholder::Tenant]
        .map(|name| Template::parse(TEMPLATE, name).expect("a template"));
    Arc::new(Binding::new(node, cluster, tenant).expect("one for all"))
}

#[tokio::test]
async fn each_kind_of_certificate_is_taken_or_refused_by_its_name() {
    let root = root("the root");
    let (of_revoked, lists) = revoked(&root);
    let rows = [names(&root), usages(&root), times(&root), chains(&root), of_revoked].into_iter().flatten();
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let authority = Authority::new();
    let Files { cert, key } = authority.issue("server", &["127.0.0.1"]);
    let (ca, crl) = (Paper::write(&root.pem()), Paper::write(&lists));
    let mut files = ServerFiles::new(cert.into(), key.into());
    (files.client_ca, files.crl) = (Some(PathBuf::from(ca.path())), Some(PathBuf::from(crl.path())));
    let config = files.load().expect("sound files");
    let mut listener = TunnelServer::new(Server::new(watch::channel(Arc::new(config)).1));
    listener.binding = Some(binding());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).expect("a certificate")).expect("a root");
    let roots = Arc::new(roots);
    let claim = Identity {
        node: NodeId::new("node-a").expect("legal"),
        cluster: ClusterId::new("cluster-a").expect("legal"),
        tenant: TenantId::new("tenant-a").expect("legal"),
    };
    let mut wrong = Vec::new();
    for (name, sent, outcome) in &rows {
        let met = meet(&listener, &roots, sent).await.map(|proof| proof.judge(&claim));
        let right = match (&met, outcome) {
            (Ok(proven), Ok(expected)) => proven == expected,
            (Err(error), Err(told)) => error.contains(told),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        if !right {
            wrong.push(format!("{name}: {met:?}, not {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A tunnel ends with the first certificate of the chain that does.
#[tokio::test]
async fn a_proof_ends_with_the_first_certificate_of_its_chain() {
    let root = root("the root");
    let soon = below(&root, "soon", |it| valid(it, -HOUR, 60));
    let Sent(chain, _) = by(&soon, &[&soon], |_| {});
    let expiry = |proof: &Proof| proof.expires();
    let authority = Authority::new();
    let Files { cert, key } = authority.issue("server", &["127.0.0.1"]);
    let ca = Paper::write(&root.pem());
    let mut files = ServerFiles::new(cert.into(), key.into());
    files.client_ca = Some(PathBuf::from(ca.path()));
    let listener = TunnelServer::new(Server::new(watch::channel(Arc::new(files.load().expect("sound files"))).1));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).expect("a certificate")).expect("a root");
    assert_eq!(chain.len(), 2);
    let proof = meet(&listener, &Arc::new(roots), &by(&soon, &[&soon], |_| {})).await.expect("it is taken");
    let left = expiry(&proof).expect("a certificate ends") - revtun_tests::issuer::now();
    assert!((50..=60).contains(&left), "{left}");
    assert_eq!(expiry(&Proof::default()), None);
}
