//! The egress listener: takes requests from callers and sends them through tunnels.

mod answer;
mod body;
mod client;
mod cut;
mod exchange;
mod request;

pub use self::answer::OwnAnswer;
pub(super) use self::client::Client;
pub(super) use self::cut::CutOff;

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
use revtun_core::responder::retry::LAST_REQUEST;
use tokio::sync::watch;

use self::answer::OwnBody;
use self::body::ResponseBody;
use super::{Context, Phase, listen};
use crate::flow::{CONNECTION_WINDOW, FAULTY_STREAMS, HEADERS, READ_BUFFER, STREAM_WINDOW};
use crate::still::{Watch, Watcher};
use crate::tls::MaybeTlsStream;
use crate::world::{Timer, World};

/// Takes connections while the responder serves.
pub(super) async fn listen<W: World>(
    context: Arc<Context<W>>,
    server: Builder<Watcher<W>>,
    listener: W::Listener,
    phase: watch::Receiver<Phase>,
) {
    let world = context.world.clone();
    let server = Arc::new(server);
    let of_connection = phase.clone();
    let serve = |stream, peer| {
        let (context, server, phase) = (Arc::clone(&context), Arc::clone(&server), of_connection.clone());
        let watcher = context.watcher();
        // In HTTP/1.1 a connection has one request at a time, and ends with it.
        world.spawn(async move {
            watcher.watch(converse(context, server, stream, peer, phase)).await;
        });
    };
    let pauses = Arc::clone(&context.counters.accept_pauses);
    listen::accept_all(world.clone(), listener, phase, pauses, serve).await;
}

/// HTTP/1.1 and HTTP/2 by prior knowledge, told apart by the first bytes.
pub(super) fn server<W: World>(context: &Context<W>, caller_timeout: Duration) -> Builder<Watcher<W>> {
    let (world, limits) = (&context.world, &context.http);
    let mut builder = Builder::new(context.watcher());
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

/// What all requests of a connection have in common.
struct Caller<W: World> {
    context: Arc<Context<W>>,
    /// Its address.
    from: HeaderValue,
    phase: watch::Receiver<Phase>,
}

/// One caller's connection.
async fn converse<W: World>(
    context: Arc<Context<W>>,
    server: Arc<Builder<Watcher<W>>>,
    stream: W::Stream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let world = context.world.clone();
    let http2 = Arc::new(AtomicBool::new(false));
    let Some(stream) = secure(&context, stream, peer).await else { return };
    let caller =
        Arc::new(Caller { context: Arc::clone(&context), from: request::address(peer.ip()), phase: phase.clone() });
    let service = service_fn({
        let http2 = Arc::clone(&http2);
        move |request: Request<Incoming>| {
            http2.fetch_or(request.version() == Version::HTTP_2, Ordering::Relaxed);
            answer(Arc::clone(&caller), request)
        }
    });
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        () = leave(&world, &http2, &mut phase) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = connection => ended,
                _ = phase.wait_for(|phase| *phase == Phase::Over) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        let why = CutOff::of(&*error);
        context.counters.cut_off(why);
        match why {
            CutOff::Flood => tracing::warn!(%peer, %error, reason = why.reason(), "caller cut off"),
            CutOff::Malformed | CutOff::Slow | CutOff::Lost => {
                tracing::debug!(%peer, %error, reason = why.reason(), "caller's connection broke");
            }
        }
    }
}

/// The connection inside TLS, if callers are to come that way. A caller has as long for that as an initiator for its
/// handshake.
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
    secured.inspect_err(|error| tracing::debug!(%peer, %error, "caller's TLS handshake failed")).ok()
}

/// Ends when a connection is to be shut down. In HTTP/2 that is when the drain begins: GOAWAY loses no request. In
/// HTTP/1.1 a request may be on its way to a connection that looks idle, and would be lost with it; so a connection
/// is left open for a last one, whose answer says that it closes.
async fn leave<W: World>(world: &W, http2: &AtomicBool, phase: &mut watch::Receiver<Phase>) {
    let over = phase.wait_for(|phase| *phase != Phase::Serving).await.is_ok_and(|phase| *phase == Phase::Over);
    if !over && !http2.load(Ordering::Relaxed) {
        tokio::select! {
            biased;
            () = world.sleep_until(world.now().after(LAST_REQUEST)) => {}
            _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
        }
    }
}

/// What becomes of one request.
async fn answer<W: World>(
    caller: Arc<Caller<W>>,
    request: Request<Incoming>,
) -> Result<Response<Either<OwnBody, ResponseBody<W>>>, Infallible> {
    let Caller { context, from, phase } = &*caller;
    let http2 = request.version() == Version::HTTP_2;
    let mut answered = pin!(exchange::exchange(context, from, request));
    let answered = match Watch::current() {
        Some(watch) => tokio::select! {
            biased;
            answered = answered => answered,
            () = watch.broken() => Err(OwnAnswer::Still),
        },
        None => answered.as_mut().await,
    };
    let mut response = match answered {
        Ok(response) => response.map(Either::Right),
        Err(own) => {
            context.counters.answered(own);
            own.response().map(Either::Left)
        }
    };
    if !http2 && *phase.borrow() != Phase::Serving {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
