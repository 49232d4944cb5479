//! An Envoy as initiator, with a service in it.

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

use super::protocol::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, Stream, header, jittered, read_head};
use super::record_reader::TlsRecordReader;
use super::state::{ConnectionEntry, EnvoyState, Peer, Stage};
use super::tunnel_stream::{End, TunnelControl, TunnelStream};
use crate::actors::addresses::{CLOUD, TUNNELS};
use crate::actors::{revtun_ends, service};
use crate::clock;
use crate::deterministic_tls::CertificateAuthority;
use crate::history::History;
use crate::plan::Plan;
use crate::process_world::{ProcessWorld, sleep, timeout};

const CONNECT: Duration = Duration::from_secs(5);
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The first backoff after a failure; each is twice the last.
const BACKOFF: Duration = Duration::from_secs(1);
/// `max_reconnect_backoff`, less than its default, since worlds last for two minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// How often the drain of a listener is polled.
const DRAIN_POLL: Duration = Duration::from_millis(100);

/// Dials until the process ends. Cheap to clone: all clones are one.
#[derive(Clone)]
struct Dialler(Arc<Inner>);

struct Inner {
    world: ProcessWorld,
    history: History,
    tls: Option<TlsConnector>,
    state: EnvoyState,
    number: usize,
    count: usize,
    connections: AtomicU64,
    hosts: Mutex<BTreeMap<IpAddr, HostRecord>>,
    /// Wakes [`Dialler::maintain`] before its interval.
    maintain_now: Notify,
}

/// The state of a responder.
#[derive(Clone, Copy, Default)]
struct HostRecord {
    failures: u32,
    until: Duration,
    /// Since when tunnels are missing, in Unix milliseconds.
    wanted: Option<u64>,
}

/// Dials and serves until the process ends: `count` tunnels to each responder.
pub async fn run(
    world: ProcessWorld,
    plan: Arc<Plan>,
    authority: Arc<CertificateAuthority>,
    state: EnvoyState,
    history: History,
    (number, count): (usize, u16),
) {
    let tls =
        plan.tls.then(|| TlsConnector::from(Arc::clone(&authority.client(&revtun_ends::identity(number)).borrow())));
    let dialler = Dialler(Arc::new(Inner {
        world: world.clone(),
        history,
        tls,
        state,
        number,
        count: usize::from(count),
        connections: AtomicU64::new(0),
        hosts: Mutex::default(),
        maintain_now: Notify::new(),
    }));
    loop {
        dialler.maintain().await;
        tokio::select! {
            biased;
            () = dialler.0.maintain_now.notified() => {}
            () = sleep(jittered(plan.envoy_maintenance, world.random())) => {}
        }
    }
}

impl Dialler {
    /// Dials every missing tunnel, all at the same time.
    async fn maintain(&self) {
        let Inner { world, state, hosts, count, .. } = &*self.0;
        let there: Vec<IpAddr> =
            world.resolve(CLOUD, TUNNELS).await.unwrap_or_default().iter().map(SocketAddr::ip).collect();
        let mut hosts = hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Tunnels of a removed host stay open, and are not counted when it comes back.
        for gone in hosts.keys().copied().filter(|host| !there.contains(host)).collect::<Vec<_>>() {
            hosts.remove(&gone);
            state.change(&Peer::Host(gone), |connection| connection.stage = Stage::Untracked);
        }
        for address in there {
            let host = hosts.entry(address).or_default();
            let tracked = |stage| matches!(stage, Stage::Handshake | Stage::Idle | Stage::Active);
            let connections = state.connections();
            let has = connections
                .iter()
                .filter(|connection| connection.peer == Peer::Host(address) && tracked(connection.stage))
                .count();
            if has >= *count || clock::now() < host.until {
                continue;
            }
            host.wanted.get_or_insert(world.unix_millis());
            for _ in has..*count {
                let (dialler, entry) = (self.clone(), state.add(Peer::Host(address)));
                world.spawn(async move { dialler.run_tunnel(address, entry).await });
            }
        }
    }

    async fn run_tunnel(&self, address: IpAddr, entry: ConnectionEntry) {
        match self.open(address).await {
            Err(retry_after) => {
                drop(entry);
                self.on_failure(address, retry_after);
            }
            Ok((stream, residue)) => {
                entry.set_stage(Stage::Idle);
                self.on_success(address);
                let control = TunnelControl::new(End::Initiator, entry);
                // Whichever end closes it: the next pass dials what is missing.
                let _ended = self.serve(TunnelStream::new(stream, &residue, control.clone()), control).await;
            }
        }
    }

    /// A tunnel and the bytes after the response, or the Retry-After of the rejection.
    async fn open(&self, address: IpAddr) -> Result<(Stream, Vec<u8>), Option<Duration>> {
        let to = SocketAddr::new(address, TUNNELS);
        let mut stream = timeout(CONNECT, self.0.world.connect(to)).await.and_then(Result::ok).ok_or(None)?;
        let Some(tls) = &self.0.tls else {
            let residue = timeout(HANDSHAKE, self.handshake(&mut stream, to, usize::MAX)).await.unwrap_or(Err(None))?;
            return Ok((stream, residue));
        };
        let name = CLOUD.try_into().expect("a legal name");
        let connected = timeout(HANDSHAKE, tls.connect(name, TlsRecordReader::new(stream, true))).await;
        let mut stream = connected.and_then(Result::ok).ok_or(None)?;
        let residue = timeout(HANDSHAKE, self.handshake(&mut stream, to, 1)).await.unwrap_or(Err(None))?;
        Ok((stream.into_inner().0.into_inner(), residue))
    }

    /// Sends the handshake and reads the response, of which only the status counts.
    async fn handshake<S>(&self, stream: &mut S, to: SocketAddr, at_once: usize) -> Result<Vec<u8>, Option<Duration>>
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

    fn on_failure(&self, address: IpAddr, retry_after: Option<Duration>) {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get_mut(&address) else { return };
        host.failures += 1;
        let computed = BACKOFF * 2u32.saturating_pow(host.failures - 1).min(1000);
        let pause = jittered(retry_after.unwrap_or(computed).min(BACKOFF_MAX), self.0.world.random());
        host.until = clock::now() + pause;
    }

    /// Only a success within the backoff resets the failures, as in Envoy.
    fn on_success(&self, address: IpAddr) {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get_mut(&address) else { return };
        if clock::now() < host.until {
            *host = HostRecord { wanted: host.wanted, ..HostRecord::default() };
        }
        let connections = self.0.state.connections();
        let up = |stage| matches!(stage, Stage::Idle | Stage::Active);
        if connections
            .iter()
            .filter(|connection| connection.peer == Peer::Host(address) && up(connection.stage))
            .count()
            >= self.0.count
        {
            host.wanted = None;
        }
    }

    async fn serve(
        &self,
        mut tunnel: TunnelStream,
        control: TunnelControl,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Inner { world, history, state, number, maintain_now, .. } = &*self.0;
        if !tunnel.wait_for_http().await? {
            return Ok(tunnel.refuse().await?);
        }
        control.set_active();
        let mut server = http2::Builder::new(Executor::new(world));
        server
            .timer(Timer::new(world))
            // The date would be the real one, and differ between runs.
            .auto_date_header(false)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (history, by) = (history.clone(), *number);
        let answer = service_fn(move |request| service::answer(request, history.clone(), by));
        let mut connection = pin!(server.serve_connection(TokioIo::new(tunnel), answer));
        let mut leave = pin!(async {
            state.drain_requested().await;
            sleep(DRAIN_POLL).await;
        });
        let (mut left, mut goaway_seen) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return Ok(ended?),
                // One GOAWAY at once, and a replacement tunnel, which gets a GOAWAY too while the listener drains.
                () = leave.as_mut(), if !left => {
                    left = true;
                    control.go_away();
                    maintain_now.notify_one();
                }
                () = control.goaway_received(), if !goaway_seen => {
                    goaway_seen = true;
                    maintain_now.notify_one();
                }
            }
        }
    }
}
