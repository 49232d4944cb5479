//! A tunnel with HTTP/2: Envoy's handling of pings, and its own frames between those of the HTTP library.

mod frame_filter;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;

use self::frame_filter::FrameFilter;
use super::protocol::{PING, Stream};
use super::state::{ConnectionEntry, Stage};
use crate::actors::http2_frames::{GOAWAY, PREFACE};

/// Which end of the tunnel this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Sends requests. A reply to its last ping may arrive first.
    Responder,
    /// Answers pings until something else arrives, and then requests.
    Initiator,
}

/// Sends GOAWAY on a tunnel and reports received ones. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(super) struct TunnelControl(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    end: End,
    shared: Mutex<Shared>,
    /// The peer has sent GOAWAY.
    goaway_seen: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    /// None once the tunnel is gone.
    entry: Option<ConnectionEntry>,
    queue: VecDeque<u8>,
    waker: Option<Waker>,
    /// The highest stream that the peer has opened.
    highest: u32,
    /// The last stream id of the GOAWAY that was sent.
    last: Option<u32>,
    goaway_seen: bool,
    /// The peer has sent a GOAWAY that Envoy treats as a protocol error.
    protocol_error: bool,
}

impl TunnelControl {
    /// For the tunnel of this entry.
    pub(super) fn new(end: End, entry: ConnectionEntry) -> Self {
        let shared = Mutex::new(Shared { entry: Some(entry), ..Shared::default() });
        Self(Arc::new(Inner { end, shared, goaway_seen: Notify::new() }))
    }

    /// Sends GOAWAY with the highest stream so far, once.
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
        shared.set_stage(Stage::Draining);
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// HTTP/2 begins.
    pub(super) fn set_active(&self) {
        self.lock().set_stage(Stage::Active);
    }

    /// Waits until the peer sends GOAWAY.
    pub(super) async fn goaway_received(&self) {
        self.0.goaway_seen.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn set_stage(&self, stage: Stage) {
        if let Some(entry) = &self.entry {
            entry.set_stage(stage);
        }
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        self.control.lock().entry = None;
    }
}

/// See above.
pub(super) struct TunnelStream {
    stream: Stream,
    end: End,
    /// Only pings were received so far.
    quiet: bool,
    /// Bytes that were received together with the response wait until more arrive, as in Envoy.
    stalled: bool,
    /// Read and not yet passed on.
    ready: VecDeque<u8>,
    echo: VecDeque<u8>,
    read: FrameFilter,
    written: FrameFilter,
    control: TunnelControl,
}

impl TunnelStream {
    pub(super) fn new(stream: Stream, residue: &[u8], control: TunnelControl) -> Self {
        let end = control.0.end;
        let (read, written) = match end {
            End::Responder => (0, PREFACE.len()),
            End::Initiator => (PREFACE.len(), 0),
        };
        let mut tunnel = Self {
            stream,
            end,
            quiet: residue.is_empty(),
            stalled: !residue.is_empty(),
            ready: VecDeque::new(),
            echo: VecDeque::new(),
            read: FrameFilter::after_preface(read),
            written: FrameFilter::after_preface(written),
            control,
        };
        tunnel.filter_frames(residue);
        tunnel
    }

    /// Waits for the first bytes that are not a ping. Returns whether they can be HTTP/2.
    pub(super) async fn wait_for_http(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|task| {
            while self.ready.is_empty() || std::mem::take(&mut self.stalled) {
                ready!(self.poll_more(task, 16 << 10))?;
            }
            let (first, _) = self.ready.as_slices();
            Poll::Ready(Ok(first.iter().zip(PREFACE).all(|(byte, expected)| byte == expected)))
        })
        .await
    }

    /// What Envoy's codec does with bytes that are not HTTP: a whole ping is a bad request, fewer bytes are the beginning of
    /// a request that never ends.
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

    /// Reads once, and sends queued bytes.
    fn poll_more(&mut self, task: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        let mut space = vec![0; most];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(task, &mut piece))?;
        if piece.filled().is_empty() || self.control.lock().protocol_error {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let bytes = piece.filled().to_vec();
        self.receive(&bytes);
        // What cannot be written now is written later.
        let _later = self.poll_queue(task)?;
        Poll::Ready(Ok(()))
    }

    /// Envoy takes only the first five bytes of a read for a ping, and only until something else was received.
    fn receive(&mut self, bytes: &[u8]) {
        let rest = if self.quiet { bytes.strip_prefix(&PING) } else { None };
        if rest.is_some() && self.end == End::Initiator {
            self.echo.extend(PING);
        }
        let rest = rest.unwrap_or(bytes);
        self.quiet &= rest.is_empty();
        self.filter_frames(rest);
    }

    /// Follows frames, and drops those of streams above the last one of a GOAWAY.
    fn filter_frames(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.read.pass(*byte, &mut self.ready, &self.control);
        }
    }

    /// Sends queued bytes, if the stream is between frames.
    fn poll_queue(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.quiet || !self.echo.is_empty() {
            ready!(poll_out(&mut self.stream, task, &mut self.echo))?;
        }
        if !self.written.is_between() || self.quiet && self.end == End::Initiator {
            return Poll::Ready(Ok(()));
        }
        let Self { stream, control, .. } = self;
        poll_out(stream, task, &mut control.lock().queue)
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

impl AsyncRead for TunnelStream {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.control.lock().waker = Some(task.waker().clone());
        // What cannot be written now goes out with the next write.
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

impl AsyncWrite for TunnelStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_queue(task))?;
        let waits = !self.control.lock().queue.is_empty();
        let most = if waits { self.written.left_in_frame(buf) } else { buf.len() };
        let count = ready!(Pin::new(&mut self.stream).poll_write(task, &buf[..most]))?;
        buf[..count].iter().for_each(|byte| _ = self.written.advance(*byte));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

impl TunnelControl {
    /// A GOAWAY with last stream 0 drains. From a client, Envoy treats any other last stream as a protocol error.
    fn on_goaway(&self, last: u32) {
        let mut shared = self.lock();
        if self.0.end == End::Initiator && last > 0 {
            shared.protocol_error = true;
            return;
        }
        shared.set_stage(Stage::Draining);
        if !std::mem::replace(&mut shared.goaway_seen, true) {
            self.0.goaway_seen.notify_one();
        }
    }
}
