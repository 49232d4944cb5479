//! Production: tokio's tasks and timers, the kernel's sockets.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use revtun_core::Instant;
use socket2::{SockAddr, SockRef, Socket, TcpKeepalive};
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

#[cfg(unix)]
use super::LocalStream;
use super::World;
use crate::journal::Journal;

/// Connections that the kernel may hold for a listener before we accept them.
const BACKLOG: u32 = 4096;

/// The most unanswered probes of TCP's keep-alive that Linux counts.
const MAX_PROBES: u32 = 127;

/// The real world.
#[derive(Clone, Debug)]
pub struct Tokio {
    epoch: tokio::time::Instant,
    journal: Journal,
}

impl Tokio {
    /// A world that begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the facade")]
    pub fn begin() -> Self {
        Self { epoch: tokio::time::Instant::now(), journal: Journal::OFF }
    }

    /// The same world for a machine whose steps go to `journal`.
    #[must_use]
    pub fn with_journal(&self, journal: Journal) -> Self {
        Self { journal, ..self.clone() }
    }
}

impl World for Tokio {
    type Stream = TcpStream;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        Instant::EPOCH.after(self.epoch.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the facade")]
    fn unix_millis(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the facade")]
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }

    async fn sleep_until(&self, deadline: Instant) {
        tokio::time::sleep_until(self.epoch + deadline.since(Instant::EPOCH)).await;
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    #[cfg(unix)]
    async fn connect_local(&self, path: &Path) -> io::Result<Box<dyn LocalStream>> {
        Ok(Box::new(UnixStream::connect(path).await?))
    }

    /// TCP's keep-alive, whose times are whole seconds.
    fn keep_alive(&self, stream: &TcpStream, interval: Duration, timeout: Duration) -> io::Result<()> {
        let interval = interval.max(Duration::from_secs(1));
        let probes = u32::try_from(timeout.as_secs() / interval.as_secs()).unwrap_or(u32::MAX).clamp(1, MAX_PROBES);
        let keep_alive = TcpKeepalive::new().with_time(interval).with_interval(interval).with_retries(probes);
        SockRef::from(stream).set_tcp_keepalive(&keep_alive)
    }

    /// TCP_USER_TIMEOUT (RFC 5482), where there is one.
    fn limit_unacknowledged(&self, stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux", target_os = "cygwin"))]
        SockRef::from(stream).set_tcp_user_timeout(timeout)?;
        let _ = (stream, timeout);
        Ok(())
    }

    /// SO_LINGER of zero: what was not sent is discarded.
    fn reset_on_drop(&self, stream: &TcpStream) -> io::Result<()> {
        SockRef::from(stream).set_linger(Some(Duration::ZERO))
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A restarted responder must be able to bind its port at once, whatever connections are in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(BACKLOG)
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }

    /// Asks the kernel: what tokio knows is as old as its last poll, and a connection may have come since.
    fn try_accept(&self, listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        match SockRef::from(listener).accept() {
            Ok((socket, peer)) => Some(into_stream(socket, peer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(error)),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    fn journal(&self) -> &Journal {
        &self.journal
    }
}

fn into_stream(socket: Socket, peer: SockAddr) -> io::Result<(TcpStream, SocketAddr)> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((TcpStream::from_std(socket.into())?, peer))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream as Caller};

    use super::*;

    #[tokio::test]
    async fn a_stream_is_probed_as_often_as_fits_into_its_timeout() {
        let world = Tokio::begin();
        let listener = world.listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let stream = world.connect(world.local_addr(&listener).unwrap()).await.unwrap();
        world.keep_alive(&stream, Duration::from_secs(2), Duration::from_secs(7)).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(2));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        world.keep_alive(&stream, Duration::ZERO, Duration::MAX).unwrap();
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), MAX_PROBES);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn unacknowledged_bytes_are_limited_by_the_kernel() {
        let world = Tokio::begin();
        let listener = world.listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let stream = world.connect(world.local_addr(&listener).unwrap()).await.unwrap();
        for timeout in [Some(Duration::from_secs(7)), None] {
            world.limit_unacknowledged(&stream, timeout).unwrap();
            assert_eq!(SockRef::from(&stream).tcp_user_timeout().unwrap(), timeout);
        }
    }

    #[tokio::test]
    async fn a_connection_that_came_since_the_last_poll_is_accepted() {
        let world = Tokio::begin();
        let listener = world.listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        assert!(world.try_accept(&listener).is_none());
        let at = world.local_addr(&listener).unwrap();
        // The runtime gets no turn in between.
        for _ in 0..2 {
            let caller = Caller::connect(at).unwrap();
            let (_, peer) = world.try_accept(&listener).unwrap().unwrap();
            assert_eq!(peer, caller.local_addr().unwrap());
        }
        assert!(world.try_accept(&listener).is_none());
    }
}
