//! One connection at the tunnel listener, from its first byte to its last.
//!
//! ```text
//!   handshake ──▶ idle: pings and echoes ──▶ in use: HTTP/2, we are the client ──▶ end
//!       │              │
//!       └── rejected   └── drained unused: GOAWAY, nothing more
//! ```

use std::sync::Arc;

use revtun_core::h2frame::{GOAWAY_UNUSED_CLIENT, GOAWAY_UNUSED_SERVER};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::responder::{CloseReason, Event};
use revtun_core::rping::{PING, PingFilter};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::TunnelClient;
use super::command::TunnelCommand;
use super::context::Context;
use super::handshake::handshake;
use super::task::{IDLE_READ, TunnelTask, nonzero};
use super::tunnel_end::TunnelEnd;
use crate::http::{KeepAlive, MaxStreams};
use crate::tls::MaybeTlsStream;
use crate::tunnel_io::{Notice, TunnelIo};
use crate::world::World;

/// Serves one connection to its end.
pub(super) async fn run<W: World>(task: TunnelTask<W>, stream: W::Stream) {
    // In a box of its own: an idle tunnel does not need the memory of the handshake.
    match Box::pin(handshake(&task, stream)).await {
        Ok((stream, credentials)) => {
            let end = tokio::select! {
                biased;
                end = carry(&task, stream) => end,
                never = credentials.watch(&task) => match never {},
            };
            task.context.counters.ended(end);
            log_end(&task, end);
            report_end(&task, end);
        }
        Err(end) => end_rejected(&task, end),
    }
    task.handle.set_client(None);
}

/// From the handshake to the end.
async fn carry<W: World>(task: &TunnelTask<W>, mut stream: MaybeTlsStream<W::Stream>) -> TunnelEnd {
    // In boxes of their own: ten thousand idle tunnels do not need the memory of HTTP/2, or of a second TLS.
    match idle(task, &mut stream).await {
        Ok((Next::Serve, echoes)) => Box::pin(serve(task, stream, echoes)).await,
        Ok((Next::GoawayUnused, echoes)) => Box::pin(goaway_unused(task, stream, echoes)).await,
        Err(end) => end,
    }
}

/// What follows the idle phase.
enum Next {
    Serve,
    GoawayUnused,
}

/// Pings and echoes, until there is a request or the tunnel is drained.
async fn idle<W: World>(
    task: &TunnelTask<W>,
    stream: &mut MaybeTlsStream<W::Stream>,
) -> Result<(Next, PingFilter), TunnelEnd> {
    let mut echoes = PingFilter::new();
    let mut space = [0; IDLE_READ];
    let mut since_ping = 0;
    loop {
        tokio::select! {
            biased;
            command = task.handle.next_command() => match command {
                // At most one ping is unanswered: it always fits into the socket's buffer.
                TunnelCommand::Ping => {
                    stream.write_all(&PING).await.map_err(|_| TunnelEnd::Lost)?;
                    task.context.counters.pings_sent.add(1);
                    since_ping = 0;
                }
                TunnelCommand::Start => return Ok((Next::Serve, echoes)),
                TunnelCommand::Goaway => return Ok((Next::GoawayUnused, echoes)),
                TunnelCommand::Close(reason) => return Err(TunnelEnd::Closed(reason)),
            },
            read = stream.read(&mut space) => {
                let bytes = &space[..nonzero(read)?];
                since_ping += bytes.len();
                if since_ping > task.context.max_idle_bytes {
                    return Err(TunnelEnd::EchoFlood);
                }
                let fed = echoes.feed(bytes);
                if fed.pings > 0 {
                    task.context.counters.pings_echoed.add(fed.pings.into());
                    // Echoes that come together count as one: only one was asked for.
                    task.context.report(Event::Echoed { tunnel: task.id });
                }
                if let Some(data) = fed.data {
                    let first = [data.held, &bytes[data.from..]].concat();
                    return Err(peer_goaway_unused(task, stream, &first).await);
                }
            }
        }
    }
}

/// An initiator that drains says GOAWAY even on a tunnel never used. Anything else that comes there is a violation.
async fn peer_goaway_unused<W: World>(
    task: &TunnelTask<W>,
    stream: &mut MaybeTlsStream<W::Stream>,
    first: &[u8],
) -> TunnelEnd {
    task.handle.set_client(None);
    let mut received = first.to_vec();
    while GOAWAY_UNUSED_SERVER.starts_with(&received) && received.len() < GOAWAY_UNUSED_SERVER.len() {
        tokio::select! {
            biased;
            command = task.handle.next_command() => if let TunnelCommand::Close(reason) = command {
                return TunnelEnd::Closed(reason);
            },
            read = stream.read_buf(&mut received) => if let Err(end) = nonzero(read) {
                return end;
            },
        }
    }
    // An echo may follow: a ping was on its way.
    if !received.starts_with(&GOAWAY_UNUSED_SERVER) {
        return TunnelEnd::UnexpectedBytes;
    }
    task.context.report(Event::GoawayReceived { tunnel: task.id });
    task.read_to_end(stream).await
}

/// Tells the initiator to dial another tunnel before this one closes. No request will go through this one.
async fn goaway_unused<W: World>(
    task: &TunnelTask<W>,
    stream: MaybeTlsStream<W::Stream>,
    echoes: PingFilter,
) -> TunnelEnd {
    task.handle.set_client(None);
    let mut stream = match inner_stream(task, stream, echoes).await {
        Ok((stream, _)) => stream,
        Err(end) => return end,
    };
    if stream.write_all(&GOAWAY_UNUSED_CLIENT).await.is_err() || stream.flush().await.is_err() {
        return TunnelEnd::Lost;
    }
    task.read_to_end(&mut stream).await
}

/// The stream that HTTP/2 runs on: the tunnel's, or a second TLS in the other direction. A GOAWAY has to wait for that; the
/// machine closes the tunnel in time if it does not come.
async fn inner_stream<W: World>(
    task: &TunnelTask<W>,
    stream: MaybeTlsStream<W::Stream>,
    echoes: PingFilter,
) -> Result<(MaybeTlsStream<W::Stream>, PingFilter), TunnelEnd> {
    match task.context.tls.as_ref().and_then(|tls| tls.inner.clone()) {
        None => Ok((stream, echoes)),
        Some(inner) => {
            let mut stream = task.secure(inner.connect(stream, echoes)).await?;
            let Some([node, cluster, tenant]) = accepted_names(task) else {
                return Err(task.read_to_end(&mut stream).await);
            };
            let legal = "it was a name when the tunnel was accepted";
            let accepted = Identity {
                node: NodeId::new(&node).expect(legal),
                cluster: ClusterId::new(&cluster).expect(legal),
                tenant: TenantId::new(&tenant).expect(legal),
            };
            if inner.proves(&stream, &accepted) {
                return Ok((stream, PingFilter::new()));
            }
            task.context.counters.tls_failures.add(1);
            let (tunnel, peer, identity) = (task.id, task.handle.peer(), task.handle.identity());
            tracing::warn!(%tunnel, %peer, identity, "the certificate within the tunnel does not prove the identity that was accepted");
            Err(TunnelEnd::Lost)
        }
    }
}

/// The names that the machine has accepted; none if it has closed the tunnel meanwhile.
fn accepted_names<W: World>(task: &TunnelTask<W>) -> Option<[String; 3]> {
    task.context.shared.inspect(|machine, _| {
        let Identity { node, cluster, tenant } = machine.tunnel(task.id)?.identity?;
        Some([node.as_str(), cluster.as_str(), tenant.as_str()].map(str::to_owned))
    })
}

/// Requests and responses.
async fn serve<W: World>(task: &TunnelTask<W>, stream: MaybeTlsStream<W::Stream>, echoes: PingFilter) -> TunnelEnd {
    let (stream, echoes) = match inner_stream(task, stream, echoes).await {
        Ok(inner) => inner,
        Err(end) => return end,
    };
    let Context { world, config, http, .. } = &*task.context;
    let (io, mut notices, goaway) = TunnelIo::requesting(world, stream, echoes);
    let peer = io.peer_limits();
    let Ok((client, mut connection)) =
        TunnelClient::start(io, Arc::clone(&peer), config.max_streams, http.header_bytes).await
    else {
        return TunnelEnd::Lost;
    };
    let pings = connection.ping_pong().expect("nobody took it before");
    let mut keep_alive = KeepAlive::new(world, pings, config.ping_interval);
    task.handle.set_client(Some(client));
    tracing::debug!(tunnel = %task.id, peer = %task.handle.peer(), identity = task.handle.identity(), "tunnel in use");
    let mut goaway = Some(goaway);
    let mut max_streams = MaxStreams::Unknown;
    loop {
        tokio::select! {
            biased;
            command = task.handle.next_command() => match command {
                TunnelCommand::Goaway => if let Some(goaway) = goaway.take() { goaway.send() },
                TunnelCommand::Close(reason) => return TunnelEnd::Closed(reason),
                TunnelCommand::Ping | TunnelCommand::Start => {}
            },
            Some(notice) = notices.recv() => task.context.report(match notice {
                Notice::Heard => {
                    keep_alive.heard();
                    Event::Heard { tunnel: task.id }
                }
                Notice::GoawayReceived => Event::GoawayReceived { tunnel: task.id },
            }),
            changed = peer.max_streams_after(max_streams) => {
                max_streams = changed;
                if let MaxStreams::Announced(max_concurrent_streams) = changed {
                    task.context.report(Event::SettingsReceived { tunnel: task.id, max_concurrent_streams });
                }
            }
            // After the peer's GOAWAY the connection goes on until the last request is over.
            outcome = &mut connection => {
                return if outcome.is_ok() { TunnelEnd::ClosedByPeer } else { TunnelEnd::Lost };
            }
            () = keep_alive.timed_out() => return TunnelEnd::Lost,
        }
    }
}

fn report_end<W: World>(task: &TunnelTask<W>, end: TunnelEnd) {
    match end {
        // The machine has forgotten the tunnel already.
        TunnelEnd::Closed(_) => {}
        TunnelEnd::ClosedByPeer | TunnelEnd::Lost | TunnelEnd::UnexpectedBytes | TunnelEnd::EchoFlood => {
            task.context.report(Event::Closed { tunnel: task.id });
        }
    }
}

fn log_end<W: World>(task: &TunnelTask<W>, end: TunnelEnd) {
    let (tunnel, peer, identity, reason) = (task.id, task.handle.peer(), task.handle.identity(), end.name());
    match end {
        TunnelEnd::UnexpectedBytes => {
            tracing::warn!(%tunnel, %peer, identity, reason, "tunnel closed: the initiator sent bytes that are no echo");
        }
        TunnelEnd::EchoFlood => {
            tracing::warn!(%tunnel, %peer, identity, reason, "tunnel closed: the initiator sent more echoes than pings");
        }
        TunnelEnd::Closed(_) | TunnelEnd::ClosedByPeer | TunnelEnd::Lost => {
            tracing::info!(%tunnel, %peer, identity, reason, "tunnel closed");
        }
    }
}

/// The connection never became a tunnel. A rejection was logged and counted when it was sent.
fn end_rejected<W: World>(task: &TunnelTask<W>, end: TunnelEnd) {
    let (tunnel, peer) = (task.id, task.handle.peer());
    match end {
        TunnelEnd::Closed(CloseReason::HandshakeTimeout) => {
            task.context.counters.handshake_timeouts.add(1);
            tracing::warn!(%tunnel, %peer, reason = end.name(), "connection closed: no complete handshake came in time");
        }
        TunnelEnd::Closed(CloseReason::HandshakeDropped) => {
            task.context.counters.handshakes_dropped.add(1);
            tracing::warn!(%tunnel, %peer, reason = end.name(), "connection closed: too many handshakes, most of them from its network");
        }
        TunnelEnd::Closed(_) => {}
        TunnelEnd::ClosedByPeer | TunnelEnd::Lost | TunnelEnd::UnexpectedBytes | TunnelEnd::EchoFlood => {
            task.context.report(Event::Closed { tunnel });
        }
    }
}
