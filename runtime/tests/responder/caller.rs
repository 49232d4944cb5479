//! Callers at the egress listener.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use revtun::http::REASON;
use tokio::net::TcpStream;

use super::initiator::TENANT;
use super::within;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Why the responder answered itself.
    pub(crate) fn reason(&self) -> &str {
        self.headers.get(REASON).map_or("", |reason| reason.to_str().unwrap())
    }
}

/// A request to a node, to be given more headers and a body.
pub(crate) fn to_node(node: &str) -> http::request::Builder {
    Request::get("/").header("host", "shop.example").header("x-tenant-id", TENANT).header("x-node-id", node)
}

/// Sends a request without a body over HTTP/1.1 and reads the whole answer.
pub(crate) async fn get(to: SocketAddr, request: http::request::Builder) -> Answer {
    let mut sender = http1(to).await;
    let response = within("a response", sender.send_request(request.body(Full::default()).unwrap())).await.unwrap();
    whole(response).await
}

pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = within("a body", body.collect()).await.unwrap().to_bytes();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

pub(crate) async fn http1(to: SocketAddr) -> http1::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn http2<B>(to: SocketAddr) -> http2::SendRequest<B>
where
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(to).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    let client = client.initial_max_send_streams(4096).initial_connection_window_size(1 << 30);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request to a node over HTTP/2.
pub(crate) fn http2_to_node(node: &str) -> http::request::Builder {
    Request::get("http://shop.example/").header("x-tenant-id", TENANT).header("x-node-id", node)
}

pub(crate) fn nothing() -> Empty<Bytes> {
    Empty::new()
}
