//! The byte stream of a caller's HTTP/1.1 connection: what hyper's server lacks.
//!
//! - A caller that half-closes behind its request still gets the response (RFC 9112 §9.6). It looks like one that is gone until
//!   something is sent to it, so it is given up when nothing was sent for [`HALF_CLOSE_GRACE`]. One that closes within its request
//!   is given up at once.
//! - Interim responses go between two messages.
//! - A connection whose end would make a broken response look complete is reset.

use std::fmt::Write;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use atomic_waker::AtomicWaker;
use bytes::{Buf, Bytes, BytesMut};
use http::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use revtun_core::http::{HALF_CLOSE_GRACE, HALF_CLOSE_SETTLE};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::caller::DownstreamIo;
use crate::forward_write::forward_shutdown;
use crate::http::Activity;
use crate::sync::{AtomicBool, Ordering};
use crate::world::World;

/// What a connection and the response in progress on it tell each other.
#[derive(Debug, Default)]
pub(super) struct Http1Exchange {
    in_progress: AtomicBool,
    /// Somebody waits for more of the request's body.
    body_awaited: AtomicBool,
    truncated: AtomicBool,
    /// Of a read that waits for the end of the response.
    reader: AtomicWaker,
}

/// A response in progress, from the head of its request to its last byte. Dropped when it is over.
#[derive(Debug)]
pub(super) struct ResponseInProgress(Arc<Http1Exchange>);

impl ResponseInProgress {
    /// The response to the next request of `exchange` is in progress.
    pub(super) fn begin(exchange: &Arc<Http1Exchange>) -> Self {
        exchange.in_progress.store(true, Ordering::Relaxed);
        exchange.body_awaited.store(false, Ordering::Relaxed);
        Self(Arc::clone(exchange))
    }

    /// The response broke off, and only a reset tells its caller.
    pub(super) fn truncate(&self) {
        self.0.truncated.store(true, Ordering::Relaxed);
    }
}

/// The body of a request on a connection.
#[derive(Debug)]
pub(super) struct Http1RequestBody {
    body: Incoming,
    exchange: Arc<Http1Exchange>,
}

impl Http1RequestBody {
    /// The body of the request whose response is `in_progress`.
    pub(super) fn new(body: Incoming, in_progress: &ResponseInProgress) -> Self {
        Self { body, exchange: Arc::clone(&in_progress.0) }
    }
}

impl Body for Http1RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(task);
        self.exchange.body_awaited.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseInProgress {
    fn drop(&mut self) {
        self.0.in_progress.store(false, Ordering::Relaxed);
        self.0.reader.wake();
    }
}

/// The stream. Reads and writes must be polled by the same task, as hyper does.
pub(super) struct Http1Io<W: World> {
    world: W,
    stream: DownstreamIo<W>,
    activity: Arc<Activity>,
    exchange: Arc<Http1Exchange>,
    /// From the peer's end of stream on.
    half_closed: Option<HalfClosed>,
    /// Everything that hyper has written so far was whole messages.
    between_messages: bool,
    /// What is left of interim responses.
    interim: Bytes,
}

/// Waits for a sign that the peer reads.
struct HalfClosed {
    late: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    /// The request may still prove incomplete.
    settling: bool,
    /// Something was sent since the wait began.
    has_sent: bool,
}

impl HalfClosed {
    fn wait<W: World>(world: &W, settling: bool) -> Self {
        let time = if settling { HALF_CLOSE_SETTLE } else { HALF_CLOSE_GRACE };
        let (world, late) = (world.clone(), world.now().after(time));
        Self { late: Box::pin(async move { world.sleep_until(late).await }), settling, has_sent: false }
    }

    /// Whether the peer is given up when the time is over.
    fn is_gone(&self, exchange: &Http1Exchange) -> bool {
        match self.settling {
            true => exchange.body_awaited.load(Ordering::Relaxed),
            false => !self.has_sent,
        }
    }
}

impl<W: World> Http1Io<W> {
    /// A connection whose requests report to `activity`, and their responses to `exchange`.
    pub(super) fn new(
        world: &W,
        stream: DownstreamIo<W>,
        activity: &Arc<Activity>,
        exchange: &Arc<Http1Exchange>,
    ) -> Self {
        Self {
            world: world.clone(),
            stream,
            activity: Arc::clone(activity),
            exchange: Arc::clone(exchange),
            half_closed: None,
            between_messages: true,
            interim: Bytes::new(),
        }
    }

    /// The network's stream.
    pub(super) fn transport(&self) -> &W::Stream {
        self.stream.get_ref().transport()
    }

    /// Sends the interim responses that have come. Between two messages is the only place for them: those that come while hyper
    /// has bytes of the previous response are too late when these are written, and dropped.
    fn poll_interim(&mut self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty()
            && let Some(came) = self.activity.interim.take().filter(|_| self.between_messages)
        {
            self.interim = encode(&came);
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(task, &self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.between_messages = false;
        if let Some(half_closed) = &mut self.half_closed {
            half_closed.has_sent |= written.is_ready();
        }
        written
    }
}

impl<W: World> AsyncRead for Http1Io<W> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.half_closed.is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(task, buf))?;
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let half_closed = this.half_closed.get_or_insert_with(|| HalfClosed::wait(&this.world, true));
        this.exchange.reader.register(task.waker());
        while this.exchange.in_progress.load(Ordering::Relaxed) {
            ready!(half_closed.late.as_mut().poll(task));
            if half_closed.is_gone(&this.exchange) {
                break;
            }
            *half_closed = HalfClosed::wait(&this.world, false);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: World> AsyncWrite for Http1Io<W> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(task))?;
        let written = Pin::new(&mut this.stream).poll_write(task, buf);
        this.written(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_interim(task))?;
        let written = Pin::new(&mut this.stream).poll_write_vectored(task, bufs);
        this.written(written)
    }

    /// hyper asks for it only when it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.between_messages = true;
        ready!(this.poll_interim(task))?;
        Pin::new(&mut this.stream).poll_flush(task)
    }

    forward_shutdown!(stream);
}

impl<W: World> Drop for Http1Io<W> {
    fn drop(&mut self) {
        if self.exchange.truncated.load(Ordering::Relaxed) {
            // An error means that the connection has ended already.
            let _ = self.world.reset_on_drop(self.transport());
        }
    }
}

/// Heads of HTTP/1.1 (RFC 9112 §4).
fn encode(responses: &[Response<()>]) -> Bytes {
    let mut heads = BytesMut::new();
    for response in responses {
        let status = response.status();
        write!(heads, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default())
            .expect("a buffer grows");
        for (name, value) in response.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                heads.extend_from_slice(part);
            }
        }
        heads.extend_from_slice(b"\r\n");
    }
    heads.freeze()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::prefixed_io::PrefixedIo;
    use crate::tls::MaybeTlsStream;
    use crate::world::Tokio;

    struct Connection {
        io: Http1Io<Tokio>,
        activity: Arc<Activity>,
        exchange: Arc<Http1Exchange>,
        caller: TcpStream,
    }

    async fn connection() -> Connection {
        let world = Tokio::begin();
        let listener = world.listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let caller = world.connect(world.local_addr(&listener).unwrap()).await.unwrap();
        let (stream, _) = world.accept(&listener).await.unwrap();
        let (activity, exchange) = (Activity::new(), Arc::default());
        let stream = PrefixedIo::new(MaybeTlsStream::plain(stream), Bytes::new());
        Connection { io: Http1Io::new(&world, stream, &activity, &exchange), activity, exchange, caller }
    }

    #[tokio::test]
    async fn an_end_of_stream_is_read_at_once_when_no_response_is_in_progress() {
        let Connection { mut io, mut caller, exchange, .. } = connection().await;
        drop(ResponseInProgress::begin(&exchange));
        caller.shutdown().await.unwrap();
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_end_of_the_response_ends_the_wait() {
        let Connection { mut io, mut caller, exchange, .. } = connection().await;
        let in_progress = ResponseInProgress::begin(&exchange);
        caller.shutdown().await.unwrap();
        let (world, begun) = (io.world.clone(), io.world.now());
        let mut space = [0; 8];
        let mut read = pin!(io.read(&mut space));
        let end = poll_fn(|task| Poll::Ready(read.as_mut().poll(task)));
        assert!(end.await.is_pending());
        drop(in_progress);
        assert_eq!(read.await.unwrap(), 0);
        assert!(world.now().since(begun) < HALF_CLOSE_GRACE);
    }

    #[tokio::test]
    async fn a_caller_that_closes_within_its_request_is_given_up_soon() {
        let Connection { mut io, mut caller, exchange, .. } = connection().await;
        let _in_progress = ResponseInProgress::begin(&exchange);
        exchange.body_awaited.store(true, Ordering::Relaxed);
        caller.shutdown().await.unwrap();
        let begun = io.world.now();
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        assert!((HALF_CLOSE_SETTLE..HALF_CLOSE_GRACE).contains(&io.world.now().since(begun)));
    }

    #[tokio::test]
    async fn a_half_closed_caller_is_given_up_when_nothing_is_sent_to_it() {
        let Connection { mut io, mut caller, exchange, .. } = connection().await;
        let _in_progress = ResponseInProgress::begin(&exchange);
        let over = || HalfClosed { late: Box::pin(std::future::ready(())), settling: false, has_sent: false };
        let mut space = [0; 8];
        for sends in [true, false] {
            caller.shutdown().await.unwrap();
            io.half_closed = Some(over());
            if sends {
                io.write_all(b"x").await.unwrap();
            }
            let read =
                poll_fn(|task| Poll::Ready(Pin::new(&mut io).poll_read(task, &mut ReadBuf::new(&mut space)))).await;
            assert_eq!(read.is_pending(), sends);
        }
    }

    #[tokio::test]
    async fn an_interim_response_goes_between_messages_or_not_at_all() {
        let Connection { mut io, mut caller, activity, .. } = connection().await;
        activity.interim.begin(true);
        let early_hints = || activity.interim.push(http::StatusCode::EARLY_HINTS, &http::HeaderMap::new());
        early_hints();
        io.flush().await.unwrap();
        io.write_all(b"half a mess").await.unwrap();
        early_hints();
        io.write_all(b"age;").await.unwrap();
        io.flush().await.unwrap();
        early_hints();
        io.write_all(b"the next").await.unwrap();
        drop(io);
        let mut received = String::new();
        caller.read_to_string(&mut received).await.unwrap();
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
        assert_eq!(received, format!("{interim}half a message;{interim}the next"));
    }

    #[tokio::test]
    async fn a_truncated_response_ends_with_a_reset() {
        let Connection { mut io, mut caller, exchange, .. } = connection().await;
        io.write_all(b"half").await.unwrap();
        assert_eq!(caller.read(&mut [0; 8]).await.unwrap(), 4);
        ResponseInProgress::begin(&exchange).truncate();
        drop(io);
        assert_eq!(caller.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
