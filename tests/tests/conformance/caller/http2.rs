//! A caller that speaks HTTP/2: what it sends is written by hand, frame by frame; what comes back is read by the h2 library.
//!
//! The library believes to have sent a request of its own. On the way out its HEADERS are replaced.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{Request, Response};
use revtun_tests::frames::{END_HEADERS, END_STREAM, frame, kind, list};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Answer, End, Followed, LIMIT, Progress, line, until};
use crate::row::Part;
use crate::service::NEXT;

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
/// The streams of the library's requests.
const FIRST: u32 = 1;
const SECOND: u32 = 3;

pub(crate) struct Caller {
    requests: SendRequest<Bytes>,
    wire: mpsc::UnboundedSender<Vec<u8>>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Caller {
    /// Connects, to send the `first` bytes in place of the first request's HEADERS.
    pub(crate) async fn connect(to: SocketAddr, first: Vec<u8>) -> Self {
        let stream = timeout(LIMIT, TcpStream::connect(to)).await.expect("in time").expect("the listener");
        stream.set_nodelay(true).expect("a fresh connection");
        let (reader, mut writer) = stream.into_split();
        let (wire, mut outgoing) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(bytes) = outgoing.recv().await {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        });
        let replaced = BTreeMap::from([(FIRST, first), (SECOND, next())]);
        let io = ReplacingIo { reader, wire: wire.clone(), written: Vec::new(), begun: false, replaced };
        let (requests, connection) = h2::client::handshake(io).await.expect("nothing is read yet");
        Self { requests, wire, connection: tokio::spawn(connection) }
    }

    /// Sends the rest of a request, behind what it was begun with, and reads the answer.
    pub(crate) async fn exchange(&mut self, rest: Vec<Part>, head: bool) -> Answer {
        let (progress, seen) = watch::channel(Progress::Nothing);
        let Some(response) = self.begin(head).await else { return Answer { end: End::Cut, ..Answer::default() } };
        let leaves = matches!(rest.last(), Some(Part::Leave));
        let sending = tokio::spawn(send(self.wire.clone(), rest, seen));
        let mut answer = Answer::default();
        if leaves {
            return answer;
        }
        let read = timeout(LIMIT, read(response, &progress, &mut answer)).await;
        progress.send_replace(Progress::Final);
        answer.end = match read {
            Ok(Ok(())) => End::Whole,
            Ok(Err(_)) => End::Cut,
            Err(_) => End::Stuck,
        };
        let _nobody_waits = timeout(LIMIT, sending).await;
        answer
    }

    /// Sends another request on the same connection.
    pub(crate) async fn follow(&mut self) -> Followed {
        let mut answer = Answer::default();
        if let Some(response) = self.begin(false).await {
            let progress = watch::Sender::new(Progress::Nothing);
            let read = timeout(LIMIT, read(response, &progress, &mut answer)).await;
            match (read, answer.status) {
                (Ok(Ok(())), Some(200)) => return Followed::Served,
                (_, Some(status)) => return Followed::Wrong(status),
                (Err(_), None) => return Followed::Stuck,
                (Ok(_), None) => {}
            }
        }
        self.ended().await
    }

    async fn begin(&mut self, head: bool) -> Option<ResponseFuture> {
        let ready = self.requests.clone().ready();
        self.requests = timeout(LIMIT, ready).await.ok()?.ok()?;
        let method = if head { "HEAD" } else { "GET" };
        let request = Request::builder().method(method).uri("http://replaced.example/").body(()).expect("a request");
        Some(self.requests.send_request(request, true).ok()?.0)
    }

    /// Whether the connection ended. How does not matter: no stream was left on it that could be cut.
    async fn ended(&mut self) -> Followed {
        match timeout(LIMIT, &mut self.connection).await {
            Ok(_) => Followed::Closed,
            Err(_) => Followed::Stuck,
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The HEADERS of the next request.
fn next() -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", NEXT), (":authority", "a.example")];
    let block = list(&[&pseudo[..], &[("x-node-id", "node-a")]].concat());
    frame(kind::HEADERS, END_STREAM | END_HEADERS, SECOND, &block)
}

async fn send(wire: mpsc::UnboundedSender<Vec<u8>>, parts: Vec<Part>, mut progress: watch::Receiver<Progress>) {
    for part in parts {
        match part {
            Part::Send(bytes) => drop(wire.send(bytes)),
            Part::AwaitContinue => {
                if until(&mut progress, Progress::Continue).await != Progress::Continue {
                    return;
                }
            }
            Part::AwaitHead => {
                until(&mut progress, Progress::Final).await;
            }
            Part::Fin => panic!("HTTP/2 has no half-closed connections"),
            Part::Leave => {}
        }
    }
}

async fn read(
    mut response: ResponseFuture,
    progress: &watch::Sender<Progress>,
    answer: &mut Answer,
) -> Result<(), h2::Error> {
    let response = poll_fn(|task| {
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(task) {
            tell_head(&interim, answer);
            if interim.status() == 100 {
                progress.send_replace(Progress::Continue);
            }
        }
        Pin::new(&mut response).poll(task)
    });
    let response = response.await?;
    tell_head(&response, answer);
    answer.status = Some(response.status().as_u16());
    progress.send_replace(Progress::Final);
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let data = data?;
        let _stream_is_over = body.flow_control().release_capacity(data.len());
        answer.text.push_str(&String::from_utf8_lossy(&data));
    }
    for (name, value) in body.trailers().await?.iter().flatten() {
        let trailer = line(name.as_str(), value.as_bytes());
        answer.text.push_str(&format!("\r\n{}", trailer.trim_end()));
    }
    Ok(())
}

fn tell_head<B>(response: &Response<B>, answer: &mut Answer) {
    answer.text.push_str(&format!("status {}\r\n", response.status().as_u16()));
    for (name, value) in response.headers() {
        answer.text.push_str(&line(name.as_str(), value.as_bytes()));
    }
    answer.text.push_str("\r\n");
}

/// Replaces the HEADERS of some streams on their way out.
struct ReplacingIo {
    reader: OwnedReadHalf,
    wire: mpsc::UnboundedSender<Vec<u8>>,
    /// What was written and is no whole frame yet.
    written: Vec<u8>,
    begun: bool,
    replaced: BTreeMap<u32, Vec<u8>>,
}

impl ReplacingIo {
    fn pass_on(&mut self) {
        if !self.begun && self.written.len() >= PREFACE {
            self.begun = true;
            let preface = self.written.drain(..PREFACE).collect();
            drop(self.wire.send(preface));
        }
        while self.begun && self.written.len() >= FRAME_HEAD {
            let head = &self.written[..FRAME_HEAD];
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let (kind, stream) = (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
            if self.written.len() < FRAME_HEAD + length {
                return;
            }
            let frame: Vec<u8> = self.written.drain(..FRAME_HEAD + length).collect();
            let replaced = if kind == kind::HEADERS { self.replaced.remove(&stream) } else { None };
            drop(self.wire.send(replaced.unwrap_or(frame)));
        }
    }
}

impl AsyncRead for ReplacingIo {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(task, into)
    }
}

impl AsyncWrite for ReplacingIo {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        self.pass_on();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
