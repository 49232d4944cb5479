//! From a tunnel to the local service and back.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::initiator::{HostPort, InitiatorHandle, Run, start};
use revtun::upstream::Forward;
use revtun::world::{Executor, Tokio, World};
use revtun_core::initiator::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fake::{FakeResponder, soon};
use crate::start::{config, quick};

pub(crate) type Sent = BoxBody<Bytes, Infallible>;

/// A responder's end of a tunnel whose requests go to `service`.
pub(crate) struct Caller<W = Tokio> {
    requests: SendRequest<Sent>,
    _initiator: InitiatorHandle<W>,
}

impl Caller {
    pub(crate) async fn of(service: SocketAddr) -> Self {
        Self::with(service, &quick()).await
    }

    pub(crate) async fn with(service: SocketAddr, core: &Config) -> Self {
        Self::within(&Tokio::begin(), service.into(), core).await
    }
}

impl<W: World> Caller<W> {
    pub(crate) async fn within(world: &W, service: HostPort, core: &Config) -> Self {
        Self::forwarding(world, Forward::new(world, service, core).unwrap()).await
    }

    pub(crate) async fn forwarding(world: &W, forward: Forward<W>) -> Self {
        let responder = FakeResponder::listen().await;
        let initiator = start(world, config(1, &[responder.address()]), Run::begin(world), forward).await.unwrap();
        let io = TokioIo::new(responder.tunnel().await.stream);
        let (requests, connection) =
            soon("HTTP/2", http2::handshake(Executor::new(&Tokio::begin()), io)).await.unwrap();
        tokio::spawn(connection);
        Self { requests, _initiator: initiator }
    }

    pub(crate) async fn ask(&mut self, request: Request<Sent>) -> Response<Incoming> {
        soon("an answer", self.requests.send_request(request)).await.unwrap()
    }

    /// The same beside others.
    pub(crate) fn start_get(&mut self) -> JoinHandle<hyper::Result<Response<Incoming>>> {
        let request = Request::get("http://caller.example/").body(Empty::new().boxed()).unwrap();
        tokio::spawn(self.requests.send_request(request))
    }

    pub(crate) async fn get(&mut self) -> Response<Incoming> {
        self.ask(Request::get("http://caller.example/").body(Empty::new().boxed()).unwrap()).await
    }
}

/// What a raw service reads up to and including `end`.
pub(crate) async fn read_up_to(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !bytes.ends_with(end.as_bytes()) {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{}", bytes.escape_ascii());
        }
    };
    soon("the request", reading).await;
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn raw_service() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A service that sends every body back as it comes.
async fn echo() -> SocketAddr {
    let (listener, address) = raw_service().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service =
                service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(Response::new(request.into_body())));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

#[tokio::test]
async fn the_message_passes_and_what_concerns_one_hop_does_not() {
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let request = Request::post("http://caller.example/a?b=c")
        .header("x-mine", "1")
        .header("te", "trailers")
        .header("trailer", "x-sent")
        .header("accept-encoding", "br");
    let trailers = HeaderMap::from_iter([("x-sent".parse().unwrap(), HeaderValue::from_static("2"))]);
    let body = Full::new(Bytes::from("abc")).with_trailers(async { Some(Ok(trailers)) });
    let service = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let seen = read_up_to(&mut stream, "0\r\nx-sent: 2\r\n\r\n").await;
        let answer = "HTTP/1.1 201 Created\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\
                      x-yours: 2\r\ntransfer-encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nx-sum: 7\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        seen
    };
    let (seen, answer) = tokio::join!(service, caller.ask(request.body(body.boxed()).unwrap()));

    assert!(seen.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{seen}");
    for line in ["host: caller.example", "x-mine: 1", "te: trailers", "accept-encoding: br"] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    assert_eq!(seen.matches("host:").count(), 1, "{seen}");

    assert_eq!(answer.status(), 201);
    let mut names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["x-yours"]);
    let answer = soon("the body", answer.into_body().collect()).await.unwrap();
    assert_eq!(answer.trailers().unwrap()["x-sum"], "7");
    assert_eq!(answer.to_bytes(), "def");
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let mut caller = Caller::of(echo().await).await;
    let (mut sending, body) = Channel::<Bytes, Infallible>::new(1);
    let request = Request::post("http://caller.example/").body(body.boxed()).unwrap();
    let mut answer = caller.ask(request).await.into_body();
    for round in ["one", "two", "three"] {
        sending.send_data(Bytes::from(round)).await.unwrap();
        let frame = soon("an echo", answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), round);
    }

    // Far more than the windows hold.
    const PIECES: usize = 256;
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let sender = async move {
        for _ in 0..PIECES {
            sending.send_data(piece.clone()).await.unwrap();
        }
    };
    let receiver = async {
        let mut bytes = 0;
        while let Some(frame) = answer.frame().await {
            bytes += frame.unwrap().into_data().unwrap().len();
        }
        bytes
    };
    let ((), received) = soon("16 MiB", async { tokio::join!(sender, receiver) }).await;
    assert_eq!(received, PIECES * 64 * 1024);
}

#[tokio::test]
async fn a_service_that_is_down_is_a_502_with_a_reason() {
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let (lost, ()) = tokio::join!(caller.get(), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_up_to(&mut stream, "\r\n\r\n").await;
    });
    drop(listener);
    let unreachable = caller.get().await;
    for (answer, reason) in [(lost, "service-lost"), (unreachable, "service-unreachable")] {
        assert_eq!((answer.status().as_u16(), answer.headers()["x-revtun-reason"].to_str().unwrap()), (502, reason));
        assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn connections_are_kept_as_long_as_the_service_keeps_them() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let serve_once = async |stream: &mut TcpStream| {
        read_up_to(stream, "\r\n\r\n").await;
        stream.write_all(ANSWER).await.unwrap();
    };
    let (answer, mut first) = tokio::join!(caller.get(), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        serve_once(&mut stream).await;
        stream
    });
    assert_eq!(answer.status(), 200);
    let (answer, ()) = tokio::join!(caller.get(), serve_once(&mut first));
    assert_eq!(answer.status(), 200);

    first.shutdown().await.unwrap();
    assert_eq!(soon("the pool lets go", first.read(&mut [0])).await.unwrap(), 0);
    let (answer, ()) = tokio::join!(caller.get(), async {
        let (mut second, _) = listener.accept().await.unwrap();
        serve_once(&mut second).await;
    });
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_service_that_breaks_off_resets_the_answer() {
    let (listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let service = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_up_to(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    };
    let (answer, ()) = tokio::join!(caller.get(), service);
    assert_eq!(answer.status(), 200);
    assert!(soon("the end", answer.into_body().collect()).await.is_err(), "a torn answer must not look whole");
}

#[tokio::test]
async fn a_caller_who_leaves_takes_the_request_along_and_leaves_no_whole_one_behind() {
    const PIECE: &str = "3\r\none\r\n";
    let (listener, address) = raw_service().await;
    let caller = Caller::of(address).await;
    // Before its answer, while its own body is under way; and within the answer, with its own body whole.
    for answered in [false, true] {
        let (mut sending, body) = Channel::<Bytes, Infallible>::new(1);
        let mut requests = caller.requests.clone();
        let request = Request::post("http://caller.example/").body(body.boxed()).unwrap();
        let asked = tokio::spawn(async move {
            let answer = requests.send_request(request).await.unwrap();
            answer.into_body().collect().await.unwrap();
        });
        sending.send_data(Bytes::from("one")).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        read_up_to(&mut stream, PIECE).await;
        if answered {
            drop(sending);
            read_up_to(&mut stream, "0\r\n\r\n").await;
            let half = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{PIECE}");
            stream.write_all(half.as_bytes()).await.unwrap();
        }
        asked.abort();
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = soon("the end of the connection", stream.read_to_end(&mut rest)).await;
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}

#[tokio::test]
async fn nobody_connects_to_what_is_not_allowed() {
    let (_listener, address) = raw_service().await;
    let mut caller = Caller::of(address).await;
    let answer = caller.ask(Request::connect("caller.example:1").body(Empty::new().boxed()).unwrap()).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.headers()["x-revtun-reason"], "destination-not-allowed");
}
