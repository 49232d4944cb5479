//! HTTP on a tunnel in use: the responder is the client, we are the server.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use revtun_core::initiator::{Event, Protocol};
use tokio::sync::mpsc;

use super::tunnel::{Order, Tunnel, Used, end_of_stream};
use crate::flow::{CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, HEADERS, PING_PATIENCE, STREAM_WINDOW};
use crate::still::{Answering, Watcher};
use crate::tls::Wire;
use crate::tunnel_io::{Notice, TunnelIo};
use crate::world::{Timer, World};

/// What answers the requests that come through tunnels: any hyper service that can be cloned for each tunnel.
///
/// An error resets the stream of its request. Everything that fits implements this by itself.
pub trait TunnelService:
    Service<
        Request<Incoming>,
        Response = Response<<Self as TunnelService>::ResponseBody>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// What it answers with.
    type ResponseBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> TunnelService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
}

/// Any error that tasks may hand on.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Serves until the connection ends, and says how it ended.
pub(super) async fn serve<W: World, S: TunnelService>(
    tunnel: &mut Tunnel<W, S>,
    stream: Wire<W::Stream>,
    used: Used,
) -> io::Error {
    let context = Arc::clone(&tunnel.context);
    let (io, notices) = TunnelIo::serving(&context.world, stream, used.protocol, used.first);
    let io = TokioIo::new(io);
    let counted = Arc::clone(&context);
    let service = service_fn(move |request| {
        counted.counters.requests.add(1);
        let context = Arc::clone(&counted);
        Answering::to(move || context.service.call(request))
    });
    let watcher = Watcher::new(&context.world, context.http.body_timeout, &context.counters.requests_broken_off);
    match used.protocol {
        Protocol::Http2 => {
            let mut server = http2::Builder::new(watcher);
            server
                .timer(Timer::new(&context.world))
                .auto_date_header(false)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_frame_size(FRAME_BYTES)
                .max_concurrent_streams(context.max_streams)
                .max_header_list_size(context.http.header_bytes)
                .max_pending_accept_reset_streams(context.http.pending_resets as usize)
                .max_local_error_reset_streams(FAULTY_STREAMS as usize)
                .keep_alive_interval(context.core.probe_interval)
                .keep_alive_timeout(PING_PATIENCE);
            let connection = pin!(server.serve_connection(io, service));
            drive(tunnel, notices, used.leaving, connection, http2::Connection::graceful_shutdown).await
        }
        Protocol::Http1 => {
            let mut server = http1::Builder::new();
            // Between two requests of a tunnel there may be any time.
            server
                .timer(Timer::new(&context.world))
                .auto_date_header(false)
                .max_headers(HEADERS)
                .header_read_timeout(None);
            let connection = pin!(server.serve_connection(io, service));
            drive(tunnel, notices, used.leaving, connection, http1::Connection::graceful_shutdown).await
        }
    }
}

async fn drive<W: World, S: TunnelService, C: Future<Output = hyper::Result<()>>>(
    tunnel: &mut Tunnel<W, S>,
    mut notices: mpsc::Receiver<Notice>,
    leaving: bool,
    mut connection: Pin<&mut C>,
    leave: fn(Pin<&mut C>),
) -> io::Error {
    if leaving {
        leave(connection.as_mut());
    }
    loop {
        tokio::select! {
            biased;
            order = tunnel.next_order() => match order {
                Order::Goaway => leave(connection.as_mut()),
                Order::SendHandshake | Order::Deliver => {}
            },
            Some(notice) = notices.recv() => pass_on(tunnel, notice).await,
            result = connection.as_mut() => {
                // A GOAWAY on a tunnel without requests is noticed and ends it, both at once.
                while let Ok(notice) = notices.try_recv() {
                    pass_on(tunnel, notice).await;
                }
                return match result {
                    Ok(()) => end_of_stream(),
                    Err(error) => io::Error::other(with_cause(&error)),
                };
            }
        }
    }
}

async fn pass_on<W: World, S: TunnelService>(tunnel: &Tunnel<W, S>, notice: Notice) {
    let event = match notice {
        Notice::Heard => Event::Heard { tunnel: tunnel.id() },
        Notice::GoawayReceived => Event::GoawayReceived { tunnel: tunnel.id() },
    };
    tunnel.report(event).await;
}

/// The error's text and that of what caused it, which hyper keeps apart.
pub(super) fn with_cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
