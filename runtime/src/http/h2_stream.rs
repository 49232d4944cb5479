//! An HTTP/2 stream as a stream of bytes both ways.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};

use super::byte_stream::ByteStream;
use super::h2_body::poll_send_capacity;

/// An HTTP/2 stream behind its heads. Dropped, it is reset unless it has ended.
pub(crate) struct Http2Stream<G> {
    recv: RecvStream,
    send: SendStream<Bytes>,
    /// Received, and not taken yet; it still counts in the window.
    held: BytesMut,
    end: Option<io::Result<()>>,
    /// What the stream keeps for as long as it lives.
    _guard: G,
}

impl<G> Http2Stream<G> {
    pub(crate) fn new(recv: RecvStream, send: SendStream<Bytes>, guard: G) -> Self {
        Self { recv, send, held: BytesMut::new(), end: None, _guard: guard }
    }

    /// What comes next on the stream, whose bytes still count in the window.
    fn poll_data(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        Poll::Ready(match ready!(self.recv.poll_data(task)) {
            Some(Ok(data)) => Ok(Some(data)),
            Some(Err(error)) => Err(failed(error)),
            // Trailers mean nothing here, and end it as well.
            None if self.recv.is_end_stream() || ready!(self.recv.poll_trailers(task)).is_ok() => Ok(None),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        })
    }

    /// The peer may send as much again.
    fn release(&mut self, bytes: usize) -> io::Result<()> {
        self.recv.flow_control().release_capacity(bytes).map_err(failed)
    }
}

impl<G: Send> ByteStream for Http2Stream<G> {
    fn poll_recv(&mut self, task: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if !self.held.is_empty() {
            let held = self.held.split().freeze();
            self.release(held.len())?;
            return Poll::Ready(Ok(Some(held)));
        }
        if let Some(end) = self.end.take() {
            return Poll::Ready(end.map(|()| None));
        }
        loop {
            match ready!(self.poll_data(task))? {
                Some(data) if data.is_empty() => {}
                Some(data) => {
                    self.release(data.len())?;
                    return Poll::Ready(Ok(Some(data)));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn poll_send(&mut self, task: &mut Context<'_>, bytes: &mut Bytes) -> Poll<io::Result<()>> {
        if let Poll::Ready(reason) = self.send.poll_reset(task) {
            return Poll::Ready(Err(lost(reason)));
        }
        if ready!(poll_send_capacity(bytes.len(), &mut self.send, task)).is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(self.send.send_data(std::mem::take(bytes), false).map_err(failed))
    }

    fn poll_flush(&mut self, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The task of the connection writes by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(failed))
    }

    fn poll_lost(&mut self, task: &mut Context<'_>) -> Poll<io::Error> {
        self.send.poll_reset(task).map(lost)
    }

    fn compact(&mut self, task: &mut Context<'_>) {
        while self.end.is_none() {
            match self.poll_data(task) {
                Poll::Ready(Ok(Some(data))) => self.held.extend_from_slice(&data),
                Poll::Ready(end) => self.end = Some(end.map(|_| ())),
                Poll::Pending => return,
            }
        }
    }

    fn reset(&mut self, error: &io::Error) {
        let idle = error.kind() == io::ErrorKind::TimedOut;
        // RFC 9113 §8.5, unless the failure is one of HTTP/2 already.
        let failed = || reason_of(error).unwrap_or(Reason::CONNECT_ERROR);
        self.send.send_reset(if idle { Reason::CANCEL } else { failed() });
    }
}

fn reason_of(error: &io::Error) -> Option<Reason> {
    error.get_ref()?.downcast_ref::<h2::Error>()?.reason()
}

fn failed(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

fn lost(reason: Result<Reason, h2::Error>) -> io::Error {
    failed(reason.map_or_else(|error| error, h2::Error::from))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::{Request, Response};
    use tokio::io::{DuplexStream, duplex};

    use super::super::limits::SMALL_FRAMES;
    use super::*;
    use crate::world::{Tokio, World};

    /// An HTTP/2 connection with one stream of it at either end.
    async fn http2(window: u32) -> (Http2Stream<()>, Http2Stream<()>) {
        let (near, far): (DuplexStream, DuplexStream) = duplex(64 * 1024);
        let server = h2::server::Builder::new()
            .initial_window_size(window)
            .data_frame_budget(SMALL_FRAMES)
            .handshake::<_, Bytes>(far);
        let client = h2::client::Builder::new().initial_window_size(window).handshake::<_, Bytes>(near);
        let (server, client) = tokio::join!(server, client);
        let (mut server, (mut requests, connection)) = (server.unwrap(), client.unwrap());
        drive(async move { drop(connection.await) });
        let (response, send) = requests.send_request(Request::new(()), false).unwrap();
        let (request, mut sender) = server.accept().await.unwrap().unwrap();
        drive(async move { while server.accept().await.is_some() {} });
        let far = Http2Stream::new(request.into_body(), sender.send_response(Response::new(()), false).unwrap(), ());
        (Http2Stream::new(response.await.unwrap().into_body(), send, ()), far)
    }

    fn drive(task: impl Future<Output = ()> + Send + 'static) {
        Tokio::begin().spawn(task);
    }

    async fn recv(stream: &mut Http2Stream<()>) -> io::Result<Option<Bytes>> {
        poll_fn(|task| stream.poll_recv(task)).await
    }

    async fn send(stream: &mut Http2Stream<()>, bytes: impl Into<Bytes>) -> io::Result<()> {
        let mut bytes = bytes.into();
        poll_fn(|task| stream.poll_send(task, &mut bytes)).await
    }

    #[tokio::test]
    async fn a_stream_of_http_2_is_one_of_bytes() {
        let (mut near, mut far) = http2(64 * 1024).await;
        send(&mut near, "there").await.unwrap();
        assert_eq!(recv(&mut far).await.unwrap().unwrap(), "there");
        poll_fn(|task| near.poll_finish(task)).await.unwrap();
        assert_eq!(recv(&mut far).await.unwrap(), None);
        send(&mut far, "back").await.unwrap();
        assert_eq!(recv(&mut near).await.unwrap().unwrap(), "back");
        far.reset(&io::ErrorKind::ConnectionReset.into());
        let error = recv(&mut near).await.unwrap_err();
        assert_eq!(reason_of(&error), Some(Reason::CONNECT_ERROR));
        assert_eq!(reason_of(&poll_fn(|task| near.poll_lost(task)).await), Some(Reason::CONNECT_ERROR));
    }

    #[tokio::test]
    async fn a_failure_of_http_2_is_handed_on_as_it_is() {
        for (error, reason) in [
            (failed(h2::Error::from(Reason::CANCEL)), Reason::CANCEL),
            (io::ErrorKind::TimedOut.into(), Reason::CANCEL),
            (io::ErrorKind::BrokenPipe.into(), Reason::CONNECT_ERROR),
        ] {
            let (mut near, mut far) = http2(64 * 1024).await;
            near.reset(&error);
            assert_eq!(reason_of(&recv(&mut far).await.unwrap_err()), Some(reason));
        }
    }

    #[tokio::test]
    async fn what_nobody_takes_is_kept_in_one_piece_within_the_window() {
        const WINDOW: u32 = 5000;
        let (mut near, mut far) = http2(WINDOW).await;
        let sending = async {
            for byte in 0..WINDOW {
                send(&mut near, vec![byte as u8]).await.unwrap();
            }
            // The window is full.
            poll_fn(|task| {
                let mut more = Bytes::from_static(b"x");
                assert!(near.poll_send(task, &mut more).is_pending());
                Poll::Ready(())
            })
            .await;
        };
        let keeping = poll_fn(|task| {
            far.compact(task);
            assert!(far.end.is_none(), "{:?}", far.end);
            if far.held.len() == WINDOW as usize { Poll::Ready(()) } else { Poll::Pending }
        });
        tokio::join!(sending, keeping);
        let received = recv(&mut far).await.unwrap().unwrap();
        assert!(received.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        // What was taken may be sent again.
        tokio::join!(async { send(&mut near, "more").await.unwrap() }, async {
            assert_eq!(recv(&mut far).await.unwrap().unwrap(), "more");
        });
        poll_fn(|task| near.poll_finish(task)).await.unwrap();
        poll_fn(|task| {
            far.compact(task);
            if far.end.is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(recv(&mut far).await.unwrap(), None);
    }
}
