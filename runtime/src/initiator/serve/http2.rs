//! HTTP/2 on a tunnel in use, on h2 directly.
//!
//! hyper's server adds two state machines and a count of all bytes read. Here the tunnel's task accepts the streams, and a
//! task for each request responds.

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

use crate::http::limits::{CONNECTION_WINDOW, FAULTY_STREAMS, FRAME_BYTES, SEND_BUFFER, STREAM_WINDOW};
use crate::http::{IdleTimeout, RecvBody, RequestBody, TimeoutResponse, reset_reason, send_body, strip_hop_by_hop};
use crate::initiator::command::TunnelCommand;
use crate::initiator::context::Context;
use crate::initiator::service::TunnelService;
use crate::initiator::task::{TunnelTask, end_of_stream};
use crate::keep_alive::KeepAlive;
use crate::tunnel_io::Notice;
use crate::world::World;

/// Serves until the connection ends, and returns how it ended. If it is `draining`, it begins with a GOAWAY.
pub(super) async fn serve<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    io: impl AsyncRead + AsyncWrite + Unpin,
    mut notices: mpsc::Receiver<Notice>,
    mut draining: bool,
) -> io::Error {
    let context = Arc::clone(&task.context);
    let timeout = IdleTimeout::new(&context.world, context.http.body_timeout, &context.counters.idle_timeouts);
    let mut handshake = pin!(builder(&context).handshake(io));
    let mut connection = loop {
        tokio::select! {
            biased;
            command = task.next_command() => match command {
                TunnelCommand::Goaway => draining = true,
                TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
            },
            Some(notice) = notices.recv() => task.report_notice(notice).await,
            begun = handshake.as_mut() => match begun {
                Ok(connection) => break connection,
                Err(error) => return io::Error::other(error),
            },
        }
    };
    if draining {
        connection.graceful_shutdown();
    }
    let pings = connection.ping_pong().expect("nobody took it before");
    let mut keep_alive = KeepAlive::new(&context.world, pings, context.core.probe_interval);
    loop {
        tokio::select! {
            biased;
            command = task.next_command() => match command {
                TunnelCommand::Goaway => connection.graceful_shutdown(),
                TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
            },
            Some(notice) = notices.recv() => {
                if notice == Notice::Heard {
                    keep_alive.heard();
                }
                task.report_notice(notice).await;
            }
            end = serve_streams(&context, &mut connection, &timeout) => {
                task.report_notices(&mut notices).await;
                return end;
            }
            () = keep_alive.timed_out() => return io::ErrorKind::TimedOut.into(),
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

/// Drives the connection to its end, and spawns a task for each request. Cancel safe.
async fn serve_streams<W: World, S: TunnelService>(
    context: &Arc<Context<W, S>>,
    connection: &mut Connection<impl AsyncRead + AsyncWrite + Unpin, Bytes>,
    timeout: &IdleTimeout<W>,
) -> io::Error {
    poll_fn(|task| {
        loop {
            match ready!(connection.poll_accept(task)) {
                Some(Ok((request, sender))) => {
                    context.counters.requests.add(1);
                    timeout.execute(respond(Arc::clone(context), request, sender));
                }
                Some(Err(error)) => return Poll::Ready(io::Error::other(error)),
                None => return Poll::Ready(end_of_stream()),
            }
        }
    })
    .await
}

/// Responds to one request, unless its stream is reset before.
async fn respond<W: World, S: TunnelService>(
    context: Arc<Context<W, S>>,
    request: Request<RecvStream>,
    mut sender: SendResponse<Bytes>,
) {
    let response = {
        let (head, stream) = request.into_parts();
        let body = RequestBody::http2(RecvBody::new(stream, &head.headers));
        let request = Request::from_parts(head, body);
        let mut response = pin!(TimeoutResponse::new(context.service.call(request)));
        poll_fn(|task| match response.as_mut().poll(task) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => sender.poll_reset(task).map(|_reset| None),
        })
        .await
    };
    let (mut head, body) = match response {
        Some(Ok(response)) => response.into_parts(),
        Some(Err(error)) => {
            tracing::debug!(%error, "no response to a request");
            return sender.send_reset(reset_reason(&*error));
        }
        None => return,
    };
    strip_hop_by_hop(&mut head.headers);
    let ends = body.is_end_stream();
    if let (false, Some(length)) = (ends, body.size_hint().exact()) {
        head.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    match sender.send_response(Response::from_parts(head, ()), ends) {
        Ok(_) if ends => {}
        Ok(mut stream) => send_body(pin!(body), &mut stream).await,
        Err(error) => {
            tracing::debug!(%error, "a response that cannot be sent");
            sender.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}
