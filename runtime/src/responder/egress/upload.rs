//! The body of a request on its way into a tunnel.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body, Frame};

use super::body::RequestBody;

/// Sends all of `body`, as fast as the tunnel takes it. A body that breaks off breaks off the stream; one that the
/// other end has no more use for is left.
pub(super) async fn upload(mut body: RequestBody, mut stream: SendStream<Bytes>) {
    while let Some(frame) = poll_fn(|task| poll_frame(&mut body, &mut stream, task)).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                let last = body.is_end_stream();
                let room = poll_fn(|task| poll_room(data.len(), &mut stream, task)).await;
                if room.is_none() || stream.send_data(data, last).is_err() || last {
                    return;
                }
            }
            Ok(Err(frame)) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                stream.reserve_capacity(0);
                return drop(stream.send_trailers(trailers));
            }
            Err(Gone::Caller(why)) => return stream.send_reset(why),
            Err(Gone::Reader) => return,
        }
    }
    // A stream that was reset meanwhile needs no end.
    drop(stream.send_data(Bytes::new(), true));
}

/// Who broke off.
enum Gone {
    Caller(Reason),
    Reader,
}

fn poll_frame(
    body: &mut RequestBody,
    stream: &mut SendStream<Bytes>,
    task: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Gone>>> {
    if stream.poll_reset(task).is_ready() {
        return Poll::Ready(Some(Err(Gone::Reader)));
    }
    Pin::new(body).poll_frame(task).map_err(|error| Gone::Caller(reason(&error)))
}

/// What a caller said who reset its stream.
fn reason(error: &hyper::Error) -> Reason {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.and_then(h2::Error::reason).unwrap_or(Reason::INTERNAL_ERROR)
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
