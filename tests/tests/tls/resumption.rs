//! A saved TLS session proves nothing once the certificate behind it has ended. Both ends are driven in memory, with a clock of
//! the test's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use revtun::tls::{Client, ClientFiles, MaybeTlsStream, Reloadable as _, Server, ServerFiles, TunnelServer};
use revtun_tests::certificates::{Authority, Files};
use revtun_tests::issuer::now;
use rustls::client::Resumption;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::ServerSessionMemoryCache;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::SPIFFE;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
/// How long the certificates of these tests are valid from now on.
const VALID: u64 = 3600;

/// The time at both ends, in seconds since 1970.
#[derive(Debug)]
struct Clock(AtomicU64);

impl Clock {
    fn now() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now())))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::SeqCst))))
    }
}

fn paths(Files { cert, key }: &Files) -> (PathBuf, PathBuf) {
    (cert.into(), key.into())
}

/// A listener for clients of `authority`, as the program makes it of files.
fn listener(authority: &Authority, clock: &Arc<Clock>) -> ServerConfig {
    let (cert, key) = paths(&authority.issue("server", &["127.0.0.1"]));
    let mut files = ServerFiles::new(cert, key);
    files.client_ca = Some(authority.ca().into());
    let mut config = files.load().expect("sound files");
    config.time_provider = Arc::clone(clock) as _;
    config
}

/// A client that saves sessions and resumes them whenever it can.
fn saving_client(
    authority: &Authority,
    clock: &Arc<Clock>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let own = authority.issue_to("client", &[SPIFFE], now() + VALID);
    let mut files = ClientFiles::default();
    files.ca = Some(authority.ca().into());
    files.own = Some(paths(&own));
    let sound = files.load().expect("sound files");
    let provider = Arc::clone(sound.crypto_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("ring");
    let mut roots = rustls::RootCertStore::empty();
    let ca =
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_file(authority.ca());
    roots.add(ca.expect("a certificate")).expect("a root");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.client_auth_cert_resolver = Arc::clone(&sound.client_auth_cert_resolver);
    config.time_provider = Arc::clone(clock) as _;
    config.resumption = Resumption::in_memory_sessions(16);
    config
}

/// Whether `server` lets `client` in, and how the client came in. A byte goes either way, so that tickets are taken.
async fn meet<S: ServeTls>(server: &S, client: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let serving = async {
        let mut stream = server.serve(far).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let asking = async {
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, near).await?;
        stream.read_u8().await?;
        stream.write_all(b"y").await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(stream.get_ref().1.handshake_kind())
    };
    let (served, asked) = tokio::join!(serving, asking);
    served.ok().and_then(|_| asked.ok().flatten())
}

/// One of our ways to accept TLS.
trait ServeTls {
    async fn serve(&self, stream: DuplexStream) -> std::io::Result<MaybeTlsStream<DuplexStream>>;
}

impl ServeTls for TunnelServer {
    async fn serve(&self, stream: DuplexStream) -> std::io::Result<MaybeTlsStream<DuplexStream>> {
        self.accept(stream).await.map(|(stream, _)| stream)
    }
}

impl ServeTls for Server {
    async fn serve(&self, stream: DuplexStream) -> std::io::Result<MaybeTlsStream<DuplexStream>> {
        self.accept(stream).await
    }
}

fn server(config: ServerConfig) -> Server {
    Server::new(watch::channel(Arc::new(config)).1)
}

/// A session is saved, the certificate ends, and the session is offered.
async fn ends_with_the_certificate(server: &impl ServeTls, authority: &Authority, clock: &Arc<Clock>) {
    for version in VERSIONS {
        let client = Arc::new(saving_client(authority, clock, version));
        for _ in 0..2 {
            assert_eq!(meet(server, &client).await, Some(HandshakeKind::Full), "{version:?}");
        }
        clock.pass(VALID + 1);
        assert_eq!(meet(server, &client).await, None, "{version:?}: the certificate has expired");
        // The next one begins anew.
        clock.0.store(now(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_expired_certificate_opens_no_tunnel_by_a_resumed_session() {
    let (authority, clock) = (Authority::new(), Clock::now());
    let tunnels = TunnelServer::new(server(listener(&authority, &clock)));
    ends_with_the_certificate(&tunnels, &authority, &clock).await;
}

#[tokio::test]
async fn an_expired_certificate_of_a_caller_asks_nothing_by_a_resumed_session() {
    let (authority, clock) = (Authority::new(), Clock::now());
    ends_with_the_certificate(&server(listener(&authority, &clock)), &authority, &clock).await;
}

/// Whoever uses the library brings a configuration of their own.
#[tokio::test]
async fn a_configuration_that_resumes_sessions_proves_nothing_by_them() {
    let (authority, clock) = (Authority::new(), Clock::now());
    let mut resuming = listener(&authority, &clock);
    resuming.session_storage = ServerSessionMemoryCache::new(64);
    resuming.send_tls13_tickets = 2;
    for version in VERSIONS {
        let client = Arc::new(saving_client(&authority, &clock, version));
        let callers = server(resuming.clone());
        assert_eq!(meet(&callers, &client).await, Some(HandshakeKind::Full), "{version:?}");
        assert_eq!(meet(&callers, &client).await, None, "{version:?}: a resumed session is refused");
    }
    ends_with_the_certificate(&TunnelServer::new(server(resuming)), &authority, &clock).await;
}

/// Callers without certificates prove nothing, and may save the time.
#[tokio::test]
async fn callers_without_certificates_may_resume_their_sessions() {
    let (authority, clock) = (Authority::new(), Clock::now());
    let (cert, key) = paths(&authority.issue("server", &["127.0.0.1"]));
    let callers = server(ServerFiles::new(cert, key).load().expect("sound files"));
    for version in VERSIONS {
        let client = Arc::new(saving_client(&authority, &clock, version));
        assert_eq!(meet(&callers, &client).await, Some(HandshakeKind::Full), "{version:?}");
        assert_eq!(meet(&callers, &client).await, Some(HandshakeKind::Resumed), "{version:?}");
    }
}

#[tokio::test]
async fn an_initiator_does_not_take_an_expired_responder_by_a_resumed_session() {
    let (authority, clock) = (Authority::new(), Clock::now());
    let (cert, key) = paths(&authority.issue_to("server", &["127.0.0.1"], now() + VALID));
    let mut responder = ServerFiles::new(cert, key).load().expect("sound files");
    responder.session_storage = ServerSessionMemoryCache::new(64);
    let acceptor = TlsAcceptor::from(Arc::new(responder));
    let mut files = ClientFiles::default();
    files.ca = Some(authority.ca().into());
    let mut config = files.load().expect("sound files");
    config.time_provider = Arc::clone(&clock) as _;
    // Even if whoever uses the library asks for it.
    config.resumption = Resumption::in_memory_sessions(16);
    let initiator = Client::new(watch::channel(Arc::new(config)).1);
    let dial = async || {
        let (near, far) = duplex(1 << 16);
        let serving = async {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"x").await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let dialling = async {
            let mut stream = initiator.connect(near, "127.0.0.1").await?;
            stream.read_u8().await?;
            stream.write_all(b"y").await?;
            stream.flush().await
        };
        let (_, dialled) = tokio::join!(serving, dialling);
        dialled
    };
    for _ in 0..2 {
        dial().await.expect("a sound responder");
    }
    clock.pass(VALID + 1);
    let refused = dial().await.expect_err("the responder's certificate has expired");
    assert!(refused.to_string().contains("expired"), "{refused}");
}
