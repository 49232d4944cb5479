//! The network between both ends: carries connections, and cuts them when told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use revtun::world::{Tokio, World};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::stage::StepError;

/// A network that leads to one place.
pub(super) struct Network {
    addr: SocketAddr,
    lines: Arc<Lines>,
}

struct Lines {
    target: SocketAddr,
    /// One permit is one connection to be cut: whichever takes it.
    cuts: Semaphore,
    /// Connections being carried.
    open: AtomicUsize,
    /// Connections carried since the start.
    carried: AtomicUsize,
}

impl Network {
    /// Listens at `at` and carries every connection to `target`.
    pub(super) async fn start(world: &Tokio, at: SocketAddr, target: SocketAddr) -> Result<Self, StepError> {
        let listener = world.listen(at).await?;
        let addr = world.local_addr(&listener)?;
        let lines = Lines { target, cuts: Semaphore::new(0), open: AtomicUsize::new(0), carried: AtomicUsize::new(0) };
        let lines = Arc::new(lines);
        world.spawn(carry_all(world.clone(), listener, Arc::clone(&lines)));
        Ok(Self { addr, lines })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections carried since the start.
    pub(super) fn carried(&self) -> usize {
        self.lines.carried.load(Ordering::SeqCst)
    }

    /// Resets `count` of the open connections towards both ends, or all if there are fewer; says how many.
    pub(super) fn cut(&self, count: usize) -> usize {
        let count = count.min(self.lines.open.load(Ordering::SeqCst));
        self.lines.cuts.add_permits(count);
        count
    }
}

async fn carry_all(world: Tokio, listener: TcpListener, lines: Arc<Lines>) {
    while let Ok((near, _)) = world.accept(&listener).await {
        let (here, lines) = (world.clone(), Arc::clone(&lines));
        world.spawn(async move {
            if let Ok(far) = here.connect(lines.target).await {
                lines.carried.fetch_add(1, Ordering::SeqCst);
                lines.open.fetch_add(1, Ordering::SeqCst);
                carry(&lines, near, far).await;
                lines.open.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
}

async fn carry(lines: &Lines, mut near: TcpStream, mut far: TcpStream) {
    tokio::select! {
        biased;
        cut = lines.cuts.acquire() => {
            cut.expect("the semaphore is never closed").forget();
            // With nothing lingering, a close is a reset.
            let _gone_already = (near.set_zero_linger(), far.set_zero_linger());
        }
        // However it ends, both connections end with it.
        _ended = copy_bidirectional(&mut near, &mut far) => {}
    }
}
