//! A stream that can be cut from outside: HTTP/2 keeps it in a task of its own, and closing must not wait for that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::sync::oneshot;

/// Cuts the stream when dropped.
#[derive(Debug)]
pub(super) struct Knife(#[expect(dead_code, reason = "only dropped")] oneshot::Sender<()>);

/// The stream. Once cut, every read and write fails.
#[derive(Debug)]
pub(super) struct Severable<S> {
    stream: S,
    cut: Option<oneshot::Receiver<()>>,
}

impl<S> Severable<S> {
    pub(super) fn new(stream: S) -> (Self, Knife) {
        let (knife, cut) = oneshot::channel();
        (Self { stream, cut: Some(cut) }, Knife(knife))
    }

    /// The stream unless it was cut; whoever asks is woken when it is.
    fn whole(&mut self, task: &mut Context<'_>) -> io::Result<Pin<&mut S>>
    where
        S: Unpin,
    {
        if self.cut.as_mut().is_some_and(|cut| Pin::new(cut).poll(task).is_ready()) {
            self.cut = None;
        }
        match self.cut {
            Some(_) => Ok(Pin::new(&mut self.stream)),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.whole(task)?.poll_read(task, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.whole(task)?.poll_write(task, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.whole(task)?.poll_write_vectored(task, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole(task)?.poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole(task)?.poll_shutdown(task)
    }
}
