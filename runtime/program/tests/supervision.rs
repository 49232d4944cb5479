//! An end whose own task panics or stands still says so, and one whose guest panics goes on.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "tests live in the real world")]

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::{self, HostPort, InitiatorConfig, InitiatorHandle, RequestBody, Run};
use revtun::journal::Journal;
use revtun::responder::{self, ResponderConfig, ResponderHandle};
use revtun::supervise::Unhealthy;
use revtun::tls::CertificateStore;
use revtun::world::{Tokio, World};
use revtun_core::Instant;
use revtun_core::address::Address;
use revtun_program::admin::{self, AdminConfig, InitiatorSubject, ResponderSubject};
use revtun_program::config::ResponderSettings;
use tokio::net::{TcpListener, TcpStream};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Longer than any test takes, and short enough to see that one hangs.
const DEADLINE: Duration = Duration::from_secs(20);

const WELL: u8 = 0;
const PANICS: u8 = 1;
const STANDS_STILL: u8 = 2;

/// The real world, until its dice do what they should not.
#[derive(Clone)]
struct Shaky {
    world: Tokio,
    dice: Arc<AtomicU8>,
}

impl Shaky {
    fn begin() -> Self {
        Self { world: Tokio::begin(), dice: Arc::new(AtomicU8::new(WELL)) }
    }

    fn dice_now(&self, what: u8) {
        self.dice.store(what, Ordering::SeqCst);
    }
}

impl World for Shaky {
    type Stream = TcpStream;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        self.world.now()
    }

    fn unix_millis(&self) -> u64 {
        self.world.unix_millis()
    }

    fn random(&self) -> u64 {
        while self.dice.load(Ordering::SeqCst) == STANDS_STILL {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert_eq!(self.dice.load(Ordering::SeqCst), WELL, "the dice are gone");
        self.world.random()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(task);
    }

    async fn sleep_until(&self, deadline: Instant) {
        self.world.sleep_until(deadline).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.world.connect(to).await
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        self.world.listen(at).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        self.world.local_addr(listener)
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        self.world.accept(listener).await
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.world.resolve(host, port).await
    }

    fn journal(&self) -> &Journal {
        self.world.journal()
    }
}

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("took too long: {what}"))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// An initiator with a tunnel to `responder`. Its service panics when it is asked for `/panic`.
async fn initiator<W: World>(world: &W, responder: SocketAddr) -> InitiatorHandle<W> {
    let address = Address::parse("rc://n:c:t@up:1").unwrap();
    let endpoint = HostPort { host: responder.ip().to_string(), port: responder.port() };
    let answer = async |request: Request<RequestBody>| {
        assert_ne!(request.uri().path(), "/panic", "asked to");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("pong"))))
    };
    let service = service_fn(move |request| Box::pin(answer(request)));
    let config = InitiatorConfig::new(address, vec![endpoint]);
    let handle = initiator::start(world, config, Run::begin(world), service).await.unwrap();
    until("a tunnel is up", || handle.ready()).await;
    handle
}

async fn responder<W: World>(world: &W) -> ResponderHandle<W> {
    responder::start(world.clone(), ResponderConfig::at(LOOPBACK, LOOPBACK)).await.unwrap()
}

/// Status and text of what `to` answers to a GET of `path`.
async fn get(to: SocketAddr, path: &str) -> (u16, String) {
    within(path, async {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(TcpStream::connect(to).await.unwrap())).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::get(path).header("host", "localhost").header("x-node-id", "n").header("x-tenant-id", "t");
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    })
    .await
}

/// An initiator in a thread of its own, to the end of the test: one that stands still must not stop whoever looks.
async fn elsewhere(world: Shaky, responder: SocketAddr) -> InitiatorHandle<Shaky> {
    let (begun, handle) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let handle = initiator(&world, responder).await;
            drop(begun.send(handle));
            std::future::pending::<()>().await;
        });
    });
    within("an initiator begins", handle).await.unwrap()
}

/// The admin pages of `initiator`.
async fn pages(
    world: &Tokio,
    handle: InitiatorHandle<Shaky>,
) -> (Arc<Vec<(Address, InitiatorHandle<Shaky>)>>, SocketAddr) {
    let listeners = Arc::new(vec![(Address::parse("rc://n:c:t@up:1").unwrap(), handle)]);
    let subject =
        InitiatorSubject::new(Arc::clone(&listeners), Vec::new(), Duration::ZERO, CertificateStore::default());
    (listeners, admin::start(world, AdminConfig::at(LOOPBACK), subject).await.unwrap().addr())
}

#[tokio::test]
async fn an_initiator_whose_pump_panics_is_dead_and_says_so() {
    let (world, shaky) = (Tokio::begin(), Shaky::begin());
    let responder = responder(&world).await;
    let (listeners, admin) = pages(&world, initiator(&shaky, responder.tunnel_addr()).await).await;
    let handle = &listeners[0].1;
    assert_eq!(handle.health(Duration::from_secs(1)), Ok(()));
    for page in ["/healthz", "/readyz"] {
        assert_eq!(get(admin, page).await.0, 200, "{page}");
    }
    shaky.dice_now(PANICS);
    let told = within("the pump panics", handle.failed()).await;
    assert_eq!(told.task, "initiator pump");
    assert!(told.to_string().contains("the dice are gone") && told.to_string().ends_with("this is a bug of revtun"));
    assert!(!handle.ready());
    assert_eq!(handle.health(DEADLINE), Err(Unhealthy::Panicked(told)));
    for page in ["/healthz", "/readyz"] {
        let (status, text) = get(admin, page).await;
        assert_eq!(status, 503, "{page}: {text}");
        assert!(
            text.contains("the initiator pump task panicked") && text.contains("rc://n:c:t@up:1"),
            "{page}: {text}"
        );
    }
}

#[tokio::test]
async fn an_initiator_whose_pump_stands_still_is_not_ready_until_it_goes_on() {
    let shaky = Shaky::begin();
    let responder = responder(&Tokio::begin()).await;
    let handle = elsewhere(shaky.clone(), responder.tunnel_addr()).await;
    shaky.dice_now(STANDS_STILL);
    until("it is late", || handle.health(Duration::from_secs(1)).is_err()).await;
    let why = handle.health(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(why, Unhealthy::Late { task: "initiator pump", .. }), "{why:?}");
    until("it is not ready", || !handle.ready()).await;
    shaky.dice_now(WELL);
    until("it is ready", || handle.ready()).await;
    assert_eq!(handle.health(Duration::from_secs(1)), Ok(()));
}

#[tokio::test]
async fn a_responder_whose_machine_panics_is_dead_and_says_so() {
    let (world, shaky) = (Tokio::begin(), Shaky::begin());
    let handle = Arc::new(responder(&shaky).await);
    let settings = ResponderSettings::default();
    let subject = ResponderSubject::new(Arc::clone(&handle), &settings, CertificateStore::default());
    let admin = admin::start(&world, AdminConfig::at(LOOPBACK), subject).await.unwrap().addr();
    let _initiator = initiator(&world, handle.tunnel_addr()).await;
    assert_eq!((get(admin, "/healthz").await.0, get(admin, "/readyz").await.0), (200, 200));
    shaky.dice_now(PANICS);
    let told = within("something panics", handle.failed()).await;
    assert!(told.task.starts_with("responder"), "{told}");
    assert!(matches!(handle.health(DEADLINE), Err(Unhealthy::Panicked(_))));
    for page in ["/healthz", "/readyz"] {
        let (status, text) = get(admin, page).await;
        assert!(status == 503 && text.contains("this is a bug of revtun"), "{page}: {status} {text}");
    }
}

#[tokio::test]
async fn a_request_that_panics_hurts_only_itself() {
    let world = Tokio::begin();
    let responder = responder(&world).await;
    let initiator = initiator(&world, responder.tunnel_addr()).await;
    assert_eq!(get(responder.egress_addr(), "/").await, (200, "pong".to_owned()));
    for _ in 0..3 {
        assert_eq!(get(responder.egress_addr(), "/panic").await.0, 502);
        assert_eq!(get(responder.egress_addr(), "/").await, (200, "pong".to_owned()));
    }
    assert!(initiator.ready() && initiator.health(Duration::from_secs(1)).is_ok());
    assert_eq!((initiator.totals().dials, responder.counts().tunnels), (1, 1));
}
