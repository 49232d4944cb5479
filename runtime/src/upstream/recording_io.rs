//! A stream to the local service that remembers the head of a request, so that it can be sent once more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::forward_write::forward_flush;
use crate::http::RequestBody;
use crate::sync::{AtomicBool, Ordering};

/// Memory that is kept for the next request.
const KEPT: usize = 4 * 1024;

/// Asks a [`RecordingIo`] to remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<AtomicBool>);

impl Recorder {
    /// What is written next is the whole head of a request without a body: hyper writes none before it has all of it.
    pub(super) fn record_head(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        // A write is no place for a locked instruction each time.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

/// The stream. Copying what is written costs a tenth of what a clone of the head does, and few heads are sent again.
#[derive(Debug)]
pub(super) struct RecordingIo<S> {
    stream: S,
    recorder: Recorder,
    head: RecordedHead,
}

/// The head of a request without a body, as it was sent; empty before there was one.
#[derive(Debug, Default)]
pub(super) struct RecordedHead(Vec<u8>);

impl<S> RecordingIo<S> {
    pub(super) fn new(stream: S) -> (Self, Recorder) {
        let recorder = Recorder::default();
        (Self { stream, recorder: recorder.clone(), head: RecordedHead::default() }, recorder)
    }

    /// The head that was recorded last.
    pub(super) fn into_head(self) -> RecordedHead {
        self.head
    }

    fn record<'a>(&mut self, bufs: impl Iterator<Item = &'a [u8]>) {
        if self.recorder.take() {
            let RecordedHead(head) = &mut self.head;
            head.clear();
            head.shrink_to(KEPT);
            bufs.for_each(|buf| head.extend_from_slice(buf));
        }
    }
}

impl RecordedHead {
    /// The request to be sent once more. None if not all of a head was recorded.
    pub(super) fn parse(&self) -> Option<Request<RequestBody>> {
        let lines = self.0.iter().filter(|byte| **byte == b'\n').count();
        let mut headers = vec![httparse::EMPTY_HEADER; lines];
        let mut parsed = httparse::Request::new(&mut headers);
        if parsed.parse(&self.0).ok()?.is_partial() {
            return None;
        }
        let mut request = Request::new(RequestBody::ended());
        *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
        *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
        for header in parsed.headers {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
        }
        Some(request)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RecordingIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RecordingIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.record([buf].into_iter());
        Pin::new(&mut self.stream).poll_write(task, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.record(bufs.iter().map(|buf| &**buf));
        Pin::new(&mut self.stream).poll_write_vectored(task, bufs)
    }

    forward_flush!(stream);
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn recorded(writes: &[(&str, bool)]) -> Option<Request<RequestBody>> {
        let (mut io, recorder) = RecordingIo::new(tokio::io::sink());
        for (text, is_head) in writes {
            if *is_head {
                recorder.record_head();
            }
            io.write_all(text.as_bytes()).await.unwrap();
        }
        io.into_head().parse()
    }

    #[tokio::test]
    async fn the_last_head_is_the_one_that_comes_back() {
        let many = "x: y\r\n".repeat(500);
        let head = format!("BREW /a?b=%20c HTTP/1.1\r\nhost: h\r\ncookie: \u{e4}\r\nempty: \r\n{many}\r\n");
        let request = recorded(&[("GET / HTTP/1.1\r\n\r\n", true), ("body", false), (&head, true)]).await.unwrap();
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("BREW", "/a?b=%20c"));
        assert_eq!(request.headers()["cookie"].as_bytes(), "\u{e4}".as_bytes());
        assert_eq!((request.headers()["empty"].len(), request.headers().get_all("x").iter().count()), (0, 500));
    }

    #[tokio::test]
    async fn what_is_not_a_whole_head_does_not_come_back() {
        assert!(recorded(&[]).await.is_none());
        assert!(recorded(&[("GET / HTTP/1.1\r\n\r\n", false)]).await.is_none());
        assert!(recorded(&[("GET / HTTP/1.1\r\nhost: h", true), ("\r\n\r\n", false)]).await.is_none());
    }

    #[tokio::test]
    async fn an_asterisk_is_a_target() {
        let request = recorded(&[("OPTIONS * HTTP/1.1\r\n\r\n", true)]).await.unwrap();
        assert_eq!(request.uri().path(), "*");
    }
}
