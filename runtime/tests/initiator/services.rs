//! What a service speaks, where it is, and what becomes of endpoints that fail.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Channel, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::upstream::{RouteConfig, ServiceConfig, ServiceEndpoint, ServiceProtocol};
use revtun::world::{Executor, Tokio};
use revtun_core::route::Rule;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinHandle;

use crate::fake::soon;
use crate::forwarding::{Caller, raw_service};
use crate::routes::{named, routed, service};

fn everything_to(name: &str) -> Vec<RouteConfig> {
    vec![RouteConfig::new(Rule::any(), name)]
}

/// Serves HTTP/2 that sends a request's body back, and then trailers with its authority.
fn serve_http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> JoinHandle<hyper::Result<()>> {
    let service = service_fn(async |request: Request<Incoming>| {
        let host = request.uri().authority().map_or("none", |authority| authority.as_str()).to_owned();
        let (mut sender, body) = Channel::<Bytes, hyper::Error>::new(4);
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    sender.send_data(data).await.unwrap();
                }
            }
            sender
                .send_trailers(HeaderMap::from_iter([("x-host".parse().unwrap(), host.parse().unwrap())]))
                .await
                .unwrap();
        });
        Ok::<_, Infallible>(Response::new(body))
    });
    let executor = Executor::new(&Tokio::begin());
    tokio::spawn(
        http2::Builder::new(executor).max_concurrent_streams(2).serve_connection(TokioIo::new(stream), service),
    )
}

async fn http2_service() -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = raw_service().await;
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            serve_http2(listener.accept().await.unwrap().0);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (address, connections)
}

/// What comes back of a body that is sent piece by piece, and the trailers behind it.
async fn echoed(caller: &mut Caller, pieces: &'static [&'static str]) -> (Bytes, HeaderMap) {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        for piece in pieces {
            sender.send_data(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
    });
    let request = Request::post("http://a.example/x").body(body.boxed()).unwrap();
    let body = soon("a body", caller.ask(request).await.into_body().collect()).await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    (body.to_bytes(), trailers)
}

#[tokio::test]
async fn a_service_of_http2_has_one_connection_and_its_limits_are_kept() {
    let (address, connections) = http2_service().await;
    let mut config = service("grpc", &[address]);
    config.protocol = ServiceProtocol::Http2;
    let (mut caller, _) = routed(&[config], everything_to("grpc")).await;
    let (body, trailers) = echoed(&mut caller, &["a", "bc"]).await;
    assert_eq!((&body[..], trailers["x-host"].to_str().unwrap()), (&b"abc"[..], "a.example"));
    // More at once than the service takes.
    let many: Vec<_> = (0..20).map(|_| caller.start_get()).collect();
    for response in many {
        assert_eq!(soon("a response", response).await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_of_http2_that_was_closed_is_replaced() {
    let (listener, address) = raw_service().await;
    let mut config = service("grpc", &[address]);
    config.protocol = ServiceProtocol::Http2;
    let (mut caller, _) = routed(&[config], everything_to("grpc")).await;
    for _ in 0..3 {
        let request = caller.start_get();
        let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
        let connection = serve_http2(stream);
        assert_eq!(soon("a response", request).await.unwrap().unwrap().status(), 200);
        connection.abort();
        assert!(connection.await.is_err());
    }
}

#[tokio::test]
async fn a_service_may_be_at_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("revtun-services-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("service");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            serve_http2(listener.accept().await.unwrap().0);
        }
    });
    let mut config = ServiceConfig::new("local", vec![ServiceEndpoint::Unix(path.clone())]);
    config.protocol = ServiceProtocol::Http2;
    let (mut caller, forward) = routed(&[config], everything_to("local")).await;
    assert_eq!(echoed(&mut caller, &["a"]).await.0, "a");
    assert_eq!(forward.services()[0].endpoints[0].endpoint, format!("unix:{}", path.display()));
    std::fs::remove_dir_all(folder).unwrap();
}

/// An address where nobody listens.
async fn refusing() -> SocketAddr {
    raw_service().await.1
}

#[tokio::test]
async fn an_endpoint_that_refuses_costs_nobody_an_error_and_is_down() {
    let endpoints = [refusing().await, named("web").await];
    let (mut caller, forward) = routed(&[service("web", &endpoints)], everything_to("web")).await;
    for _ in 0..40 {
        assert_eq!(caller.get().await.status(), 200);
    }
    let up: Vec<_> = forward.services()[0].endpoints.iter().map(|endpoint| endpoint.up).collect();
    assert_eq!((up, forward.services()[0].is_down()), (vec![false, true], false));
}

#[tokio::test]
async fn a_service_that_is_down_is_back_with_its_first_response() {
    let address = refusing().await;
    let (mut caller, forward) = routed(&[service("web", &[address])], everything_to("web")).await;
    for _ in 0..6 {
        let response = caller.get().await;
        let reason = response.headers()["x-revtun-reason"].to_str().unwrap();
        assert_eq!((response.status().as_u16(), reason), (502, "service-unreachable"));
    }
    assert!(forward.services()[0].is_down());
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            serve_http1(listener.accept().await.unwrap().0);
        }
    });
    assert_eq!(caller.get().await.status(), 200);
    assert!(!forward.services()[0].is_down());
}

fn serve_http1(stream: TcpStream) {
    let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
}
