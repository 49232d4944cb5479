//! The only interface to the outside: tasks, time, the network, name resolution and randomness.
//!
//! In production it is [`Tokio`]; a simulator has its own. It is chosen by a type parameter, never by a feature, so that what
//! is simulated is what ships. Nothing else in this crate spawns, sleeps, connects or reads a clock.

mod hyper;
mod tokio;

pub use self::hyper::{Executor, Timer};
pub use self::tokio::Tokio;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};
use revtun_core::{Env, Instant};

use crate::journal::Journal;

/// What the runtime needs of the world around it.
pub trait World: Clone + Send + Sync + Unpin + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A bound, listening socket.
    type Listener: Send + Sync + 'static;

    /// The time since this world began; never goes back.
    fn now(&self) -> Instant;

    /// Milliseconds since the Unix epoch, for people and for handshakes; may jump.
    fn unix_millis(&self) -> u64;

    /// 64 random bits; not for cryptography.
    fn random(&self) -> u64;

    /// Spawns `task`.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Waits until `deadline`; returns at once if it has passed.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + Sync;

    /// Connects to `to`, with Nagle's algorithm off.
    ///
    /// # Errors
    /// As the network says.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Has the network probe the peer of `stream` whenever nothing came for `interval`; if no probe is answered for `timeout`,
    /// reads and writes fail. By default nothing does so.
    ///
    /// # Errors
    /// As the network says.
    fn keep_alive(&self, stream: &Self::Stream, interval: Duration, timeout: Duration) -> io::Result<()> {
        let _ = (stream, interval, timeout);
        Ok(())
    }

    /// Has reads and writes fail when bytes that were sent on `stream` are not acknowledged for `timeout`; without one, when
    /// the network gives up. A peer that does not read counts as one that is gone. By default nothing does so.
    ///
    /// # Errors
    /// As the network says.
    fn limit_unacknowledged(&self, stream: &Self::Stream, timeout: Option<Duration>) -> io::Result<()> {
        let _ = (stream, timeout);
        Ok(())
    }

    /// Has the peer of `stream` see a reset when that is dropped, and not an end. By default it sees an end.
    ///
    /// # Errors
    /// As the network says.
    fn reset_when_closed(&self, stream: &Self::Stream) -> io::Result<()> {
        let _ = stream;
        Ok(())
    }

    /// Listens at `at`.
    ///
    /// # Errors
    /// As the network says.
    fn listen(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// The address that `listener` is bound to.
    ///
    /// # Errors
    /// As the network says.
    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// The next connection to `listener`, with Nagle's algorithm off, and the peer's address.
    ///
    /// # Errors
    /// As the network says.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// The next connection in the queue of `listener`, if there is one now: closing the listener would reset it.
    ///
    /// # Errors
    /// As the network says.
    fn try_accept(&self, listener: &Self::Listener) -> Option<io::Result<(Self::Stream, SocketAddr)>> {
        match pin!(self.accept(listener)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(accepted) => Some(accepted),
            Poll::Pending => None,
        }
    }

    /// All addresses of `host`, which is a name or an address.
    ///
    /// # Errors
    /// As the resolver says; a name without addresses is an empty list or an error.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Where the machine that lives in this world is recorded; nowhere unless the world says otherwise.
    fn journal(&self) -> &Journal {
        static OFF: Journal = Journal::OFF;
        &OFF
    }

    /// What one step of a machine may know of this world.
    fn env(&self) -> Env {
        Env { now: self.now(), dice: self.random() }
    }
}
