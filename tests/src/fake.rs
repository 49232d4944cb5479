//! Ends of a tunnel made by hand, to say what no honest end would say.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::patience::{SOON, within};
use crate::raw::{PING, Raw, holds};

/// The answer of a responder that accepts (reference §2.2).
pub const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The handshake request of an initiator, to be spoilt.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The node id.
    pub node: &'a str,
    /// The cluster id.
    pub cluster: &'a str,
    /// The tenant id.
    pub tenant: &'a str,
}

impl Handshake<'_> {
    /// The request as an Envoy sends it, without the headers that do not matter.
    #[must_use]
    pub fn request(self) -> String {
        self.request_with(&[])
    }

    /// The same with `more` header lines before the last.
    #[must_use]
    pub fn request_with(self, more: &[&str]) -> String {
        let Self { node, cluster, tenant } = self;
        let mut request = format!(
            "GET /reverse_connections/request HTTP/1.1\r\n\
             host: responder.example\r\n\
             x-envoy-reverse-tunnel-node-id: {node}\r\n\
             x-envoy-reverse-tunnel-cluster-id: {cluster}\r\n\
             x-envoy-reverse-tunnel-tenant-id: {tenant}\r\n"
        );
        for line in more {
            write!(request, "{line}\r\n").expect("a string takes all");
        }
        request.push_str("content-length: 0\r\n\r\n");
        request
    }

    /// Dials `responder` and becomes an idle tunnel of it.
    ///
    /// # Panics
    /// If the responder does not accept.
    pub async fn dial(self, responder: SocketAddr) -> Raw {
        let mut raw = Raw::connect(responder).await;
        raw.send(self.request().as_bytes()).await;
        raw.read_until(SOON, "the responder's answer", |bytes| bytes.len() >= ACCEPTED.len()).await;
        let answer = String::from_utf8_lossy(raw.received()).into_owned();
        assert!(raw.received().starts_with(ACCEPTED), "not accepted: {answer}");
        let rest = raw.take().split_off(ACCEPTED.len());
        assert!(rest.is_empty() || PING.starts_with(&rest), "bytes behind the answer: {rest:?}");
        raw
    }
}

/// A listener where initiators dial.
#[derive(Debug)]
pub struct Responder {
    listener: TcpListener,
}

/// A connection on which an initiator has sent its handshake.
#[derive(Debug)]
pub struct Dialled {
    /// The connection, with the handshake already taken from it.
    pub raw: Raw,
    /// The handshake's head, in full.
    pub head: String,
}

impl Responder {
    /// Starts to listen.
    ///
    /// # Panics
    /// If the system has no port left.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    /// Starts to listen at `addr`.
    ///
    /// # Panics
    /// If somebody else does.
    pub async fn start_at(addr: SocketAddr) -> Self {
        Self { listener: TcpListener::bind(addr).await.expect("a free port") }
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never: it is bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("it is bound")
    }

    /// The next connection, whatever comes over it.
    ///
    /// # Panics
    /// If none comes within `limit`.
    pub async fn accept(&self, limit: Duration) -> Raw {
        let (stream, _) = within(limit, "an initiator dials", self.listener.accept()).await.expect("it listens");
        Raw::new(stream)
    }

    /// The next connection, once its handshake is there.
    ///
    /// # Panics
    /// If none comes within `limit`, or no handshake soon after.
    pub async fn dialled(&self, limit: Duration) -> Dialled {
        let mut raw = self.accept(limit).await;
        raw.read_until(SOON, "a handshake", |bytes| holds(bytes, b"\r\n\r\n")).await;
        let head = String::from_utf8(raw.take()).expect("a handshake of an honest initiator");
        Dialled { raw, head }
    }

    /// The next connection, accepted and idle.
    ///
    /// # Panics
    /// If none comes within `limit`.
    pub async fn tunnel(&self, limit: Duration) -> Raw {
        let mut dialled = self.dialled(limit).await;
        dialled.raw.send(ACCEPTED).await;
        dialled.raw
    }
}
