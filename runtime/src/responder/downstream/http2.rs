//! HTTP/2 on a caller's connection.

use std::sync::Arc;

use http::Request;

use super::caller::{Caller, DownstreamIo};
use super::respond::respond;
use crate::error::BoxError;
use crate::http::limits::CALLER_FRAME_BYTES;
use crate::http::{Activity, Http2Limits, Http2Server, PeerLimits, RecvBody};
use crate::world::World;

/// Serves a connection to its end. When the responder drains, GOAWAY is sent at once: it loses no request.
pub(super) async fn serve<W: World>(caller: &Arc<Caller<W>>, stream: DownstreamIo<W>) -> Result<(), BoxError> {
    let context = &caller.context;
    let limits = Http2Limits {
        http: context.http,
        // What comes through a tunnel has a limit already.
        max_streams: context.config.max_streams,
        max_frame_bytes: CALLER_FRAME_BYTES,
        ping_interval: context.caller_timeout,
    };
    // Nothing reads what a caller announces. A response comes through a tunnel: it is within the limits of that.
    let peer = Arc::<PeerLimits>::default();
    let mut server = tokio::select! {
        biased;
        server = Http2Server::handshake(&context.world, limits, context.idle_timeout(), peer, stream) => server?,
        () = caller.until_stopped() => return Ok(()),
    };
    let of_request = Arc::clone(caller);
    let respond = move |activity: Arc<Activity>, request: Request<RecvBody>| async move {
        Ok(respond(&of_request, &activity, request).await)
    };
    let ended = tokio::select! {
        biased;
        ended = server.serve(respond.clone()) => Some(ended),
        () = caller.until_draining() => None,
    };
    if let Some(ended) = ended {
        return Ok(ended?);
    }
    server.graceful_shutdown();
    tokio::select! {
        biased;
        ended = server.serve(respond) => Ok(ended?),
        () = caller.until_stopped() => Ok(()),
    }
}
