//! A service that trusts nobody: it takes apart what it is sent by the letter of RFC 9112, and remembers what was whole
//! and what was wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The service. Stops when dropped.
#[derive(Debug)]
pub struct Recorder {
    addr: SocketAddr,
    record: Arc<Mutex<Record>>,
    listening: JoinHandle<()>,
}

/// What came so far, over all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Every whole request, as `METHOD TARGET BODY`.
    pub requests: Vec<String>,
    /// Everything that was no request.
    pub offences: Vec<String>,
}

impl Recorder {
    /// Starts it.
    ///
    /// # Panics
    /// If the system has no port left.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let record = Arc::<Mutex<Record>>::default();
        let kept = Arc::clone(&record);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        Self { addr, record, listening }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What came since the last time.
    #[must_use]
    pub fn take(&self) -> Record {
        std::mem::take(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Answers one request after the other until the peer leaves or breaks a rule. A request that breaks off is none.
async fn serve(mut stream: TcpStream, record: Arc<Mutex<Record>>) {
    let mut bytes = Vec::new();
    loop {
        match request(&bytes) {
            Ok(Some((request, length))) => {
                record.lock().unwrap_or_else(PoisonError::into_inner).requests.push(request);
                bytes.drain(..length);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                    return;
                }
            }
            Ok(None) => match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            Err(offence) => {
                let offence = format!("{offence}: {:?}", String::from_utf8_lossy(&bytes));
                record.lock().unwrap_or_else(PoisonError::into_inner).offences.push(offence);
                return;
            }
        }
    }
}

/// The first request among `bytes` and its length, once it is whole.
fn request(bytes: &[u8]) -> Result<Option<(String, usize)>, &'static str> {
    let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "bytes that are no text")?;
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = line[..] else { return Err("no request line") };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) || target.is_empty() {
        return Err("no method or no target");
    }
    let (mut hosts, mut lengths, mut codings) = (0, Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err("no name of a header");
        }
        if value.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err("a control character in a header");
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "content-length" => lengths.push(value.trim().to_owned()),
            "transfer-encoding" => codings.push(value.trim().to_owned()),
            _ => {}
        }
    }
    if hosts != 1 {
        return Err("not exactly one host");
    }
    let behind = &bytes[end + 4..];
    let body = match (&lengths[..], &codings[..]) {
        ([], []) => Some((String::new(), 0)),
        ([length], []) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let length = length.parse().map_err(|_| "no length")?;
            behind.get(..length).map(|body| (String::from_utf8_lossy(body).into_owned(), length))
        }
        ([], [coding]) if coding == "chunked" => chunked(behind)?,
        _ => return Err("more than one idea of the length"),
    };
    Ok(body.map(|(body, length)| (format!("{method} {target} {body}"), end + 4 + length)))
}

/// The body in chunks at the front of `bytes` and its length there, trailers included, once it is whole.
fn chunked(bytes: &[u8]) -> Result<Option<(String, usize)>, &'static str> {
    let line = |at: usize| bytes[at..].windows(2).position(|end| end == b"\r\n");
    let (mut body, mut at) = (String::new(), 0);
    loop {
        let Some(end) = line(at) else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + end]).map_err(|_| "no size of a chunk")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| "no size of a chunk")?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if !chunk.ends_with(b"\r\n") {
            return Err("a chunk without an end");
        }
        body.push_str(&String::from_utf8_lossy(&chunk[..size]));
        at += size + 2;
    }
    loop {
        let Some(end) = line(at) else { return Ok(None) };
        at += end + 2;
        if end == 0 {
            return Ok(Some((body, at)));
        }
    }
}
