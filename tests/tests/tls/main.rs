//! Tunnels and callers inside TLS: what stays secret, who is believed, and what an end refuses.

mod envoys;
mod lapse;
mod plaintext;
mod refusals;
mod resumption;
mod suite;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use http::{Request, Version};
use revtun_tests::body;
use revtun_tests::certificates::{Authority, Files};
use revtun_tests::client::{Caller, get, to_node, whole};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::fake::Handshake;
use revtun_tests::issuer::now;
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::prometheus::Metrics;
use revtun_tests::relay::Relay;
use revtun_tests::service::Service;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const NODE: &str = "node-a";
/// What identifies the initiators of these tests.
const SPIFFE: &str = "spiffe://tenant-a/cluster-a/node-a";
const TEMPLATE: &str = "spiffe://{tenant}/{cluster}/{node}";
const OPEN: [&str; 3] = ["--tenant-isolation", "false", "--allow-mixed-tenants"];
const ENVOYS_WAY: [&str; 2] = ["--tls-extent", "plaintext-after-handshake"];

fn shows(files: &Files) -> Vec<&str> {
    vec!["--tls-cert", &files.cert, "--tls-key", &files.key]
}

async fn responder(flags: &[&[&str]]) -> Responder {
    Responder::revtun(&[&OPEN, &flags.concat()[..]].concat()).await
}

async fn metrics(admin: SocketAddr) -> Metrics {
    Metrics::parse(&get(admin, "/metrics").await.expect("a page").text())
}

/// Waits until `series` of the page at `admin` is at least `least`.
async fn counts(admin: SocketAddr, series: &str, least: u64) {
    until(SOON, series, async || (metrics(admin).await.value(series) >= least).then_some(())).await;
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn between_two_revtun_ends_nothing_can_be_read_on_the_way() {
    let authority = Authority::new();
    let (server, client) = (authority.issue("server", &["127.0.0.1"]), authority.issue("client", &[SPIFFE]));
    let ca = authority.ca();
    let proof = ["--tls-client-ca", &ca, "--tls-identity", TEMPLATE];
    let end = responder(&[&shows(&server), &proof, &["--ping-interval", "100ms"]]).await;
    let relay = Relay::start(end.tunnel()).await;
    let service = Service::start("backend").await;
    let hosts = [relay.addr()];
    let flags = [&shows(&client)[..], &["--tls-ca", &ca]].concat();
    let dialling = Dialling { count: 2, flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let initiator = Initiator::revtun(dialling).await;
    end.has_within(SOON, NODE, 2).await;
    counts(end.admin(), "revtun_responder_pings_echoed_total", 10).await;
    let request = to_node(NODE, "/tell-nobody").header("x-secret", "a-word-that-nobody-else-knows");
    assert_eq!(end.ask(request).await.status, 200);
    let seen: Vec<u8> = relay.lines().iter().flat_map(|line| line.carried()).collect();
    assert!(seen.len() > 2_000, "the relay saw {} bytes", seen.len());
    // `SPIFFE` last: TLS 1.3 hides certificates too.
    for word in ["RPING", "PRI * HTTP", "tell-nobody", "a-word-that", "hello", "HTTP/1.1", "x-envoy", NODE, SPIFFE] {
        assert!(!contains(&seen, word), "{word:?} can be read on the way");
    }
    assert_eq!(metrics(initiator.admin()).await.value("revtun_initiator_handshakes_total{outcome=\"accepted\"}"), 2);
}

#[tokio::test]
async fn an_end_that_keeps_tls_takes_no_peer_that_would_leave_it() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let service = Service::start("backend").await;
    for (responders, initiators, reason) in [(&ENVOYS_WAY[..], &[][..], "downgraded"), (&[], &ENVOYS_WAY[..], "4xx")] {
        let end = responder(&[&shows(&server), responders]).await;
        let hosts = [end.tunnel()];
        let flags = [&["--tls-ca", &ca][..], initiators].concat();
        let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let initiator = Initiator::revtun(dialling).await;
        counts(initiator.admin(), &format!("revtun_initiator_handshakes_total{{outcome=\"{reason}\"}}"), 1).await;
        if reason == "4xx" {
            let series = "revtun_responder_handshakes_rejected_total{reason=\"tls-required\"}";
            assert!(metrics(end.admin()).await.value(series) >= 1);
        }
        assert_eq!(metrics(initiator.admin()).await.value("revtun_initiator_listeners_ready"), 0);
        assert_eq!(end.ask_node(NODE, "/").await.status, 503);
    }
}

#[tokio::test]
async fn a_certificate_decides_who_an_initiator_may_be() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let ca = authority.ca();
    let end = responder(&[&shows(&server), &["--tls-client-ca", &ca, "--tls-identity", TEMPLATE]]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    for name in ["spiffe://tenant-b/cluster-a/node-a", "spiffe://tenant-a/cluster-a/node-b", "node-a.example"] {
        let client = authority.issue("client", &[name]);
        let flags = [&shows(&client)[..], &["--tls-ca", &ca]].concat();
        let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let initiator = Initiator::revtun(dialling).await;
        counts(initiator.admin(), "revtun_initiator_handshakes_total{outcome=\"4xx\"}", 1).await;
    }
    let series = "revtun_responder_handshakes_rejected_total{reason=\"identity-mismatch\"}";
    assert!(metrics(end.admin()).await.value(series) >= 3);
    // One of another authority, and none at all, do not come as far as that.
    let strangers = Authority::new();
    let stranger = strangers.issue("stranger", &[SPIFFE]);
    for flags in [shows(&stranger), vec![]] {
        let before = metrics(end.admin()).await.value("revtun_responder_tls_handshake_failures_total");
        let flags = [&flags[..], &["--tls-ca", &ca]].concat();
        let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let _initiator = Initiator::revtun(dialling).await;
        counts(end.admin(), "revtun_responder_tls_handshake_failures_total", before + 1).await;
    }
    assert_eq!(end.tunnels(NODE).await, 0);
}

#[tokio::test]
async fn an_initiator_takes_only_the_responder_that_it_means() {
    let authority = Authority::new();
    let other = Authority::new();
    let service = Service::start("backend").await;
    let named = authority.issue("named", &["tunnels.example"]);
    let end = responder(&[&shows(&named)]).await;
    let hosts = [end.tunnel()];
    let (ca, wrong_ca) = (authority.ca(), other.ca());
    for flags in [&["--tls-ca", &ca][..], &["--tls-ca", &wrong_ca, "--tls-server-name", "tunnels.example"], &["--tls"]]
    {
        let dialling = Dialling { flags, ..Dialling::from_revtun(&hosts, service.addr()) };
        let mut initiator = Initiator::revtun(dialling).await;
        until(SOON, "the dial fails", async || {
            initiator.process().stderr().contains("invalid peer certificate").then_some(())
        })
        .await;
        assert_eq!(end.tunnels(NODE).await, 0, "{flags:?}");
    }
    let flags = ["--tls-ca", &ca, "--tls-server-name", "tunnels.example"];
    let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    end.reaches(NODE).await;
}

#[tokio::test]
async fn new_files_are_taken_on_sighup_and_no_tunnel_is_dropped() {
    let authority = Authority::new();
    let server = authority.issue_until("server", &["127.0.0.1"], (2080, 1, 1));
    let ca = authority.ca();
    let mut end = responder(&[&shows(&server)]).await;
    let relay = Relay::start(end.tunnel()).await;
    let service = Service::start("backend").await;
    let hosts = [relay.addr()];
    let flags = ["--tls-ca", &ca];
    let dialling = Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let _initiator = Initiator::revtun(dialling).await;
    end.reaches(NODE).await;
    let expires = "revtun_tls_certificate_expiry_timestamp_seconds{use=\"tunnel\"}";
    let first = metrics(end.admin()).await.value(expires);

    let _again = authority.issue_until("server", &["127.0.0.1"], (2085, 1, 1));
    end.process().signal("HUP");
    counts(end.admin(), "revtun_tls_reloads_total{use=\"tunnel\"}", 1).await;
    let second = metrics(end.admin()).await.value(expires);
    assert_eq!(second - first, (5 * 365 + 2) * 86_400, "five years, two of them leap years");

    fs::write(&server.cert, "no certificate").expect("the target folder is writable");
    end.process().signal("HUP");
    counts(end.admin(), "revtun_tls_reload_failures_total{use=\"tunnel\"}", 1).await;
    assert_eq!(metrics(end.admin()).await.value(expires), second);
    let told = "cannot be used; the old ones stay";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
    assert_eq!(end.ask_node(NODE, "/").await.status, 200);
    assert_eq!(relay.lines().len(), 1, "the tunnel outlived all of it");
    // Whoever dials now meets the last good one.
    relay.cut();
    end.reaches(NODE).await;
    // Nobody has to say that there are better ones.
    let _at_last = authority.issue_until("server", &["127.0.0.1"], (2088, 1, 1));
    counts(end.admin(), "revtun_tls_reloads_total{use=\"tunnel\"}", 2).await;
    assert!(metrics(end.admin()).await.value(expires) > second);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_warned_about() {
    const DAY: u64 = 24 * 60 * 60;
    let authority = Authority::new();
    // One of long ago initiators do not take, but its owner has to hear of it.
    for (valid, told) in [
        (0..=now() + 12 * DAY + DAY / 2, Some("the certificate expires soon what=\"tunnel\" days=12")),
        (0..=now() - 2000 * DAY, Some("the certificate has expired")),
        (now() + DAY..=now() + 2000 * DAY, Some("the certificate is not valid yet")),
        (0..=now() + 15 * DAY, None),
    ] {
        let server = authority.issue_for("server", &["127.0.0.1"], valid);
        let mut end = responder(&[&shows(&server)]).await;
        match told {
            Some(told) => until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await,
            None => {
                let begun = "responder listening";
                until(SOON, begun, async || end.process().stderr().contains(begun).then_some(())).await;
                assert!(!end.process().stderr().contains("the certificate"));
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_warned_about() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    fs::set_permissions(&server.key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let mut end = responder(&[&shows(&server)]).await;
    let told = "holds a private key that everybody on this machine can read what=\"tunnel\"";
    until(SOON, told, async || end.process().stderr().contains(told).then_some(())).await;
}

#[tokio::test]
async fn callers_come_inside_tls_over_http1_and_http2() {
    let authority = Authority::new();
    let Files { cert, key } = authority.issue("egress", &["127.0.0.1"]);
    let end = responder(&[&["--egress-tls-cert", &cert, "--egress-tls-key", &key]]).await;
    let service = Service::start("backend").await;
    let hosts = [end.tunnel()];
    let _initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
    end.has_within(SOON, NODE, 1).await;
    for (version, alpn) in [(Version::HTTP_11, &b"http/1.1"[..]), (Version::HTTP_2, b"h2")] {
        let stream = tls_to(end.egress(), &authority, Some(alpn), &[&TLS13, &TLS12]).await;
        let mut caller = Caller::over(stream, version).await.expect("a connection");
        let request = to_node(NODE, "/").body(body::empty()).expect("a request");
        let answer = whole(caller.send(request).await.expect("an answer")).await.expect("a body");
        assert_eq!(answer.status, 200);
        let seen = service.seen();
        assert_eq!(seen.last().expect("the request").headers["x-forwarded-proto"], "https");
    }
    let plain = Request::get("/").body(body::empty()).expect("a request");
    let mut caller = Caller::connect(end.egress(), Version::HTTP_11).await.expect("TCP at least");
    assert!(caller.send(plain).await.is_err(), "in the clear there is no answer");
}

#[tokio::test]
async fn a_peer_that_knows_nothing_newer_is_served_with_tls_1_2() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let Files { cert, key } = &server;
    let end = responder(&[&shows(&server), &["--egress-tls-cert", cert, "--egress-tls-key", key]]).await;
    let mut tunnel = tls_to(end.tunnel(), &authority, None, &[&TLS12]).await;
    let hello = Handshake { node: NODE, cluster: "cluster-a", tenant: "tenant-a" };
    let request = hello.request_with(&["x-revtun-instance: 00000000000000000000000000000001", "x-revtun-tls: whole"]);
    within(SOON, "a handshake", tunnel.write_all(request.as_bytes())).await.expect("a tunnel");
    end.has_within(SOON, NODE, 1).await;
    let caller = tls_to(end.egress(), &authority, Some(b"h2"), &[&TLS12]).await;
    let mut caller = Caller::over(caller, Version::HTTP_2).await.expect("HTTP/2");
    let request = to_node("nobody", "/").body(body::empty()).expect("a request");
    assert_eq!(caller.send(request).await.expect("an answer").status(), 503);
}

/// Whoever speaks something else than we do has come to the wrong place, or was sent there (RFC 7301 §3.2).
#[tokio::test]
async fn a_client_that_offers_only_other_protocols_is_refused() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let Files { cert, key } = &server;
    let end = responder(&[&shows(&server), &["--egress-tls-cert", cert, "--egress-tls-key", key]]).await;
    for listener in [end.tunnel(), end.egress()] {
        for version in [&TLS13, &TLS12] {
            for foreign in [&b"smtp"[..], b"h3", b"h2c", b"HTTP/1.1"] {
                let refused = secured(listener, &authority, &[foreign], &[version]).await.expect_err("it is refused");
                assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
            }
            for (offered, chosen) in
                [(&[&b"smtp"[..], b"h2"][..], Some(&b"h2"[..])), (&[b"http/1.1"], Some(b"http/1.1")), (&[], None)]
            {
                let stream = secured(listener, &authority, offered, &[version]).await.expect("it is taken");
                assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
            }
        }
    }
}

/// A client of the listener at `to`, which wants one of `versions` and `alpn`.
async fn tls_to(
    to: SocketAddr,
    authority: &Authority,
    alpn: Option<&[u8]>,
    versions: &[&'static SupportedProtocolVersion],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let offered: Vec<&[u8]> = alpn.into_iter().collect();
    let stream = secured(to, authority, &offered, versions).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), alpn);
    assert_eq!(stream.get_ref().1.protocol_version(), versions.first().map(|version| version.version));
    stream
}

/// The same, which may be refused.
async fn secured(
    to: SocketAddr,
    authority: &Authority,
    alpn: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = config.expect("ring").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(to).await.expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let secured = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    within(SOON, "TLS", secured).await
}
