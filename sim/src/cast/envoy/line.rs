//! A tunnel under HTTP: what an Envoy does there with pings, and frames of its own between those of its HTTP library.

mod frames;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;

use self::frames::Frames;
use super::state::{Entry, Stage};
use super::{PING, Stream};

/// What a client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GOAWAY: u8 = 7;

/// Which end of the tunnel this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It sends requests. A reply to its last ping may come first.
    Responder,
    /// It answers pings until something else comes, and then requests.
    Initiator,
}

/// Puts frames into a tunnel and hears of some. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Remote(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    end: End,
    shared: Mutex<Shared>,
    /// The other end does not want more requests here.
    told: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    /// As long as the tunnel is there.
    entry: Option<Entry>,
    queue: VecDeque<u8>,
    waker: Option<Waker>,
    /// The highest stream that the other end has opened.
    highest: u32,
    /// Streams above this are none of ours.
    last: Option<u32>,
    told: bool,
    /// The other end has said what an Envoy does not stand.
    wronged: bool,
}

impl Remote {
    /// Of the tunnel with this line in the state.
    pub(super) fn new(end: End, entry: Entry) -> Self {
        let shared = Mutex::new(Shared { entry: Some(entry), ..Shared::default() });
        Self(Arc::new(Inner { end, shared, told: Notify::new() }))
    }

    /// Says once that no stream above the highest one so far is welcome.
    pub(super) fn go_away(&self) {
        let mut shared = self.lock();
        if shared.last.is_some() {
            return;
        }
        let last = if self.0.end == End::Initiator { shared.highest } else { 0 };
        shared.last = Some(last);
        shared.queue.extend([0, 0, 8, GOAWAY, 0, 0, 0, 0, 0]);
        shared.queue.extend(last.to_be_bytes());
        shared.queue.extend([0; 4]);
        shared.stage(Stage::Draining);
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// HTTP begins.
    pub(super) fn used(&self) {
        self.lock().stage(Stage::Used);
    }

    /// Waits until the other end says that it goes.
    pub(super) async fn told_to_go(&self) {
        self.0.told.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn stage(&self, stage: Stage) {
        if let Some(entry) = &self.entry {
            entry.stage(stage);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.remote.lock().entry = None;
    }
}

/// The tunnel.
pub(super) struct Line {
    stream: Stream,
    end: End,
    /// Nothing but pings has come so far.
    quiet: bool,
    /// What came together with the answer waits until more comes.
    stalled: bool,
    /// What was read and not taken.
    ready: VecDeque<u8>,
    echo: VecDeque<u8>,
    read: Frames,
    written: Frames,
    remote: Remote,
}

impl Line {
    pub(super) fn new(stream: Stream, residue: &[u8], remote: Remote) -> Self {
        let end = remote.0.end;
        let (read, written) = match end {
            End::Responder => (0, PREFACE.len()),
            End::Initiator => (PREFACE.len(), 0),
        };
        let mut line = Self {
            stream,
            end,
            quiet: residue.is_empty(),
            stalled: !residue.is_empty(),
            ready: VecDeque::new(),
            echo: VecDeque::new(),
            read: Frames::behind(read),
            written: Frames::behind(written),
            remote,
        };
        line.hear(residue);
        line
    }

    /// Waits for the first bytes that are no ping. Returns whether they can be HTTP/2.
    pub(super) async fn wake(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|task| {
            while self.ready.is_empty() || std::mem::take(&mut self.stalled) {
                ready!(self.poll_more(task, 16 << 10))?;
            }
            let (first, _) = self.ready.as_slices();
            Poll::Ready(Ok(first.iter().zip(PREFACE).all(|(byte, expected)| byte == expected)))
        })
        .await
    }

    /// What the listener's codec makes of bytes that are no HTTP: a whole ping is a bad request, less than that the beginning
    /// of one that never ends.
    pub(super) async fn refuse(mut self) -> io::Result<()> {
        const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\ncontent-type: text/plain\r\n\
            connection: close\r\n\r\nBad Request";
        if self.ready.iter().take(PING.len()).eq(&PING) {
            self.stream.write_all(ANSWER).await?;
            return self.stream.shutdown().await;
        }
        let mut space = [0; 1024];
        while self.stream.read(&mut space).await? > 0 {}
        Ok(())
    }

    /// Reads once more, and sends what is to be sent at the same time.
    fn poll_more(&mut self, task: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let mut space = vec![0; most];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(task, &mut piece))?;
        if piece.filled().is_empty() || self.remote.lock().wronged {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let bytes = piece.filled().to_vec();
        self.take(&bytes);
        // A reply that does not fit waits for the next time.
        let _later = self.poll_queue(task)?;
        Poll::Ready(Ok(()))
    }

    /// Only the first five bytes of a read can be a ping to an Envoy, and only until something else came.
    fn take(&mut self, bytes: &[u8]) {
        let rest = if self.quiet { bytes.strip_prefix(&PING) } else { None };
        if rest.is_some() && self.end == End::Initiator {
            self.echo.extend(PING);
        }
        let rest = rest.unwrap_or(bytes);
        self.quiet &= rest.is_empty();
        self.hear(rest);
    }

    /// Looks at frames, and leaves out those of streams that were turned away.
    fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.read.pass(*byte, &mut self.ready, &self.remote);
        }
    }

    /// Sends what is queued, as far as it goes, if a frame may begin here.
    fn poll_queue(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.quiet || !self.echo.is_empty() {
            ready!(poll_out(&mut self.stream, task, &mut self.echo))?;
        }
        if !self.written.is_between() || self.quiet && self.end == End::Initiator {
            return Poll::Ready(Ok(()));
        }
        let Self { stream, remote, .. } = self;
        poll_out(stream, task, &mut remote.lock().queue)
    }
}

fn poll_out(stream: &mut Stream, task: &mut Context<'_>, queue: &mut VecDeque<u8>) -> Poll<io::Result<()>> {
    while !queue.is_empty() {
        let (first, _) = queue.as_slices();
        let count = ready!(Pin::new(&mut *stream).poll_write(task, first))?;
        queue.drain(..count);
    }
    Poll::Ready(Ok(()))
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.remote.lock().waker = Some(task.waker().clone());
        // What does not fit now goes out with the next write.
        let _later = self.poll_queue(task)?;
        while self.ready.is_empty() {
            match ready!(self.poll_more(task, buf.remaining())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let count = self.ready.len().min(buf.remaining());
        let bytes: Vec<u8> = self.ready.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_queue(task))?;
        let waits = !self.remote.lock().queue.is_empty();
        let most = if waits { self.written.left_of(buf) } else { buf.len() };
        let count = ready!(Pin::new(&mut self.stream).poll_write(task, &buf[..most]))?;
        buf[..count].iter().for_each(|byte| _ = self.written.follow(*byte));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

impl Remote {
    /// A goodbye that names no stream is one. To an Envoy one that names any stream at all is none from a client.
    fn hear_goodbye(&self, last: u32) {
        let mut shared = self.lock();
        if self.0.end == End::Initiator && last > 0 {
            shared.wronged = true;
            return;
        }
        shared.stage(Stage::Draining);
        if !std::mem::replace(&mut shared.told, true) {
            self.0.told.notify_one();
        }
    }
}
