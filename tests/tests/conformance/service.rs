//! The service of the suite: does what the row in hand says, and keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use revtun_tests::patience::SOON;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::row::{OK, Step, answer};

/// The path of requests that have to come to no harm.
pub(crate) const HONEST: &str = "/honest";
/// The path of the request that follows a row's on its connection.
pub(crate) const NEXT: &str = "/next";
/// What the service answers to an honest request, in two pieces.
pub(crate) const HONEST_BODY: &str = "honest";

const HONEST_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhon";
/// What is in flight on this machine has arrived after that.
const PAUSE: Duration = Duration::from_millis(50);

/// The service. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    addr: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    stage: Mutex<Stage>,
    /// The number of honest requests that may be answered whole.
    released: watch::Sender<usize>,
}

#[derive(Debug)]
struct Stage {
    script: Vec<Step>,
    seen: Vec<String>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            stage: Mutex::new(Stage { script: answer(OK), seen: Vec::new() }),
            released: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let _peer_may_leave = serve(stream, &state).await;
                });
            }
        });
        Self { addr, state, listening }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Has it do what `script` says from now on.
    pub(crate) fn play(&self, script: &[Step]) {
        *self.state.stage() = Stage { script: script.to_vec(), seen: Vec::new() };
    }

    /// The requests since then, each as text: names in lower case, the body without its coding.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.state.stage().seen.clone()
    }

    /// Answers the honest request with this number.
    pub(crate) fn release(&self, number: usize) {
        self.state.released.send_replace(number);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl State {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection is not served any longer.
struct Over;

async fn serve(stream: TcpStream, state: &State) -> Result<(), Over> {
    stream.set_nodelay(true).map_err(|_| Over)?;
    let mut connection = Connection { stream, buffer: Vec::new() };
    loop {
        let head = connection.head().await?;
        let target = head.target.clone();
        if let Some(number) = target.strip_prefix(HONEST) {
            connection.send(HONEST_HEAD.as_bytes()).await?;
            let number = number.trim_start_matches('/').parse().unwrap_or(0);
            let mut released = state.released.subscribe();
            released.wait_for(|released| *released >= number).await.map_err(|_| Over)?;
            connection.send(&HONEST_BODY.as_bytes()[3..]).await?;
        } else if target == NEXT {
            connection.send(OK.as_bytes()).await?;
        } else {
            play(&mut connection, state, head).await?;
        }
    }
}

/// Does what the row says about one request, of which the head is read.
async fn play(connection: &mut Connection, state: &State, head: Head) -> Result<(), Over> {
    let (script, place) = {
        let mut stage = state.stage();
        stage.seen.push(head.text.clone());
        (stage.script.clone(), stage.seen.len() - 1)
    };
    let keep = |text: &str| {
        if let Some(seen) = state.stage().seen.get_mut(place) {
            seen.push_str(text);
        }
    };
    let mut body = Some(head.body);
    for step in script {
        match step {
            Step::ReadHead => {}
            Step::ReadWhole => {
                if let Some(body) = body.take() {
                    connection.body(body, keep).await?;
                }
            }
            Step::Send(bytes) => connection.send(&bytes).await?,
            Step::Pause => tokio::time::sleep(PAUSE).await,
            Step::Close => return Err(Over),
            Step::Reset => {
                let _gone_already = connection.stream.set_zero_linger();
                return Err(Over);
            }
        }
    }
    match body {
        Some(body) => connection.body(body, keep).await,
        None => Ok(()),
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Head {
    target: String,
    text: String,
    body: Body,
}

enum Body {
    Length(usize),
    Chunked,
    /// Of no length that could be known.
    Wrong,
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Over> {
        timeout(SOON, self.stream.write_all(bytes)).await.map_err(|_| Over)?.map_err(|_| Over)
    }

    async fn more(&mut self) -> Result<(), Over> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Over),
            Ok(_) => Ok(()),
        }
    }

    /// The bytes up to the first `end`, and that.
    async fn through(&mut self, end: &[u8]) -> Result<String, Over> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let line: Vec<u8> = self.buffer.drain(..at + end.len()).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more().await?;
        }
    }

    async fn head(&mut self) -> Result<Head, Over> {
        let text = self.through(b"\r\n\r\n").await?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let mut head = format!("{line}\r\n");
        let (mut lengths, mut codings) = (Vec::new(), Vec::new());
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "content-length" => lengths.push(value.to_owned()),
                "transfer-encoding" => codings.push(value.to_ascii_lowercase()),
                _ => {}
            }
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let body = match (&lengths[..], &codings[..]) {
            ([], []) => Body::Length(0),
            ([length], []) => length.parse().map_or(Body::Wrong, Body::Length),
            ([], [coding]) if coding == "chunked" => Body::Chunked,
            _ => Body::Wrong,
        };
        Ok(Head { target: line.split(' ').nth(1).unwrap_or_default().to_owned(), text: head, body })
    }

    /// Reads a body and keeps it, with its trailers behind it.
    async fn body(&mut self, body: Body, mut keep: impl FnMut(&str)) -> Result<(), Over> {
        match body {
            Body::Length(length) => {
                let body = self.exactly(length).await?;
                keep(&body);
            }
            Body::Chunked => loop {
                let line = self.through(b"\r\n").await?;
                let size = line.trim().split(';').next().unwrap_or_default();
                let Ok(size) = usize::from_str_radix(size, 16) else {
                    keep(" (a chunk without a size)");
                    return Err(Over);
                };
                if size == 0 {
                    break;
                }
                let chunk = self.exactly(size + 2).await?;
                keep(&chunk[..chunk.len() - 2]);
            },
            Body::Wrong => {
                keep(" (a body of no certain length)");
                return Err(Over);
            }
        }
        if let Body::Chunked = body {
            loop {
                let line = self.through(b"\r\n").await?;
                if line == "\r\n" {
                    break;
                }
                keep(&format!("\r\n{}", line.trim_end().to_ascii_lowercase()));
            }
        }
        keep(" (whole)");
        Ok(())
    }

    async fn exactly(&mut self, length: usize) -> Result<String, Over> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        let bytes: Vec<u8> = self.buffer.drain(..length).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
