//! The simulated implementation of the runtime's `World`, for one process.

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
use crate::net::memory_account::unaccounted_async;
use crate::net::process::Process;
use crate::net::socket::Socket;

/// DNS, the same for every process. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Dns(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Dns {
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
pub struct ProcessWorld(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    process: Arc<Process>,
    dns: Dns,
    dice: Mutex<fastrand::Rng>,
    /// The error of its wall clock in milliseconds.
    skew: Arc<AtomicI64>,
    journal: Journal,
}

impl ProcessWorld {
    /// The world of `process`.
    #[must_use]
    pub fn new(process: Arc<Process>, dns: Dns, dice: fastrand::Rng, skew: Arc<AtomicI64>, journal: Journal) -> Self {
        Self(Arc::new(Inner { process, dns, dice: Mutex::new(dice), skew, journal }))
    }
}

impl World for ProcessWorld {
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
        Ok(self.0.dns.get(host).into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn journal(&self) -> &Journal {
        &self.0.journal
    }
}

/// The output of `work`, unless `limit` ends before.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = sleep(limit) => None,
    }
}

/// Waits for `time`.
pub async fn sleep(time: Duration) {
    clock::sleep_until(clock::now() + time).await;
}
