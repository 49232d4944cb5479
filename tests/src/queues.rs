//! What the kernel still holds of a stream: sent, and not read yet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// From one look at the queues to the next. One look takes milliseconds, and serves all who wait.
const PAUSE: Duration = Duration::from_millis(40);

/// Waits until the peer, which has to be a process of this machine, has read all that was sent over `stream`, has closed
/// it, or `limit` is over.
pub async fn until_read(stream: &TcpStream, limit: Duration) {
    let (Ok(near), Ok(far)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let sent = Instant::now();
    let mut looks = LOOKS.clone();
    let read = looks.wait_for(|look| look.taken > Some(sent) && look.left(near, far) == 0);
    let _read_or_not = timeout(limit, read).await;
}

/// The latest look. Somebody looks as long as others wait.
static LOOKS: LazyLock<watch::Receiver<Look>> = LazyLock::new(|| {
    let (sender, looks) = watch::channel(Look::default());
    thread::spawn(move || {
        loop {
            if sender.receiver_count() > 1 {
                sender.send_replace(Look::take());
            }
            thread::sleep(PAUSE);
        }
    });
    looks
});

/// The queues of all connections at one time.
#[derive(Debug, Default)]
struct Look {
    taken: Option<Instant>,
    /// By the ports of the near and the far end: bytes to be sent, bytes to be read.
    queues: BTreeMap<(u16, u16), (u64, u64)>,
}

impl Look {
    fn take() -> Self {
        let taken = Some(Instant::now());
        let table = fs::read_to_string("/proc/net/tcp").expect("the system says what its queues hold");
        Self { taken, queues: table.lines().filter_map(connection).collect() }
    }

    /// Bytes on their way from `near` to `far`.
    fn left(&self, near: SocketAddr, far: SocketAddr) -> u64 {
        let queues = |from: SocketAddr, to: SocketAddr| self.queues.get(&(from.port(), to.port())).copied();
        queues(near, far).unwrap_or_default().0 + queues(far, near).unwrap_or_default().1
    }
}

/// A line of the table: a number, the address of either end, a state, what is to be sent and read; all in base 16.
fn connection(line: &str) -> Option<((u16, u16), (u64, u64))> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let mut port = || u16::from_str_radix(words.next()?.split_once(':')?.1, 16).ok();
    let ports = (port()?, port()?);
    let (sent, read) = words.nth(1)?.split_once(':')?;
    let bytes = |word| u64::from_str_radix(word, 16).ok();
    Some((ports, (bytes(sent)?, bytes(read)?)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_not_read_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut near = TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
        let (mut far, _) = listener.accept().await.expect("somebody dials");
        near.write_all(b"abc").await.expect("it is open");
        let (limit, asked) = (5 * PAUSE, Instant::now());
        until_read(&near, limit).await;
        assert!(asked.elapsed() >= limit, "nobody read it");
        far.read_exact(&mut [0; 3]).await.expect("three bytes");
        let (limit, asked) = (Duration::from_secs(60), Instant::now());
        until_read(&near, limit).await;
        assert!(asked.elapsed() < limit, "it was read");
    }
}
