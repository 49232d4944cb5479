//! A stretch of network between an initiator and a responder that can break in the ways that networks do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to one address. Stops, and resets what is open, when dropped.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    lines: Arc<Lines>,
    listening: JoinHandle<()>,
}

/// One relayed connection, as the test sees it.
#[derive(Debug, Default)]
pub struct Line {
    cut: watch::Sender<bool>,
    swallow: AtomicBool,
    swallowed: AtomicUsize,
    near_gone: AtomicBool,
    far_gone: AtomicBool,
    carried: Mutex<Vec<u8>>,
}

/// Bytes of a line that are kept for the test to look at.
const KEPT: usize = 1 << 20;

#[derive(Debug)]
struct Lines {
    target: SocketAddr,
    all: Mutex<Vec<Arc<Line>>>,
}

impl Relay {
    /// Starts a relay to `target`.
    ///
    /// # Panics
    /// If the system has no port left.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let lines = Arc::new(Lines { target, all: Mutex::default() });
        let listening = tokio::spawn(listen(listener, Arc::clone(&lines)));
        Self { addr, lines, listening }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every connection so far that reached the target, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<Arc<Line>> {
        self.lines.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that neither side has ended.
    #[must_use]
    pub fn open(&self) -> Vec<Arc<Line>> {
        self.lines().into_iter().filter(|line| line.is_open()).collect()
    }

    /// Resets every open connection, towards both sides.
    pub fn cut(&self) {
        for line in self.open() {
            line.cut();
        }
    }

    /// From now on swallows every byte of the connections that are open; new ones work.
    pub fn black_hole(&self) -> Vec<Arc<Line>> {
        let open = self.open();
        for line in &open {
            line.swallow.store(true, Ordering::SeqCst);
        }
        open
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

impl Line {
    /// Resets both sides.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Whether the side that dialled has ended or reset it.
    #[must_use]
    pub fn near_gone(&self) -> bool {
        self.near_gone.load(Ordering::SeqCst)
    }

    /// Whether the side that was dialled has ended or reset it.
    #[must_use]
    pub fn far_gone(&self) -> bool {
        self.far_gone.load(Ordering::SeqCst)
    }

    /// How many bytes it swallowed: a black hole that swallowed nothing proves nothing.
    #[must_use]
    pub fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::SeqCst)
    }

    /// What it carried so far, both ways mixed, as whoever stands on the way sees it; of a lot, the first mebibyte.
    #[must_use]
    pub fn carried(&self) -> Vec<u8> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(carried.len()).min(bytes.len());
        carried.extend_from_slice(&bytes[..room]);
    }

    /// Whether both sides still have it, as far as they know.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.near_gone() && !self.far_gone() && !*self.cut.borrow()
    }
}

async fn listen(listener: TcpListener, lines: Arc<Lines>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(relay(near, Arc::clone(&lines)));
    }
}

async fn relay(near: TcpStream, lines: Arc<Lines>) {
    let Ok(far) = TcpStream::connect(lines.target).await else {
        // As near to "connection refused" as a relay can come.
        let _gone_already = near.set_zero_linger();
        return;
    };
    let line = Arc::new(Line::default());
    lines.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&line));
    carry(near, far, &line).await;
}

async fn carry(mut near: TcpStream, mut far: TcpStream, line: &Line) {
    for stream in [&near, &far] {
        let _gone_already = stream.set_nodelay(true);
    }
    {
        let (near_in, near_out) = near.split();
        let (far_in, far_out) = far.split();
        let mut cut = line.cut.subscribe();
        let both = async {
            tokio::join!(
                forward(near_in, far_out, line, &line.near_gone),
                forward(far_in, near_out, line, &line.far_gone)
            )
        };
        tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => {}
            _ = both => {}
        }
    }
    if *line.cut.borrow() {
        for stream in [&near, &far] {
            let _gone_already = stream.set_zero_linger();
        }
    }
}

/// Copies one direction until `from` ends. A swallowed end is not passed on: a dead path carries no FIN either.
async fn forward(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, line: &Line, gone: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let swallow = line.swallow.load(Ordering::SeqCst);
        match read {
            Ok(count @ 1..) if swallow => line.swallowed.fetch_add(count, Ordering::SeqCst),
            Ok(count @ 1..) => {
                line.keep(&buffer[..count]);
                match to.write_all(&buffer[..count]).await {
                    Ok(()) => count,
                    Err(_) => return line.cut(),
                }
            }
            Ok(0) | Err(_) => {
                gone.store(true, Ordering::SeqCst);
                return match read {
                    _ if swallow => {}
                    Ok(_) => drop(to.shutdown().await),
                    Err(_) => line.cut(),
                };
            }
        };
    }
}
