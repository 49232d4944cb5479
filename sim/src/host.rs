//! The world that the runtime sees on one simulated host.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use revtun::journal::Journal;
use revtun::world::World;
use revtun_core::Instant;
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};

use crate::clock;
use crate::net::account::unaccounted_async;
use crate::net::scope::Process;
use crate::net::socket::Socket;

/// What names stand for, the same for everybody. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Names {
    /// From now on `name` has these addresses.
    pub fn set(&self, name: &str, addresses: Vec<IpAddr>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), addresses);
    }

    /// The addresses of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Vec<IpAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }
}

/// One process' view of the simulation.
#[derive(Clone, Debug)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    process: Arc<Process>,
    names: Names,
    dice: Mutex<fastrand::Rng>,
    /// How far its wall clock is off, in milliseconds.
    skew: Arc<AtomicI64>,
    journal: Journal,
}

impl Local {
    /// The world of `process`.
    #[must_use]
    pub fn new(
        process: Arc<Process>,
        names: Names,
        dice: fastrand::Rng,
        skew: Arc<AtomicI64>,
        journal: Journal,
    ) -> Self {
        Self(Arc::new(Inner { process, names, dice: Mutex::new(dice), skew, journal }))
    }
}

impl World for Local {
    type Stream = Socket;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        Instant::EPOCH.after(clock::now())
    }

    fn unix_millis(&self) -> u64 {
        let millis = u64::try_from((clock::EPOCH + clock::now()).as_millis()).unwrap_or(u64::MAX);
        millis.saturating_add_signed(self.0.skew.load(Ordering::Relaxed))
    }

    fn random(&self) -> u64 {
        self.0.dice.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.process.spawn(task);
    }

    async fn sleep_until(&self, deadline: Instant) {
        clock::sleep_until(deadline.since(Instant::EPOCH)).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Socket> {
        let stream = unaccounted_async(TcpStream::connect(to)).await?;
        stream.set_nodelay(true)?;
        Ok(Socket::new(stream))
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        unaccounted_async(TcpListener::bind(at)).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Socket, SocketAddr)> {
        let (stream, from) = unaccounted_async(listener.accept()).await?;
        Ok((Socket::new(stream), from))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.names.get(host).into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn journal(&self) -> &Journal {
        &self.0.journal
    }
}

/// What comes of `work`, unless `limit` ends before.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = pause(limit) => None,
    }
}

/// Waits for `time`.
pub async fn pause(time: Duration) {
    clock::sleep_until(clock::now() + time).await;
}
