//! HTTP/2 on a tunnel in use.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::respond::respond;
use crate::http::limits::FRAME_BYTES;
use crate::http::{Activity, Http2Limits, Http2Server, PeerLimits, RecvBody, RequestBody};
use crate::initiator::command::TunnelCommand;
use crate::initiator::service::TunnelService;
use crate::initiator::task::{TunnelTask, end_of_stream};
use crate::tunnel_io::Notice;
use crate::world::World;

/// Serves until the connection ends, and returns how it ended. If it is `draining`, it begins with a GOAWAY.
pub(super) async fn serve<W: World, S: TunnelService>(
    task: &mut TunnelTask<W, S>,
    io: impl AsyncRead + AsyncWrite + Unpin,
    peer: Arc<PeerLimits>,
    mut notices: mpsc::Receiver<Notice>,
    mut draining: bool,
) -> io::Error {
    let context = Arc::clone(&task.context);
    let limits = Http2Limits {
        http: context.http,
        max_streams: context.max_streams,
        max_frame_bytes: FRAME_BYTES,
        ping_interval: context.core.probe_interval,
    };
    let mut handshake = pin!(Http2Server::handshake(&context.world, limits, context.idle_timeout(), peer, io));
    let mut server = loop {
        tokio::select! {
            biased;
            command = task.next_command() => match command {
                TunnelCommand::Goaway => draining = true,
                TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
            },
            Some(notice) = notices.recv() => task.report_notice(notice).await,
            begun = handshake.as_mut() => match begun {
                Ok(server) => break server,
                Err(error) => return error.into(),
            },
        }
    };
    if draining {
        server.graceful_shutdown();
    }
    let of_request = Arc::clone(&context);
    let respond = move |activity: Arc<Activity>, request: Request<RecvBody>| {
        let request = request.map(|body| RequestBody::http2(body, &activity));
        respond(&of_request, activity, request)
    };
    loop {
        tokio::select! {
            biased;
            command = task.next_command() => match command {
                TunnelCommand::Goaway => server.graceful_shutdown(),
                TunnelCommand::SendHandshake | TunnelCommand::Deliver => {}
            },
            Some(notice) = notices.recv() => {
                if notice == Notice::Heard {
                    server.heard();
                }
                task.report_notice(notice).await;
            }
            ended = server.serve(respond.clone()) => {
                task.report_notices(&mut notices).await;
                return ended.map_or_else(Into::into, |()| end_of_stream());
            }
        }
    }
}
