//! Servers of raw bytes: one that switches protocols, and one that never speaks HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::patience::{SOON, until};

/// A server that stops when dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Server {
    /// A service of HTTP/1.1 that answers one request on each connection, by its path:
    ///
    /// | path | answer |
    /// | --- | --- |
    /// | `/echo` | 101 to the protocol that was asked for, then every byte comes back |
    /// | `/early` | the same, and `early` in the same write as the head |
    /// | `/refuse` | 401 with the body `no` |
    /// | `/ignore` | 200 with the body `page` |
    /// | `/other` | 101 to a protocol that nobody asked for |
    /// | `/key` | 101 with the answer to another key |
    /// | `/hangup` | none |
    /// | `/reset` | 101, five bytes are read, and the connection is reset |
    ///
    /// Its [`log`](Self::log) has the heads.
    pub async fn switching() -> Self {
        Self::start(|stream, log| async move { drop(switch(stream, &log).await) }).await
    }

    /// Sends back every byte, and its end. The log says how each connection ended: `fin` or `reset`.
    pub async fn echo() -> Self {
        Self::start(|stream, log| async move {
            let end = if echo(stream).await.is_ok() { "fin" } else { "reset" };
            note(&log, end);
        })
        .await
    }

    /// Greets with `hello`, reads to the end, and says how many bytes that were.
    pub async fn counting() -> Self {
        Self::start(|mut stream, _| async move {
            let mut all = Vec::new();
            let counted = async {
                stream.write_all(b"hello").await?;
                stream.read_to_end(&mut all).await?;
                stream.write_all(format!("{}", all.len()).as_bytes()).await
            };
            drop(counted.await);
        })
        .await
    }

    async fn start<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let of_connection = Arc::clone(&log);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                tokio::spawn(serve(stream, Arc::clone(&of_connection)));
            }
        });
        Self { addr, log, listening }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it noted so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has noted `count` things, and returns them.
    ///
    /// # Panics
    /// If that does not happen soon.
    pub async fn logged(&self, count: usize) -> Vec<String> {
        until(SOON, "a server notes something", async || Some(self.log()).filter(|log| log.len() >= count)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn note(log: &Mutex<Vec<String>>, what: &str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let (mut from, mut to) = stream.split();
    tokio::io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}

async fn switch(mut stream: TcpStream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    note(log, &head);
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let (protocol, key) = (field("upgrade").unwrap_or_default(), field("sec-websocket-key"));
    let accept = |key: &str| {
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
        format!("sec-websocket-accept: {}\r\n", STANDARD.encode(sum))
    };
    let switched = |protocol: &str, accept: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nx-kept: yes\r\n{accept}\r\n"
        )
    };
    let accepted = switched(&protocol, &key.as_deref().map(accept).unwrap_or_default());
    match head.split(' ').nth(1) {
        Some("/echo") => stream.write_all(accepted.as_bytes()).await?,
        Some("/early") => stream.write_all((accepted + "early").as_bytes()).await?,
        Some("/refuse") => {
            return stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno").await;
        }
        Some("/ignore") => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage").await,
        Some("/other") => stream.write_all(switched("other", "").as_bytes()).await?,
        Some("/key") => stream.write_all(switched(&protocol, &accept("another")).as_bytes()).await?,
        Some("/reset") => {
            stream.write_all(accepted.as_bytes()).await?;
            stream.read_exact(&mut [0; 5]).await?;
            return stream.set_zero_linger();
        }
        _ => return Ok(()),
    }
    echo(stream).await
}
