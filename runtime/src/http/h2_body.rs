//! Bodies on HTTP/2 streams: received as a [`Body`], and sent with flow control.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use crossbeam_queue::ArrayQueue;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use tokio::task::yield_now;

use super::hop_by_hop::{header_list_bytes, strip_trailers};

/// A body received on an HTTP/2 stream.
#[derive(Debug)]
pub(crate) struct RecvBody {
    source: Source,
    /// Bytes that are still to come, if `content-length` says so.
    remaining: Option<u64>,
}

#[derive(Debug)]
enum Source {
    Stream(RecvStream),
    /// That of a CONNECT, which goes back once nobody reads it as a body.
    Lent(LentStream),
    /// There is none.
    Ended,
}

#[derive(Debug)]
struct LentStream {
    /// None once it went back.
    stream: Option<RecvStream>,
    owner: Arc<ArrayQueue<RecvStream>>,
}

impl Drop for LentStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            let _no_other = self.owner.force_push(stream);
        }
    }
}

/// The stream of a CONNECT, to be taken once it is accepted.
pub(crate) struct SharedStream(Arc<ArrayQueue<RecvStream>>);

impl SharedStream {
    /// Takes it, if its body was dropped.
    pub(crate) fn take(&self) -> Option<RecvStream> {
        self.0.pop()
    }
}

impl RecvBody {
    /// The body of a message with `headers`.
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        if stream.is_end_stream() {
            return Self::ended();
        }
        Self { remaining: content_length(headers), source: Source::Stream(stream) }
    }

    /// The body of a CONNECT, from which the stream may be taken.
    pub(crate) fn shared(stream: RecvStream) -> (Self, SharedStream) {
        let owner = Arc::new(ArrayQueue::new(1));
        let lent = LentStream { stream: Some(stream), owner: Arc::clone(&owner) };
        (Self { source: Source::Lent(lent), remaining: None }, SharedStream(owner))
    }

    /// No body.
    pub(crate) const fn ended() -> Self {
        Self { source: Source::Ended, remaining: Some(0) }
    }
}

/// The value of `content-length`; none if there are several that differ.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next()?;
    if lengths.any(|other| other != length) {
        return None;
    }
    length.to_str().ok()?.parse().ok()
}

impl Body for RecvBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { source, remaining } = &mut *self;
        match source {
            Source::Stream(stream) => poll_stream(stream, remaining, task),
            Source::Lent(LentStream { stream: Some(stream), .. }) => poll_stream(stream, remaining, task),
            Source::Lent(LentStream { stream: None, .. }) | Source::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stream(stream) => stream.is_end_stream(),
            Source::Lent(lent) => lent.stream.as_ref().is_none_or(RecvStream::is_end_stream),
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn poll_stream(
    stream: &mut RecvStream,
    remaining: &mut Option<u64>,
    task: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    if let Some(data) = ready!(stream.poll_data(task)?) {
        // The reader takes it at once, so the peer may send as much again.
        stream.flow_control().release_capacity(data.len())?;
        *remaining = remaining.map(|remaining| remaining.saturating_sub(data.len() as u64));
        return Poll::Ready(Some(Ok(Frame::data(data))));
    }
    Poll::Ready(match ready!(stream.poll_trailers(task)?) {
        Some(mut trailers) => {
            strip_trailers(&mut trailers);
            Some(Ok(Frame::trailers(trailers)))
        }
        // A message is complete only with END_STREAM.
        None if stream.is_end_stream() => None,
        None => Some(Err(BodyError(None))),
    })
}

/// A body that was reset or ended early.
#[derive(Debug)]
pub(crate) struct BodyError(Option<h2::Error>);

impl From<h2::Error> for BodyError {
    fn from(error: h2::Error) -> Self {
        // An Envoy whose upstream fails in the middle of a body resets the stream with NO_ERROR. Forwarded as such, it would
        // make the response a complete one.
        Self(Some(error).filter(|error| error.reason() != Some(Reason::NO_ERROR)))
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the HTTP/2 stream ended before its body was complete")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

/// What became of a body that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All of it was sent, or the peer wanted no more.
    Whole,
    /// It failed before its end.
    Incomplete,
}

/// Sends all of `body` on a stream, as flow control allows. If the body fails, or has more than `max_trailers` bytes of trailers,
/// the stream is reset; if the peer resets the stream, the rest of the body is dropped.
pub(crate) async fn send_body<B>(mut body: Pin<&mut B>, stream: &mut SendStream<Bytes>, max_trailers: usize) -> Sent
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    while let Some(frame) = poll_fn(|task| poll_frame(body.as_mut(), stream, task)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(mut data)) => {
                let last = body.is_end_stream();
                let data = data.copy_to_bytes(data.remaining());
                let capacity = poll_fn(|task| poll_send_capacity(data.len(), stream, task)).await;
                if capacity.is_none() || stream.send_data(data, last).is_err() || last {
                    return Sent::Whole;
                }
            }
            Ok(Err(frame)) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                strip_trailers(&mut trailers);
                stream.reserve_capacity(0);
                if header_list_bytes(&trailers) > max_trailers {
                    stream.send_reset(Reason::INTERNAL_ERROR);
                    return Sent::Incomplete;
                }
                // An error means that the stream was reset meanwhile, or that these are no legal trailers.
                if stream.send_trailers(trailers).is_err() {
                    stream.send_reset(Reason::PROTOCOL_ERROR);
                }
                return Sent::Whole;
            }
            Err(Stop::BodyFailed(why)) => {
                // With a reset h2 drops what it has not written yet, and that may be the head of the message.
                yield_now().await;
                stream.send_reset(why);
                return Sent::Incomplete;
            }
            Err(Stop::StreamReset) => return Sent::Whole,
        }
    }
    // An error means that the stream was reset meanwhile.
    drop(stream.send_data(Bytes::new(), true));
    Sent::Whole
}

/// Why the rest of a body is not sent.
enum Stop {
    BodyFailed(Reason),
    StreamReset,
}

fn poll_frame<B>(
    body: Pin<&mut B>,
    stream: &mut SendStream<Bytes>,
    task: &mut Context<'_>,
) -> Poll<Option<Result<Frame<B::Data>, Stop>>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if stream.poll_reset(task).is_ready() {
        return Poll::Ready(Some(Err(Stop::StreamReset)));
    }
    body.poll_frame(task).map_err(|error| Stop::BodyFailed(reset_reason(&*error.into())))
}

/// The reason of the HTTP/2 error among the sources of `error`.
pub(crate) fn reset_reason(error: &(dyn Error + 'static)) -> Reason {
    let mut causes = iter::successors(Some(error), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref::<h2::Error>()?.reason()).unwrap_or(Reason::INTERNAL_ERROR)
}

/// Ready once the connection takes some of `length` bytes; none if it never will. Only one byte is reserved, since what is
/// reserved for one stream is kept from the others; h2 reserves the rest as soon as it has the bytes.
pub(super) fn poll_send_capacity(
    length: usize,
    stream: &mut SendStream<Bytes>,
    task: &mut Context<'_>,
) -> Poll<Option<()>> {
    if length > 0 {
        stream.reserve_capacity(1);
    }
    while length > 0 && stream.capacity() == 0 {
        match ready!(stream.poll_capacity(task)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(None),
        }
    }
    Poll::Ready(Some(()))
}
