//! The bodies of messages in a tunnel: what an HTTP/2 stream carries, both ways.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use tokio::task::yield_now;

/// A body that comes out of a tunnel.
#[derive(Debug)]
pub(crate) struct Received {
    stream: RecvStream,
    /// Bytes that are still to come, if the message said how many.
    left: Option<u64>,
}

impl Received {
    /// The body of a message with `headers`.
    pub(crate) fn of(stream: RecvStream, headers: &HeaderMap) -> Self {
        let left = if stream.is_end_stream() { Some(0) } else { announced(headers) };
        Self { stream, left }
    }
}

/// How long a message says it is; nothing if it contradicts itself.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next()?;
    if lengths.any(|other| other != length) {
        return None;
    }
    length.to_str().ok()?.parse().ok()
}

impl Body for Received {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(data) = ready!(self.stream.poll_data(task)?) {
            // Whoever asked has room for it: the next may come.
            self.stream.flow_control().release_capacity(data.len())?;
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(match ready!(self.stream.poll_trailers(task)?) {
            Some(trailers) => Some(Ok(Frame::trailers(trailers))),
            // Only END_STREAM makes a message whole.
            None if self.stream.is_end_stream() => None,
            None => Some(Err(Broken(None))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body broke off in the tunnel.
#[derive(Debug)]
pub(crate) struct Broken(Option<h2::Error>);

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        // An Envoy whose service breaks off resets the stream without an error. Passed on to a caller, that would make the
        // answer a whole one.
        Self(Some(error).filter(|error| error.reason() != Some(Reason::NO_ERROR)))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message broke off in the tunnel")
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| error as _)
    }
}

/// Sends all of `body` into a tunnel, as fast as that takes it. A body that breaks off breaks off the stream; one that
/// the other end has no more use for is left.
pub(crate) async fn send<B>(mut body: Pin<&mut B>, stream: &mut SendStream<Bytes>)
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    while let Some(frame) = poll_fn(|task| poll_frame(body.as_mut(), stream, task)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(mut data)) => {
                let last = body.is_end_stream();
                let data = data.copy_to_bytes(data.remaining());
                let room = poll_fn(|task| poll_room(data.len(), stream, task)).await;
                if room.is_none() || stream.send_data(data, last).is_err() || last {
                    return;
                }
            }
            Ok(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                stream.reserve_capacity(0);
                return drop(stream.send_trailers(trailers));
            }
            Err(Gone::Writer(why)) => {
                // With a reset the library drops what it has not written yet, and that may be the head of the message.
                yield_now().await;
                return stream.send_reset(why);
            }
            Err(Gone::Reader) => return,
        }
    }
    // A stream that was reset meanwhile needs no end.
    drop(stream.send_data(Bytes::new(), true));
}

/// Who broke off.
enum Gone {
    Writer(Reason),
    Reader,
}

fn poll_frame<B>(
    body: Pin<&mut B>,
    stream: &mut SendStream<Bytes>,
    task: &mut Context<'_>,
) -> Poll<Option<Result<Frame<B::Data>, Gone>>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if stream.poll_reset(task).is_ready() {
        return Poll::Ready(Some(Err(Gone::Reader)));
    }
    body.poll_frame(task).map_err(|error| Gone::Writer(reason(&*error.into())))
}

/// What whoever reset its stream said, if that is behind `error`.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> Reason {
    let mut causes = iter::successors(Some(error), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref::<h2::Error>()?.reason()).unwrap_or(Reason::INTERNAL_ERROR)
}

/// Ready once the tunnel takes some of `length` bytes; none if it never will. No more is asked for than one byte, since
/// what is promised to one stream is kept from the others; the library asks for the rest as soon as it has the bytes.
fn poll_room(length: usize, stream: &mut SendStream<Bytes>, task: &mut Context<'_>) -> Poll<Option<()>> {
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
