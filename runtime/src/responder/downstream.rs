//! The egress listener: takes requests from callers and sends them through tunnels.
//!
//! ```text
//!   listener ──▶ TLS ──▶ protocol ──▶ http1 or http2 ──▶ respond: one request, through its layers
//! ```

mod body;
mod caller;
mod header_limit;
mod http1;
mod http1_io;
mod http2;
mod local_replies;
mod origin;
mod proxy_request;
mod request;
mod respond;
mod retry;
mod route;
mod send;
mod stream_limit;
mod stream_request;
mod try_failure;
mod upgrade;

pub use self::body::LeasedBody;
pub(super) use self::respond::proxy;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use revtun_core::connections::ConnectionLimits;
use revtun_core::h2frame;
use revtun_core::initiator::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use self::caller::{Caller, DownstreamIo};
use self::origin::Origin;
use super::context::{Context, Phase};
use super::downstream_error::DownstreamError;
use super::listen;
use crate::connections::ConnectionLimiter;
use crate::error::BoxError;
use crate::prefixed_io::PrefixedIo;
use crate::tls::MaybeTlsStream;
use crate::world::World;

/// The bytes that are read at once until the protocol is known: a usual head of HTTP/1.1.
const FIRST_READ: usize = 1024;

/// Accepts connections while the responder serves.
pub(super) async fn listen<W: World>(
    context: Arc<Context<W>>,
    limits: ConnectionLimits,
    listener: W::Listener,
    phase: watch::Receiver<Phase>,
) {
    let (world, pauses) = (context.world.clone(), Arc::clone(&context.counters.accept_pauses));
    let spawner = world.clone();
    let mut limiter = ConnectionLimiter::new(limits, Arc::clone(&context.counters.downstream_connections));
    let of_connection = phase.clone();
    let serve = move |stream, peer: SocketAddr| {
        let place = match limiter.admit(peer.ip()) {
            Ok(place) => place,
            Err(refusal) => {
                tracing::warn!(%peer, reason = refusal.name(), "downstream connection refused");
                return;
            }
        };
        let (context, phase) = (Arc::clone(&context), of_connection.clone());
        let origin = Origin::new(peer.ip(), &context.trusted_hops);
        let caller = Arc::new(Caller { context, origin, place, phase });
        spawner.spawn(async move {
            if caller.place.hold(serve_connection(Arc::clone(&caller), stream, peer)).await.is_none() {
                tracing::debug!(%peer, "downstream connection closed: no request, and others need its place");
            }
        });
    };
    listen::accept_all(world, listener, phase, pauses, serve).await;
}

/// Serves one connection of a caller to its end.
async fn serve_connection<W: World>(caller: Arc<Caller<W>>, stream: W::Stream, peer: SocketAddr) {
    let Some(stream) = secure(&caller.context, stream, peer).await else { return };
    let ended = match detect(&caller, stream).await {
        Ok(Some((Protocol::Http1, stream))) => http1::serve(&caller, stream).await,
        Ok(Some((Protocol::Http2, stream))) => http2::serve(&caller, stream).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        let class = DownstreamError::classify(&*error);
        let reason = class.reason();
        caller.context.counters.downstream_error(class);
        match class {
            DownstreamError::Flood => tracing::warn!(%peer, %error, reason, "downstream connection closed"),
            DownstreamError::Protocol | DownstreamError::Timeout | DownstreamError::ConnectionLost => {
                tracing::debug!(%peer, %error, reason, "downstream connection failed");
            }
        }
    }
}

/// The connection within TLS, if that is configured. The TLS handshake may take as long as the handshake of an initiator.
async fn secure<W: World>(
    context: &Context<W>,
    stream: W::Stream,
    peer: SocketAddr,
) -> Option<MaybeTlsStream<W::Stream>> {
    let Some(tls) = &context.egress_tls else { return Some(MaybeTlsStream::plain(stream)) };
    let late = context.world.sleep_until(context.world.now().after(context.config.handshake_timeout));
    let secured = tokio::select! {
        biased;
        secured = tls.accept(stream) => secured,
        () = late => Err(io::ErrorKind::TimedOut.into()),
    };
    secured.inspect_err(|error| tracing::debug!(%peer, %error, "downstream TLS handshake failed")).ok()
}

/// HTTP/1.1, or HTTP/2 by prior knowledge: the first bytes decide, which have to come as soon as the head of a request. None if
/// the connection ends before, or the responder's drain is over.
async fn detect<W: World>(
    caller: &Caller<W>,
    mut stream: MaybeTlsStream<W::Stream>,
) -> Result<Option<(Protocol, DownstreamIo<W>)>, BoxError> {
    let Context { world, caller_timeout, .. } = &*caller.context;
    let late = world.sleep_until(world.now().after(*caller_timeout));
    let first = tokio::select! {
        biased;
        first = read_first(&mut stream) => first?,
        () = late => return Err(DownstreamError::Timeout.into()),
        () = caller.last_request_due() => None,
    };
    Ok(first.map(|(protocol, prefix)| (protocol, PrefixedIo::new(stream, prefix))))
}

/// Reads until the protocol is known; none if the stream ends before its first byte.
async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Protocol, Bytes)>> {
    let mut first = BytesMut::with_capacity(FIRST_READ);
    loop {
        if stream.read_buf(&mut first).await? == 0 {
            // What is there of a preface is no request of HTTP/1.1 either; hyper says so.
            return Ok((!first.is_empty()).then(|| (Protocol::Http1, first.freeze())));
        }
        if let Some(protocol) = h2frame::detect_protocol(&first) {
            return Ok(Some((protocol, first.freeze())));
        }
    }
}
