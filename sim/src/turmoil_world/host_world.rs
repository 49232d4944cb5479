//! The simulated implementation of the runtime's `World`, for one process.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use revtun::journal::Journal;
use revtun::world::World;
use revtun_core::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use turmoil::net::{TcpListener, TcpStream};

use super::event_log::{Direction, EventLog};

/// One host's view of the simulation. Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct HostWorld {
    host: &'static str,
    dice: Arc<Mutex<fastrand::Rng>>,
    log: EventLog,
    /// The latest moment that anybody here asked for.
    latest: Arc<AtomicU64>,
}

impl HostWorld {
    /// The world of `host`, whose random numbers come from `seed`.
    #[must_use]
    pub fn new(host: &'static str, seed: u64, log: EventLog) -> Self {
        let dice = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        Self { host, dice, log, latest: Arc::default() }
    }

    /// Notes an event in the log.
    pub fn note(&self, what: impl std::fmt::Display) {
        self.log.note(self.now(), self.host, what);
    }

    fn stream(&self, stream: TcpStream) -> Stream {
        Stream { stream, world: self.clone() }
    }
}

impl World for HostWorld {
    type Stream = Stream;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        // A host whose tasks are dropped has no running clock; time stands still then.
        let elapsed = Handle::try_current().ok().and_then(|_| turmoil::sim_elapsed()).unwrap_or_default();
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(nanos.max(self.latest.fetch_max(nanos, Ordering::Relaxed)))
    }

    fn unix_millis(&self) -> u64 {
        // The epoch of every simulation is 1970, so the two clocks show the same.
        u64::try_from(self.now().since(Instant::EPOCH).as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Not `tokio::spawn`: a runtime that ends drops its tasks in an order that depends on their numbers, which all
        // runtimes of the process share.
        drop(tokio::task::spawn_local(task));
    }

    #[expect(clippy::disallowed_methods, reason = "this is the facade")]
    async fn sleep_until(&self, deadline: Instant) {
        let left = deadline.since(self.now());
        if left > Duration::ZERO {
            tokio::time::sleep(left).await;
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(to).await;
        match &stream {
            Ok(_) => self.note(format_args!("connected to {to}")),
            Err(error) => self.note(format_args!("could not connect to {to}: {}", error.kind())),
        }
        Ok(self.stream(stream?))
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(at).await?;
        self.note(format_args!("listens at {at}"));
        Ok(listener)
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Stream, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        self.note(format_args!("accepted {peer}"));
        Ok((self.stream(stream), peer))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::new(turmoil::lookup(host), port)])
    }

    fn journal(&self) -> &Journal {
        &Journal::CHECKED
    }
}

/// A simulated connection that records every byte in the log.
#[derive(Debug)]
pub struct Stream {
    stream: TcpStream,
    world: HostWorld,
}

impl Stream {
    fn note(&self, direction: Direction, bytes: &[u8]) {
        self.world.log.bytes(self.world.now(), self.world.host, direction, bytes);
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.note(Direction::Read, &buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.note(Direction::Written, &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
