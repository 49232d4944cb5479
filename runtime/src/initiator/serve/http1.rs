//! HTTP/1.1 on a tunnel in use, which Envoy's responders can be configured to speak, by hyper's server.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use tokio::sync::mpsc;

use super::respond::respond;
use crate::error::with_sources;
use crate::http::limits::READ_BUFFER;
use crate::http::{Activity, RequestBody, StreamIdle};
use crate::initiator::command::TunnelCommand;
use crate::initiator::service::TunnelService;
use crate::initiator::task::{TunnelTask, end_of_stream};
use crate::tunnel_io::Notice;
use crate::world::{Timer, World};

/// Serves until the connection ends, and returns how it ended. If it is `draining`, it ends with the first response.
pub(super) async fn serve<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    io: impl Read + Write + Unpin + Send + 'static,
    mut notices: mpsc::Receiver<Notice>,
    draining: bool,
) -> io::Error {
    let context = Arc::clone(&task.context);
    // A connection has one request at a time, and is dropped with it.
    let activity = Activity::new();
    let service = service_fn(|request: Request<Incoming>| {
        respond(&context, Arc::clone(&activity), request.map(|body| RequestBody::http1(body, &activity)))
    });
    let mut server = Builder::new();
    // The time between two requests on a tunnel is not limited.
    server.timer(Timer::new(&context.world)).auto_date_header(false).header_read_timeout(None);
    server.max_headers(context.http.headers as usize).max_buf_size(READ_BUFFER);
    let connection = server.serve_connection(io, service);
    let mut connection = pin!(context.idle_timeout().apply(Arc::clone(&activity), connection));
    if draining {
        connection.as_mut().task().graceful_shutdown();
    }
    loop {
        tokio::select! {
            biased;
            command = task.next_command() => match command {
                TunnelCommand::Goaway => connection.as_mut().task().graceful_shutdown(),
                TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
            },
            Some(notice) = notices.recv() => task.report_notice(notice).await,
            ended = connection.as_mut() => {
                task.report_notices(&mut notices).await;
                return match ended {
                    Some(Ok(())) => end_of_stream(),
                    Some(Err(error)) => io::Error::other(with_sources(&error)),
                    None => io::Error::other(StreamIdle),
                };
            }
        }
    }
}
