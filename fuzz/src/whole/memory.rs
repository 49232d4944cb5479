//! A world of one process and no time: connections are pipes, the clock jumps to whatever is next.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use revtun::world::World;
use revtun_core::Instant;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

/// Bytes on their way in one direction.
const PIPE: usize = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 16;

type Connections = mpsc::Sender<(DuplexStream, SocketAddr)>;

/// The world. All clones are one.
#[derive(Clone)]
pub(super) struct Memory(Arc<Inner>);

struct Inner {
    epoch: tokio::time::Instant,
    dice: AtomicU64,
    listeners: Mutex<BTreeMap<SocketAddr, Connections>>,
    tasks: AtomicUsize,
    panics: AtomicUsize,
}

/// Whoever listens at an address.
pub(super) struct Listener {
    at: SocketAddr,
    connections: tokio::sync::Mutex<mpsc::Receiver<(DuplexStream, SocketAddr)>>,
}

impl Memory {
    pub(super) fn begin() -> Self {
        let (listeners, epoch) = (Mutex::default(), tokio::time::Instant::now());
        Self(Arc::new(Inner {
            epoch,
            dice: AtomicU64::new(1),
            listeners,
            tasks: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
        }))
    }

    /// Tasks that have not ended.
    pub(super) fn tasks(&self) -> usize {
        self.0.tasks.load(Ordering::Relaxed)
    }

    /// Tasks that ended in a panic.
    pub(super) fn panics(&self) -> usize {
        self.0.panics.load(Ordering::Relaxed)
    }
}

/// Counts one task while it lives.
struct Counted(Memory);

impl Drop for Counted {
    fn drop(&mut self) {
        let Inner { tasks, panics, .. } = &*self.0.0;
        tasks.fetch_sub(1, Ordering::Relaxed);
        panics.fetch_add(usize::from(thread::panicking()), Ordering::Relaxed);
    }
}

impl World for Memory {
    type Stream = DuplexStream;
    type Listener = Listener;

    fn now(&self) -> Instant {
        Instant::EPOCH.after(self.0.epoch.elapsed())
    }

    fn unix_millis(&self) -> u64 {
        1_700_000_000_000 + self.now().as_nanos() / 1_000_000
    }

    fn random(&self) -> u64 {
        let step = self.0.dice.fetch_add(1, Ordering::Relaxed);
        step.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.clone());
        drop(tokio::spawn(async move {
            let _counted = counted;
            task.await;
        }));
    }

    async fn sleep_until(&self, deadline: Instant) {
        tokio::time::sleep_until(self.0.epoch + deadline.since(Instant::EPOCH)).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listener = self.0.listeners.lock().expect("nobody panics here").get(&to).cloned();
        let (near, far) = duplex(PIPE);
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        listener.ok_or_else(refused)?.send((far, from)).await.map_err(|_| refused())?;
        Ok(near)
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Listener> {
        let (sender, connections) = mpsc::channel(BACKLOG);
        self.0.listeners.lock().expect("nobody panics here").insert(at, sender);
        Ok(Listener { at, connections: tokio::sync::Mutex::new(connections) })
    }

    fn local_addr(&self, listener: &Listener) -> io::Result<SocketAddr> {
        Ok(listener.at)
    }

    async fn accept(&self, listener: &Listener) -> io::Result<(DuplexStream, SocketAddr)> {
        listener.connections.lock().await.recv().await.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let address = host.parse().map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(vec![SocketAddr::new(address, port)])
    }
}
