//! Callers at an egress listener (or at any HTTP server), over HTTP/1.1 or HTTP/2.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::body::{self, Body};
use crate::patience::SOON;

/// Whatever went wrong with a request.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A whole answer, in memory.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What followed the body.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// The header `name` as text; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One connection to a server.
#[derive(Debug)]
pub enum Caller {
    /// One request after the other.
    Http1(http1::SendRequest<Body>),
    /// Many at the same time.
    Http2(http2::SendRequest<Body>),
}

impl Caller {
    /// Connects to `to`, to speak `version`.
    ///
    /// # Errors
    /// As the network or the server says, or if it takes long.
    pub async fn connect(to: SocketAddr, version: Version) -> Result<Self, Failure> {
        let stream = timeout(SOON, TcpStream::connect(to)).await??;
        stream.set_nodelay(true)?;
        Self::over(stream, version).await
    }

    /// Speaks `version` over `stream`.
    ///
    /// # Errors
    /// As the server says.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        version: Version,
    ) -> Result<Self, Failure> {
        let io = TokioIo::new(stream);
        if version == Version::HTTP_2 {
            let (send, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            Ok(Self::Http2(send))
        } else {
            let (send, connection) = http1::handshake(io).await?;
            tokio::spawn(connection.with_upgrades());
            Ok(Self::Http1(send))
        }
    }

    /// Sends `request` and gives the answer as soon as its head is there.
    ///
    /// # Errors
    /// If the connection ends before.
    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        Ok(match self {
            Self::Http1(send) => {
                send.ready().await?;
                send.send_request(request).await?
            }
            Self::Http2(send) => {
                send.ready().await?;
                send.send_request(request).await?
            }
        })
    }

    /// Another handle on the same HTTP/2 connection.
    ///
    /// # Panics
    /// On HTTP/1.1, which has one request at a time.
    #[must_use]
    pub fn another(&self) -> Self {
        match self {
            Self::Http1(_) => panic!("HTTP/1.1 has one request at a time"),
            Self::Http2(send) => Self::Http2(send.clone()),
        }
    }
}

/// A request for `path` of `node`, of no tenant.
#[must_use]
pub fn to_node(node: &str, path: &str) -> request::Builder {
    Request::builder().uri(path).header("host", "service.example").header("x-node-id", node)
}

/// A request for `path` of any node of `cluster`, of no tenant.
#[must_use]
pub fn to_cluster(cluster: &str, path: &str) -> request::Builder {
    Request::builder().uri(path).header("host", "service.example").header("x-cluster-id", cluster)
}

/// Sends `request` over a new HTTP/1.1 connection and reads the whole answer.
///
/// # Errors
/// If no whole answer comes soon.
pub async fn ask(server: SocketAddr, request: Request<Body>) -> Result<Answer, Failure> {
    ask_for(SOON, server, request).await
}

/// As [`ask`], for answers that take up to `limit`.
///
/// # Errors
/// If no whole answer comes within `limit`.
pub async fn ask_for(limit: Duration, server: SocketAddr, request: Request<Body>) -> Result<Answer, Failure> {
    timeout(limit, async {
        let mut caller = Caller::connect(server, Version::HTTP_11).await?;
        whole(caller.send(request).await?).await
    })
    .await?
}

/// Asks `server` for `path`, with no header but a host.
///
/// # Errors
/// If no whole answer comes soon.
pub async fn get(server: SocketAddr, path: &str) -> Result<Answer, Failure> {
    ask(server, Request::builder().uri(path).header("host", server.to_string()).body(body::empty())?).await
}

/// As [`get`], with POST and no body.
///
/// # Errors
/// If no whole answer comes soon.
pub async fn post(server: SocketAddr, path: &str) -> Result<Answer, Failure> {
    let request = Request::post(path).header("host", server.to_string()).body(body::empty())?;
    ask(server, request).await
}

/// Reads the rest of `response`.
///
/// # Errors
/// If it ends early.
pub async fn whole(response: Response<Incoming>) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
}
