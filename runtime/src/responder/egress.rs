//! The egress listener: takes requests from callers and sends them through tunnels.

mod answer;
mod body;
mod exchange;
mod request;

pub use self::answer::OwnAnswer;
pub(super) use self::body::RequestBody;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;

use self::answer::OwnBody;
use self::body::ResponseBody;
use super::{Context, Phase, listen};
use crate::flow::{CONNECTION_WINDOW, HEADER_LIST_BYTES, STREAM_WINDOW};
use crate::world::{Executor, Timer, World};

/// Takes connections while the responder serves.
pub(super) async fn listen<W: World>(
    context: Arc<Context<W>>,
    server: Builder<Executor<W>>,
    listener: W::Listener,
    phase: watch::Receiver<Phase>,
) {
    let world = context.world.clone();
    let server = Arc::new(server);
    let of_connection = phase.clone();
    let serve = |stream, peer| {
        let (context, server, phase) = (Arc::clone(&context), Arc::clone(&server), of_connection.clone());
        world.spawn(converse(context, server, stream, peer, phase));
    };
    listen::accept_all(world.clone(), listener, phase, serve).await;
}

/// HTTP/1.1 and HTTP/2 by prior knowledge, told apart by the first bytes.
pub(super) fn server<W: World>(world: &W, max_streams: u32, caller_timeout: Duration) -> Builder<Executor<W>> {
    let mut builder = Builder::new(Executor::new(world));
    builder.http1().timer(Timer::new(world)).header_read_timeout(caller_timeout).auto_date_header(false);
    builder
        .http2()
        .timer(Timer::new(world))
        .keep_alive_interval(caller_timeout)
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_concurrent_streams(max_streams);
    builder
}

/// One caller's connection.
async fn converse<W: World>(
    context: Arc<Context<W>>,
    server: Arc<Builder<Executor<W>>>,
    stream: W::Stream,
    peer: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let service = service_fn(move |request| answer(Arc::clone(&context), peer, request));
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => None,
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
        tracing::debug!(%peer, %error, "caller's connection broke");
    }
}

/// What becomes of one request.
async fn answer<W: World>(
    context: Arc<Context<W>>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Either<OwnBody, ResponseBody>>, Infallible> {
    Ok(match exchange::exchange(&context, peer.ip(), request).await {
        Ok(response) => response.map(Either::Right),
        Err(own) => {
            context.counters.answered(own);
            own.response().map(Either::Left)
        }
    })
}
