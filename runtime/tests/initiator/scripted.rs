//! The real world, but with a resolver and some addresses that do what a test wants.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use revtun::world::{Tokio, World};
use revtun_core::Instant;

/// Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    real: Tokio,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    /// Of every name. None, and the resolver fails.
    addresses: Vec<SocketAddr>,
    /// The resolver answers no more.
    resolver_is_stuck: bool,
    /// Addresses that swallow packets.
    black_holes: Vec<SocketAddr>,
    /// What the network was asked to notice.
    watched: Vec<Watched>,
}

/// What the network was asked to notice about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Probes unanswered.
    KeepAlive(Duration, Duration),
    /// Bytes unacknowledged.
    Unacknowledged(Option<Duration>),
}

impl Scripted {
    pub(crate) fn resolving_to(addresses: &[SocketAddr]) -> Self {
        let script = Script { addresses: addresses.to_vec(), ..Script::default() };
        Self { real: Tokio::begin(), script: Arc::new(Mutex::new(script)) }
    }

    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        self.script().addresses = addresses.to_vec();
    }

    pub(crate) fn stop_resolver(&self) {
        self.script().resolver_is_stuck = true;
    }

    pub(crate) fn swallow(&self, address: SocketAddr) {
        self.script().black_holes.push(address);
    }

    pub(crate) fn watched(&self) -> Vec<Watched> {
        self.script().watched.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }
}

impl World for Scripted {
    type Stream = <Tokio as World>::Stream;
    type Listener = <Tokio as World>::Listener;

    fn now(&self) -> Instant {
        self.real.now()
    }

    fn unix_millis(&self) -> u64 {
        self.real.unix_millis()
    }

    fn random(&self) -> u64 {
        self.real.random()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.real.spawn(task);
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + Sync {
        self.real.sleep_until(deadline)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        if self.script().black_holes.contains(&to) {
            pending::<()>().await;
        }
        self.real.connect(to).await
    }

    fn keep_alive(&self, stream: &Self::Stream, interval: Duration, timeout: Duration) -> io::Result<()> {
        self.script().watched.push(Watched::KeepAlive(interval, timeout));
        self.real.keep_alive(stream, interval, timeout)
    }

    fn limit_unacknowledged(&self, stream: &Self::Stream, timeout: Option<Duration>) -> io::Result<()> {
        self.script().watched.push(Watched::Unacknowledged(timeout));
        self.real.limit_unacknowledged(stream, timeout)
    }

    fn listen(&self, at: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        self.real.listen(at)
    }

    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        self.real.local_addr(listener)
    }

    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send {
        self.real.accept(listener)
    }

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        let (addresses, is_stuck) = {
            let script = self.script();
            (script.addresses.clone(), script.resolver_is_stuck)
        };
        if is_stuck {
            pending::<()>().await;
        }
        if addresses.is_empty() { Err(io::Error::other("no such name")) } else { Ok(addresses) }
    }
}
