//! HTTP/2 on a tunnel in use, by the HTTP/2 library itself.
//!
//! hyper's server has two state machines and a count of all that is read around it. Here the tunnel's own task takes what
//! comes, and a task for each request answers it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use hyper::body::Body;
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::TunnelService;
use crate::body::{self, Received, reason};
use crate::flow::{CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, SEND_BUFFER, STREAM_WINDOW};
use crate::http::strip_hop_by_hop;
use crate::initiator::Context;
use crate::initiator::request_body::RequestBody;
use crate::initiator::tunnel::{Order, Tunnel, end_of_stream};
use crate::keep_alive::KeepAlive;
use crate::still::{Answering, Watcher};
use crate::tunnel_io::Notice;
use crate::world::World;

/// Serves until the connection ends, and says how it ended. A tunnel that is `leaving` says so at once.
pub(super) async fn serve<W: World, S: TunnelService>(
    tunnel: &mut Tunnel<W, S>,
    io: impl AsyncRead + AsyncWrite + Unpin,
    mut notices: mpsc::Receiver<Notice>,
    mut leaving: bool,
) -> io::Error {
    let context = Arc::clone(&tunnel.context);
    let watcher = Watcher::new(&context.world, context.http.body_timeout, &context.counters.requests_broken_off);
    let mut handshake = pin!(builder(&context).handshake(io));
    let mut connection = loop {
        tokio::select! {
            biased;
            order = tunnel.next_order() => match order {
                Order::Goaway => leaving = true,
                Order::SendHandshake | Order::Deliver => {}
            },
            Some(notice) = notices.recv() => tunnel.pass_on(notice).await,
            begun = handshake.as_mut() => match begun {
                Ok(connection) => break connection,
                Err(error) => return io::Error::other(error),
            },
        }
    };
    if leaving {
        connection.graceful_shutdown();
    }
    let pings = connection.ping_pong().expect("nobody took it before");
    let mut keep_alive = KeepAlive::new(&context.world, pings, context.core.probe_interval);
    loop {
        tokio::select! {
            biased;
            order = tunnel.next_order() => match order {
                Order::Goaway => connection.graceful_shutdown(),
                Order::SendHandshake | Order::Deliver => {}
            },
            Some(notice) = notices.recv() => {
                if notice == Notice::Heard {
                    keep_alive.heard();
                }
                tunnel.pass_on(notice).await;
            }
            end = serve_streams(&context, &mut connection, &watcher) => {
                tunnel.pass_on_all(&mut notices).await;
                return end;
            }
            () = keep_alive.given_up() => return io::ErrorKind::TimedOut.into(),
        }
    }
}

fn builder<W, S>(context: &Context<W, S>) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(context.max_streams)
        .max_header_list_size(context.http.header_bytes)
        .max_pending_accept_reset_streams(context.http.pending_resets as usize)
        .max_local_error_reset_streams(Some(FAULTY_STREAMS as usize))
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

/// Drives the connection to its end, and begins a task for each request. May be dropped, and asked for anew.
async fn serve_streams<W: World, S: TunnelService>(
    context: &Arc<Context<W, S>>,
    connection: &mut Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    watcher: &Watcher<W>,
) -> io::Error {
    poll_fn(|task| {
        loop {
            match ready!(connection.poll_accept(task)) {
                Some(Ok((request, respond))) => {
                    context.counters.requests.add(1);
                    watcher.execute(answer(Arc::clone(context), request, respond));
                }
                Some(Err(error)) => return Poll::Ready(io::Error::other(error)),
                None => return Poll::Ready(end_of_stream()),
            }
        }
    })
    .await
}

/// Answers one request, unless the caller has no more use for that.
async fn answer<W: World, S: TunnelService>(
    context: Arc<Context<W, S>>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let answered = {
        let (head, stream) = request.into_parts();
        let body = RequestBody::http2(Received::of(stream, &head.headers));
        let request = Request::from_parts(head, body);
        let mut answering = pin!(Answering::of(context.service.call(request)));
        poll_fn(|task| match answering.as_mut().poll(task) {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending => respond.poll_reset(task).map(|_reset| None),
        })
        .await
    };
    let (mut head, body) = match answered {
        Some(Ok(answer)) => answer.into_parts(),
        Some(Err(error)) => {
            tracing::debug!(%error, "no answer to a request");
            return respond.send_reset(reason(&*error));
        }
        None => return,
    };
    strip_hop_by_hop(&mut head.headers);
    let whole = body.is_end_stream();
    if let (false, Some(length)) = (whole, body.size_hint().exact()) {
        head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    match respond.send_response(Response::from_parts(head, ()), whole) {
        Ok(_) if whole => {}
        Ok(mut stream) => body::send(pin!(body), &mut stream).await,
        Err(error) => {
            tracing::debug!(%error, "an answer that cannot be sent");
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}
