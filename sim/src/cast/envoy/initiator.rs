//! An Envoy that dials, with a service in it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revtun::world::{Executor, Timer, World};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::exact::Exact;
use super::line::{End, Line, Remote};
use super::state::{Entry, Peer, Stage, State};
use super::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, Stream, header, jittered, read_head};
use crate::cast::{CLOUD, TUNNELS, ends, service};
use crate::clock;
use crate::history::History;
use crate::host::{Local, pause, within};
use crate::plan::Plan;
use crate::secrets::Authority;

const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The first pause after a failure; each is twice the last.
const BACKOFF: Duration = Duration::from_secs(1);
/// `max_reconnect_backoff`, less than it is by default, for worlds that last for two minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// How often a listener that drains is noticed.
const DRAIN_POLL: Duration = Duration::from_millis(100);

/// Dials until the process ends. Cheap to clone: all clones are one.
#[derive(Clone)]
struct Dialler(Arc<Inner>);

struct Inner {
    world: Local,
    history: History,
    tls: Option<TlsConnector>,
    state: State,
    number: usize,
    count: usize,
    connections: AtomicU64,
    hosts: Mutex<BTreeMap<IpAddr, Host>>,
    /// A pass is wanted now.
    nudge: Notify,
}

/// What is remembered of a responder.
#[derive(Clone, Copy, Default)]
struct Host {
    failures: u32,
    until: Duration,
    /// Since when tunnels are missing, in milliseconds since 1970.
    wanted: Option<u64>,
}

/// Dials and serves until the process ends: `count` tunnels to each responder, looked after every `maintain`.
pub async fn run(
    world: Local,
    plan: Arc<Plan>,
    authority: Arc<Authority>,
    state: State,
    history: History,
    (number, count): (usize, u16),
) {
    let tls = plan.tls.then(|| TlsConnector::from(Arc::clone(&authority.client(&ends::identity(number)).borrow())));
    let dialler = Dialler(Arc::new(Inner {
        world: world.clone(),
        history,
        tls,
        state,
        number,
        count: usize::from(count),
        connections: AtomicU64::new(0),
        hosts: Mutex::default(),
        nudge: Notify::new(),
    }));
    loop {
        dialler.pass().await;
        tokio::select! {
            biased;
            () = dialler.0.nudge.notified() => {}
            () = pause(jittered(plan.maintain, world.random())) => {}
        }
    }
}

impl Dialler {
    /// Dials everything that is missing, at once.
    async fn pass(&self) {
        let Inner { world, state, hosts, count, .. } = &*self.0;
        let there: Vec<IpAddr> =
            world.resolve(CLOUD, TUNNELS).await.unwrap_or_default().iter().map(SocketAddr::ip).collect();
        let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Tunnels of a host that is gone stay, and are not counted when it is back.
        for gone in hosts.keys().copied().filter(|host| !there.contains(host)).collect::<Vec<_>>() {
            hosts.remove(&gone);
            state.change(&Peer::Host(gone), |row| row.stage = Stage::Untracked);
        }
        for address in there {
            let host = hosts.entry(address).or_default();
            let tracked = |stage| matches!(stage, Stage::Handshake | Stage::Parked | Stage::Used);
            let rows = state.rows();
            let has = rows.iter().filter(|row| row.peer == Peer::Host(address) && tracked(row.stage)).count();
            if has >= *count || clock::now() < host.until {
                continue;
            }
            host.wanted.get_or_insert(world.unix_millis());
            for _ in has..*count {
                let (dialler, entry) = (self.clone(), state.enter(Peer::Host(address)));
                world.spawn(async move { dialler.tunnel(address, entry).await });
            }
        }
    }

    async fn tunnel(&self, address: IpAddr, entry: Entry) {
        match self.open(address).await {
            Err(retry_after) => {
                drop(entry);
                self.failed(address, retry_after);
            }
            Ok((stream, residue)) => {
                entry.stage(Stage::Parked);
                self.succeeded(address);
                let remote = Remote::new(End::Initiator, entry);
                // Whoever goes first: the next pass sees what is missing.
                let _ended = self.serve(Line::new(stream, &residue, remote.clone()), remote).await;
            }
        }
    }

    /// A tunnel, and what came together with the answer; or how long to wait, if the responder said so.
    async fn open(&self, address: IpAddr) -> Result<(Stream, Vec<u8>), Option<Duration>> {
        let to = SocketAddr::new(address, TUNNELS);
        let mut stream = within(CONNECT, self.0.world.connect(to)).await.and_then(Result::ok).ok_or(None)?;
        let Some(tls) = &self.0.tls else {
            let residue = within(HANDSHAKE, self.ask(&mut stream, to, usize::MAX)).await.unwrap_or(Err(None))?;
            return Ok((stream, residue));
        };
        let name = CLOUD.try_into().expect("a legal name");
        let connected = within(HANDSHAKE, tls.connect(name, Exact::new(stream, true))).await;
        let mut stream = connected.and_then(Result::ok).ok_or(None)?;
        let residue = within(HANDSHAKE, self.ask(&mut stream, to, 1)).await.unwrap_or(Err(None))?;
        Ok((stream.into_inner().0.into_inner(), residue))
    }

    /// Says who is here and reads the answer, of which only its status counts.
    async fn ask<S>(&self, stream: &mut S, to: SocketAddr, at_once: usize) -> Result<Vec<u8>, Option<Duration>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let head = self.head(to);
        stream.write_all(head.as_bytes()).await.map_err(|_| None)?;
        stream.flush().await.map_err(|_| None)?;
        loop {
            let (bytes, end) = read_head(stream, at_once).await.ok_or(None)?;
            let head = String::from_utf8_lossy(&bytes[..end]);
            match head.split(' ').nth(1) {
                Some("200") => return Ok(bytes[end..].to_vec()),
                Some("100") => {}
                Some("429") => {
                    let seconds = header(&head, "retry-after").and_then(|value| value.parse().ok());
                    return Err(seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs));
                }
                _ => return Err(None),
            }
        }
    }

    fn head(&self, to: SocketAddr) -> String {
        let Inner { number, connections, hosts, .. } = &*self.0;
        let hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = hosts.get(&to.ip()).and_then(|host| host.wanted).unwrap_or_default();
        let (node, tenant) = (Plan::node(*number), Plan::tenant(*number));
        let connection = connections.fetch_add(1, Ordering::Relaxed);
        let ids = [
            ("node-id", node),
            ("cluster-id", "edge".to_owned()),
            ("tenant-id", format!("tenant-{tenant}")),
            ("upstream-cluster-name", CLOUD.to_owned()),
            ("initiation-time", wanted.to_string()),
            ("worker-id", "worker_0".to_owned()),
            ("connection-id", connection.to_string()),
        ];
        let mut head = format!("GET /reverse_connections/request HTTP/1.1\r\nhost: {to}\r\n");
        for (name, value) in ids {
            head += &format!("x-envoy-reverse-tunnel-{name}: {value}\r\n");
        }
        head + "content-length: 0\r\n\r\n"
    }

    fn failed(&self, address: IpAddr, retry_after: Option<Duration>) {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get_mut(&address) else { return };
        host.failures += 1;
        let computed = BACKOFF * 2u32.saturating_pow(host.failures - 1).min(1000);
        let pause = jittered(retry_after.unwrap_or(computed).min(BACKOFF_MAX), self.0.world.random());
        host.until = clock::now() + pause;
    }

    /// Only a success within the pause that a failure caused makes it forgotten.
    fn succeeded(&self, address: IpAddr) {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get_mut(&address) else { return };
        if clock::now() < host.until {
            *host = Host { wanted: host.wanted, ..Host::default() };
        }
        let rows = self.0.state.rows();
        let up = |stage| matches!(stage, Stage::Parked | Stage::Used);
        if rows.iter().filter(|row| row.peer == Peer::Host(address) && up(row.stage)).count() >= self.0.count {
            host.wanted = None;
        }
    }

    async fn serve(&self, mut line: Line, remote: Remote) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Inner { world, history, state, number, nudge, .. } = &*self.0;
        if !line.wake().await? {
            return Ok(line.refuse().await?);
        }
        remote.used();
        let mut server = http2::Builder::new(Executor::new(world));
        server
            .timer(Timer::new(world))
            // The date would be the real one, and no two runs the same.
            .auto_date_header(false)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (history, by) = (history.clone(), *number);
        let answer = service_fn(move |request| service::answer(request, history.clone(), by));
        let mut connection = pin!(server.serve_connection(TokioIo::new(line), answer));
        let mut leave = pin!(async {
            state.told_to_leave().await;
            pause(DRAIN_POLL).await;
        });
        let (mut left, mut told) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return Ok(ended?),
                // One GOAWAY at once, and another tunnel in its place: while a listener drains that one goes the same way.
                () = leave.as_mut(), if !left => {
                    left = true;
                    remote.go_away();
                    nudge.notify_one();
                }
                () = remote.told_to_go(), if !told => {
                    told = true;
                    nudge.notify_one();
                }
            }
        }
    }
}
