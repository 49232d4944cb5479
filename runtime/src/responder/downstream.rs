//! The egress listener: takes requests from callers and sends them through tunnels.

mod body;
mod proxy;
mod request;

pub(super) use self::body::DownstreamBody;
pub use self::body::LeasedBody;
pub(super) use self::proxy::proxy;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use revtun_core::connections::ConnectionLimits;
use revtun_core::responder::retry::LAST_REQUEST_GRACE;
use tokio::sync::watch;

use super::context::{Context, Phase};
use super::downstream_error::DownstreamError;
use super::listen;
use super::local_reply::{LocalReply, LocalReplyBody};
use crate::connections::{ConnectionLimiter, ConnectionPlace};
use crate::http::limits::{CONNECTION_WINDOW, FAULTY_STREAMS, HEADERS, READ_BUFFER, STREAM_WINDOW};
use crate::http::{Activity, IdleTimeout};
use crate::tls::MaybeTlsStream;
use crate::world::{Timer, World};

/// Accepts connections while the responder serves.
pub(super) async fn listen<W: World>(
    context: Arc<Context<W>>,
    server: Builder<IdleTimeout<W>>,
    limits: ConnectionLimits,
    listener: W::Listener,
    phase: watch::Receiver<Phase>,
) {
    let world = context.world.clone();
    let server = Arc::new(server);
    let of_connection = phase.clone();
    let mut limiter = ConnectionLimiter::new(limits, Arc::clone(&context.counters.downstream_connections));
    let serve = |stream, peer: SocketAddr| {
        let place = match limiter.admit(peer.ip()) {
            Ok(place) => Arc::new(place),
            Err(refusal) => {
                tracing::warn!(%peer, reason = refusal.name(), "downstream connection refused");
                return;
            }
        };
        let (context, server, phase) = (Arc::clone(&context), Arc::clone(&server), of_connection.clone());
        let timeout = context.idle_timeout();
        // An HTTP/1.1 connection has one request at a time, and is dropped with it.
        world.spawn(async move {
            let connection = serve_connection(context, server, Arc::clone(&place), stream, peer, phase);
            if place.hold(timeout.apply(connection)).await.is_none() {
                tracing::debug!(%peer, "downstream connection closed: no request, and others need its place");
            }
        });
    };
    let pauses = Arc::clone(&context.counters.accept_pauses);
    listen::accept_all(world.clone(), listener, phase, pauses, serve).await;
}

/// HTTP/1.1, and HTTP/2 by prior knowledge; the first bytes decide.
pub(super) fn server<W: World>(context: &Context<W>, caller_timeout: Duration) -> Builder<IdleTimeout<W>> {
    let (world, limits) = (&context.world, &context.http);
    let mut builder = Builder::new(context.idle_timeout());
    builder
        .http1()
        .timer(Timer::new(world))
        .header_read_timeout(caller_timeout)
        .max_buf_size(READ_BUFFER)
        .max_headers(HEADERS)
        .auto_date_header(false);
    builder
        .http2()
        .timer(Timer::new(world))
        .keep_alive_interval(caller_timeout)
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(limits.header_bytes)
        .max_pending_accept_reset_streams(limits.pending_resets as usize)
        .max_local_error_reset_streams(FAULTY_STREAMS as usize)
        .max_concurrent_streams(context.config.max_streams);
    builder
}

/// What all requests of a connection share.
struct Caller<W: World> {
    context: Arc<Context<W>>,
    /// Its address, as in `x-forwarded-for`.
    address: HeaderValue,
    phase: watch::Receiver<Phase>,
}

/// Serves one connection of a caller to its end.
async fn serve_connection<W: World>(
    context: Arc<Context<W>>,
    server: Arc<Builder<IdleTimeout<W>>>,
    place: Arc<ConnectionPlace>,
    stream: W::Stream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let world = context.world.clone();
    let http2 = Arc::new(AtomicBool::new(false));
    let Some(stream) = secure(&context, stream, peer).await else { return };
    let caller =
        Arc::new(Caller { context: Arc::clone(&context), address: request::address(peer.ip()), phase: phase.clone() });
    let service = service_fn({
        let http2 = Arc::clone(&http2);
        move |request: Request<Incoming>| {
            place.heard();
            http2.fetch_or(request.version() == Version::HTTP_2, Ordering::Relaxed);
            respond(Arc::clone(&caller), request)
        }
    });
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = shutdown_due(&world, &http2, &mut phase) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection => ended,
                _ = phase.wait_for(|phase| *phase == Phase::Stopped) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        let class = DownstreamError::classify(&*error);
        let reason = class.reason();
        context.counters.downstream_error(class);
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

/// Ends when a connection is to be shut down gracefully. In HTTP/2 that is when the drain begins: GOAWAY loses no request. In
/// HTTP/1.1 a request may be on its way on a connection that looks idle, and would be lost with it; so a connection stays
/// open for a last request, whose response has `connection: close`.
async fn shutdown_due<W: World>(world: &W, http2: &AtomicBool, phase: &mut watch::Receiver<Phase>) {
    let stopped = phase.wait_for(|phase| *phase != Phase::Serving).await.is_ok_and(|phase| *phase == Phase::Stopped);
    if !stopped && !http2.load(Ordering::Relaxed) {
        tokio::select! {
            biased;
            () = world.sleep_until(world.now().after(LAST_REQUEST_GRACE)) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Stopped) => {}
        }
    }
}

/// Responds to one request.
async fn respond<W: World>(
    caller: Arc<Caller<W>>,
    request: Request<Incoming>,
) -> Result<Response<Either<LocalReplyBody, LeasedBody<W>>>, Infallible> {
    let Caller { context, address, phase } = &*caller;
    let http2 = request.version() == Version::HTTP_2;
    let request = request.map(|body| DownstreamBody::lingering(body, &context.world));
    let mut proxied = pin!(proxy(context, Some(address), request));
    let proxied = match Activity::current() {
        Some(activity) => tokio::select! {
            biased;
            proxied = proxied => proxied,
            () = activity.timed_out() => Err(LocalReply::StreamIdleTimeout),
        },
        None => proxied.as_mut().await,
    };
    let mut response = match proxied {
        Ok(response) => response.map(Either::Right),
        Err(reply) => {
            context.counters.local_reply(reply);
            reply.response().map(Either::Left)
        }
    };
    if !http2 && *phase.borrow() != Phase::Serving {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
