//! The simulated implementation of the runtime's `World`, for one process.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
pub struct Dns(Arc<Mutex<Names>>);

/// What the resolvers do.
#[derive(Debug, Default)]
struct Names {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// How many faults make them fail.
    outages: u32,
    /// What faults make them wait for.
    delay: Duration,
}

impl Dns {
    /// From now on `name` has these addresses.
    pub fn set(&self, name: &str, addresses: Vec<IpAddr>) {
        self.names().addresses.insert(name.to_owned(), addresses);
    }

    /// From now on all resolvers fail, once more or once less than before.
    pub fn fail(&self, more: bool) {
        let outages = &mut self.names().outages;
        *outages = if more { *outages + 1 } else { outages.saturating_sub(1) };
    }

    /// From now on answers take this much longer, or so much less long.
    pub fn delay(&self, by: Duration, more: bool) {
        let delay = &mut self.names().delay;
        *delay = if more { *delay + by } else { delay.saturating_sub(by) };
    }

    /// The addresses of `name`, and how long the answer takes.
    fn get(&self, name: &str) -> (io::Result<Vec<IpAddr>>, Duration) {
        let names = self.names();
        let answer = match names.outages {
            0 => Ok(names.addresses.get(name).cloned().unwrap_or_default()),
            _ => Err(io::Error::other("no name server answers")),
        };
        (answer, names.delay)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (answer, delay) = self.0.dns.get(host);
        if delay > Duration::ZERO {
            sleep(delay).await;
        }
        Ok(answer?.into_iter().map(|address| SocketAddr::new(address, port)).collect())
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
