//! A responder made by hand: it answers what a test tells it to, byte by byte.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens at all happens well within this time.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// What has not happened after this time is taken not to happen.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

pub(crate) const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
pub(crate) const ACCEPTED_BY_REVTUN: &[u8] = b"HTTP/1.1 200 OK\r\nx-revtun: 1\r\ncontent-length: 0\r\n\r\n";

/// SETTINGS, then HEADERS that end stream 1: `GET http://a/`.
pub(crate) const REQUEST: &[u8] =
    &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("{what}: not within {SOON:?}"))
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, polling).await;
}

pub(crate) struct FakeResponder {
    listener: TcpListener,
}

impl FakeResponder {
    pub(crate) async fn listen() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// Two with the same port, at `::1` and at `127.0.0.1`; none if this machine has no IPv6.
    pub(crate) async fn listen_at_both_families() -> Option<[Self; 2]> {
        loop {
            let v6 = TcpListener::bind("[::1]:0").await.ok()?;
            let port = v6.local_addr().unwrap().port();
            // Somebody may have it already.
            if let Ok(v4) = TcpListener::bind(("127.0.0.1", port)).await {
                return Some([Self { listener: v6 }, Self { listener: v4 }]);
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, with its handshake request read.
    pub(crate) async fn greeted(&self) -> Peer {
        soon("a handshake", async {
            let (stream, _) = self.listener.accept().await.unwrap();
            let mut peer = Peer { stream, request: Vec::new() };
            while !peer.request.ends_with(b"\r\n\r\n") {
                let count = peer.stream.read_buf(&mut peer.request).await.unwrap();
                assert!(count > 0, "the initiator hung up within its request");
            }
            peer
        })
        .await
    }

    /// The next connection, accepted as a tunnel.
    pub(crate) async fn tunnel(&self) -> Peer {
        let mut peer = self.greeted().await;
        peer.send(ACCEPTED).await;
        peer
    }

    /// Fails if a connection comes within [`A_WHILE`].
    pub(crate) async fn stays_alone(&self) {
        let extra = tokio::time::timeout(A_WHILE, self.listener.accept()).await;
        assert!(extra.is_err(), "one connection too many");
    }
}

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    pub(crate) request: Vec<u8>,
}

impl Peer {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        soon("the expected bytes", self.stream.read_exact(&mut got)).await.unwrap();
        assert_eq!(got.escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }

    /// The status of the answer to [`REQUEST`], if it is one of those that HTTP/2 has in its table.
    pub(crate) async fn status_on_stream_1(&mut self) -> u16 {
        soon("an answer", async {
            loop {
                let mut head = [0; 9];
                self.stream.read_exact(&mut head).await.unwrap();
                let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                self.stream.read_exact(&mut payload).await.unwrap();
                if (head[3], head[8]) == (1, 1) {
                    // RFC 7541, appendix A.
                    return [200, 204, 206, 304, 400, 404, 500][usize::from(payload[0] - 0x88)];
                }
            }
        })
        .await
    }

    /// Fails unless the initiator closes without another byte.
    pub(crate) async fn expect_end(&mut self) {
        let mut got = Vec::new();
        // A reset is an end too.
        let _ = soon("the end of the connection", self.stream.read_to_end(&mut got)).await;
        assert_eq!(got.escape_ascii().to_string(), "");
    }

    /// Fails if a byte, or the end, comes within [`A_WHILE`].
    pub(crate) async fn stays_quiet(&mut self) {
        let mut byte = [0];
        let read = tokio::time::timeout(A_WHILE, self.stream.read(&mut byte)).await;
        assert!(read.is_err(), "unexpected: {read:?} {byte:?}");
    }
}
