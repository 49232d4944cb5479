//! An initiator made of a socket, and of hyper's server where HTTP/2 is wanted.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use revtun_core::handshake::{HeaderNames, Instance, PATH, RequestHead};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::rping::PING;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

pub(crate) const TENANT: &str = "t";
pub(crate) const CLUSTER: &str = "c";

/// The handshake of a revtun.
pub(crate) fn hello(node: &str, instance: u128) -> Vec<u8> {
    let identity = Identity {
        node: NodeId::new(node).unwrap(),
        cluster: ClusterId::new(CLUSTER).unwrap(),
        tenant: TenantId::new(TENANT).unwrap(),
    };
    let head = RequestHead {
        names: &HeaderNames::default(),
        host: "responder:1",
        identity,
        upstream: "up",
        initiation_time_ms: 1,
        worker: 0,
        connection: 0,
        instance: Instance(instance),
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    };
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    bytes
}

/// The handshake of an Envoy.
pub(crate) fn envoys_hello(node: &str) -> Vec<u8> {
    format!(
        "GET {PATH} HTTP/1.1\r\nhost: responder:1\r\nx-envoy-reverse-tunnel-node-id: {node}\r\n\
         x-envoy-reverse-tunnel-cluster-id: {CLUSTER}\r\nx-envoy-reverse-tunnel-tenant-id: {TENANT}\r\n\
         content-length: 0\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) async fn dial(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads up to and including the blank line, and nothing behind it.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    within("reading an answer", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(head).unwrap()
}

/// A tunnel of a revtun node: dialled, accepted, and not a byte further.
pub(crate) async fn tunnel(to: SocketAddr, node: &str) -> TcpStream {
    let mut stream = dial(to).await;
    stream.write_all(&hello(node, 7)).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    stream
}

/// Echoes pings until the first byte of something else comes, which is left unread. False if the tunnel ends first.
pub(crate) async fn echo_until_used(stream: &mut TcpStream) -> bool {
    loop {
        match stream.peek(&mut [0]).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        let mut first = [0];
        stream.peek(&mut first).await.unwrap();
        if first[0] != PING[0] {
            return true;
        }
        let mut ping = [0; 5];
        stream.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, PING);
        stream.write_all(&ping).await.unwrap();
    }
}

/// Serves a tunnel to its end in a task of its own.
pub(crate) fn serve<F, B>(
    mut stream: TcpStream,
    service: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> tokio::task::JoinHandle<()>
where
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    tokio::spawn(async move {
        if echo_until_used(&mut stream).await {
            serve_stream(stream, service).await;
        }
    })
}

/// Serves HTTP/2 to its end.
pub(crate) async fn serve_stream<F, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
) where
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answered = service(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let server = server.max_concurrent_streams(4096).initial_stream_window_size(1 << 20);
    let server = server.initial_connection_window_size(1 << 30).auto_date_header(false);
    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
}
