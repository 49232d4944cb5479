//! A TCP connection driven byte by byte.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::patience::{SOON, within};
use crate::queues::until_read;

/// The five bytes of a ping (reference §3).
pub const PING: &[u8] = b"RPING";

/// What an HTTP/2 client says first: the preface and empty SETTINGS.
pub const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection and all that came over it so far.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
    ended: Option<Ended>,
}

/// How the peer ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order.
    Fin,
    /// With a reset.
    Reset,
}

impl Raw {
    /// Connects to `to`.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = within(SOON, "a connection", TcpStream::connect(to)).await;
        Self::new(stream.unwrap_or_else(|error| panic!("{to}: {error}")))
    }

    /// Connects to `to` from another address of this machine; none if that fails, as it may under attack.
    pub async fn connect_from(source: IpAddr, to: SocketAddr) -> Option<Self> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind(SocketAddr::new(source, 0)).ok()?;
        let stream = timeout(SOON, socket.connect(to)).await.ok()?.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, received: Vec::new(), ended: None })
    }

    /// Goes on with `stream`.
    ///
    /// # Panics
    /// If it is broken already.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a fresh connection");
        Self { stream, received: Vec::new(), ended: None }
    }

    /// Sends `bytes` in one write. A peer that is gone is no error: what it said before is still to be read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _gone_already = within(SOON, "a write", self.stream.write_all(bytes)).await;
    }

    /// Sends each of `parts` in a write of its own, so that the peer, a process of this machine, reads them apart: one
    /// follows when all before was read, and `gap` later, in which the peer makes something of it. A peer that does not
    /// read is waited for no longer than `limit`.
    pub async fn send_apart(&mut self, parts: &[Vec<u8>], gap: Duration, limit: Duration) {
        for part in parts {
            self.send(part).await;
            until_read(&self.stream, limit).await;
            self.read_for(gap).await;
        }
    }

    /// All that was received so far and not [taken](Self::take).
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Takes what was received so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }

    /// How the peer ended the connection, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Has `bytes` count as received and not taken.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        self.received.splice(..0, bytes);
    }

    /// Reads until `enough` of what was received, or until the peer ends the connection.
    ///
    /// # Panics
    /// If neither happens within `limit`.
    pub async fn read_until(&mut self, limit: Duration, what: &str, enough: impl Fn(&[u8]) -> bool) {
        let read = timeout(limit, async {
            while !enough(&self.received) && self.ended.is_none() {
                self.read().await;
            }
        });
        if read.await.is_err() {
            panic!("{what}: not within {limit:?}; received {:?}", String::from_utf8_lossy(&self.received));
        }
    }

    /// Reads until the peer ends the connection.
    ///
    /// # Panics
    /// If it does not within `limit`.
    pub async fn read_to_end(&mut self, limit: Duration, what: &str) -> Ended {
        self.read_until(limit, what, |_| false).await;
        self.ended.expect("that is what ended the wait")
    }

    /// Reads for all of `time`, or until the peer ends the connection.
    pub async fn read_for(&mut self, time: Duration) {
        let _enough = timeout(time, async {
            while self.ended.is_none() {
                self.read().await;
            }
        })
        .await;
    }

    /// The stream itself, for somebody who speaks HTTP.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Says that nothing more comes, and goes on reading.
    pub async fn finish(&mut self) {
        let _gone_already = self.stream.shutdown().await;
    }

    /// Resets the connection.
    pub fn reset(self) {
        let _gone_already = self.stream.set_zero_linger();
    }

    async fn read(&mut self) {
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => self.ended = Some(Ended::Fin),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.ended = Some(Ended::Reset),
        }
    }
}

/// Whether `bytes` hold `part`.
#[must_use]
pub fn holds(bytes: &[u8], part: &[u8]) -> bool {
    count(bytes, part) > 0
}

/// How often `part` is found in `bytes`.
#[must_use]
pub fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}
