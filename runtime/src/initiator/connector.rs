//! Connections to the local service, by the world's resolver, sockets and clock.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::hosts::HostPort;
use crate::world::World;

/// Connects to one service, whatever the URI says.
#[derive(Clone, Debug)]
pub(super) struct Connector<W> {
    world: W,
    service: HostPort,
    timeout: Duration,
}

impl<W: World> Connector<W> {
    pub(super) fn new(world: &W, service: HostPort, timeout: Duration) -> Self {
        Self { world: world.clone(), service, timeout }
    }

    async fn connect(self) -> io::Result<ServiceStream<W::Stream>> {
        let deadline = self.world.now().after(self.timeout);
        tokio::select! {
            biased;
            stream = self.connect_to_any() => Ok(ServiceStream(TokioIo::new(stream?))),
            () = self.world.sleep_until(deadline) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The first of the service's addresses that takes the connection; else the last error.
    async fn connect_to_any(&self) -> io::Result<W::Stream> {
        let mut failure = io::ErrorKind::NotFound.into();
        for address in self.service.resolve(&self.world, true).await? {
            match self.world.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl<W: World> Service<Uri> for Connector<W> {
    type Response = ServiceStream<W::Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

/// A connection of the pool. It says nothing about itself: every one is alike.
#[derive(Debug)]
pub(super) struct ServiceStream<S>(TokioIo<S>);

impl<S> Connection for ServiceStream<S> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl<S: tokio::io::AsyncRead + Unpin> Read for ServiceStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> Write for ServiceStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
