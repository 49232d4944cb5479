//! HTTP/1.1 on a tunnel in use, which Envoy's responders can be configured to speak, by hyper's server.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::ack_limit_io::AckLimitIo;
use super::respond::respond;
use crate::error::{BoxError, with_sources};
use crate::http::limits::READ_BUFFER;
use crate::http::{Activity, Http1Upgrade, IoStream, PendingUpgrade, RequestBody, StreamIdle, TimeoutBody, join};
use crate::initiator::command::TunnelCommand;
use crate::initiator::context::Context;
use crate::initiator::service::TunnelService;
use crate::initiator::task::{TunnelTask, end_of_stream};
use crate::prefixed_io::PrefixedIo;
use crate::tunnel_io::Notice;
use crate::world::{Timer, World};

/// Serves until the connection ends, and returns how it ended. If it is `draining`, it ends with the first response.
pub(super) async fn serve<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    io: AckLimitIo<W>,
    mut notices: mpsc::Receiver<Notice>,
    draining: bool,
) -> io::Error {
    let context = Arc::clone(&task.context);
    // A connection has one request at a time, and is dropped with it.
    let activity = Activity::new();
    let upgrade = Arc::<Http1Upgrade>::default();
    let service =
        service_fn(|request| serve_request(Arc::clone(&context), Arc::clone(&activity), Arc::clone(&upgrade), request));
    let mut server = Builder::new();
    // The time between two requests on a tunnel is not limited.
    server.timer(Timer::new(&context.world)).auto_date_header(false).header_read_timeout(None);
    server.max_headers(context.http.headers as usize).max_buf_size(READ_BUFFER);
    let connection = server.serve_connection(TokioIo::new(io), service).with_upgrades();
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
                if let Some(Ok(())) = ended {
                    serve_upgraded(task, &upgrade, &mut notices).await;
                }
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

/// One request, which may ask for an upgrade: the service says whether it takes that.
async fn serve_request<W: World, S: TunnelService>(
    context: Arc<Context<W, S>>,
    activity: Arc<Activity>,
    upgrade: Arc<Http1Upgrade>,
    mut request: Request<Incoming>,
) -> Result<Response<TimeoutBody<S::ResponseBody>>, BoxError> {
    let pending = PendingUpgrade::of(&mut request, |_| true);
    let request = request.map(|body| RequestBody::http1(body, &activity));
    let mut response = respond(&context, activity, request).await?;
    if let Some(pending) = pending {
        upgrade.accept(pending, &mut response);
    }
    Ok(response)
}

/// Serves what the connection was upgraded to, if it was, to its end.
async fn serve_upgraded<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    upgrade: &Http1Upgrade,
    notices: &mut mpsc::Receiver<Notice>,
) {
    let Some((parts, stream)) = upgrade.finish::<TokioIo<AckLimitIo<W>>>().await else { return };
    let context = Arc::clone(&task.context);
    let io = PrefixedIo::new(parts.io.into_inner(), parts.read_buf);
    let tunnel = IoStream::new(&context.world, io, |io| Some(io.get_ref().transport()));
    let timeout = context.idle_timeout().with(context.http.upgrade_idle_timeout);
    let mut joined = pin!(join(&timeout, Box::new(tunnel), stream));
    loop {
        tokio::select! {
            biased;
            // The stream lives until the machine closes the tunnel.
            _goaway = task.next_command() => {}
            Some(notice) = notices.recv() => task.report_notice(notice).await,
            () = joined.as_mut() => return,
        }
    }
}
