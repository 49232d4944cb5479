//! CONNECT and upgrades: requests that end in a stream of bytes both ways.
//!
//! ```text
//!   HTTP/1.1: `upgrade` ──┐                                              ┌──▶ 101, or 200 to a CONNECT
//!   HTTP/2: `:protocol` ──┼──▶ layers ──▶ CONNECT on a tunnel ──▶ 200 ───┤       the caller's stream and the tunnel's,
//!   CONNECT ──────────────┘                                              └──▶ 200        joined until both end
//! ```
//!
//! The stream counts as one request of its tunnel for as long as it lives.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use super::body::LeasedBody;
use super::caller::Caller;
use super::http1_io::Http1Io;
use super::proxy_request::clone_head;
use super::stream_limit::take_stream;
use super::stream_request::StreamRequest;
use super::try_failure::{Failure, is_closed};
use crate::http::{
    Http1Upgrade, Http2Stream, IoStream, Joined, RecvBody, WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_websocket, join,
    request_list_bytes, websocket_accept, websocket_key,
};
use crate::prefixed_io::PrefixedIo;
use crate::responder::context::Context;
use crate::responder::local_reply::LocalReply;
use crate::responder::shared::Lease;
use crate::world::World;

/// Sends the request of `head` on the tunnel of `lease`. If it is accepted, the response has the stream.
pub(super) async fn open_stream<W: World>(
    context: &Context<W>,
    mut lease: Lease<W>,
    head: &Parts,
    StreamRequest { protocol }: &StreamRequest,
) -> Result<Response<LeasedBody<W>>, Failure> {
    let Some(client) = lease.handle().client().await else { return Err(Failure::UNSENT) };
    take_stream(context, &mut lease, &client).await?;
    let Some(mut client) = client.ready().await else { return Err(Failure::UNSENT) };
    let mut head = clone_head(head);
    head.method = Method::CONNECT;
    let mut own_accept = None;
    if let Some(protocol) = protocol {
        match client.takes_extended_connect().await {
            Some(true) => {}
            Some(false) => return Err(Failure::Request(LocalReply::UpgradeUnsupportedByNode)),
            None => return Err(Failure::UNSENT),
        }
        if is_websocket(protocol) && !head.headers.contains_key(WEBSOCKET_KEY) {
            // A caller over HTTP/2 has none, and a service behind HTTP/1.1 wants one.
            let key = websocket_key([context.world.random(), context.world.random()]);
            own_accept = Some(websocket_accept(key.as_bytes()));
            head.headers.insert(WEBSOCKET_KEY, key);
        }
        head.extensions.insert(protocol.clone());
    }
    if request_list_bytes(&head) > client.max_header_list_bytes(context.http.header_bytes) {
        return Err(Failure::Request(LocalReply::HeadersTooLargeForNode));
    }
    let (response, mut send) = match client.send(Request::from_parts(head, ()), false) {
        Ok(sent) => sent,
        // The tunnel has ended since.
        Err(error) if is_closed(&error) => return Err(Failure::UNSENT),
        Err(_) => return Err(Failure::Request(LocalReply::MalformedRequest)),
    };
    // Nothing but the head was sent so far.
    let response = response.await.map_err(|error| Failure::of(&error, true))?;
    let (head, recv) = response.into_parts();
    let lease = Arc::new(lease);
    if !head.status.is_success() {
        // An error means that the initiator wants nothing more.
        drop(send.send_data(bytes::Bytes::new(), true));
        let body = LeasedBody::new(RecvBody::new(recv, &head.headers), Some(lease));
        return Ok(Response::from_parts(head, body));
    }
    let mut accepted = Response::from_parts(head, LeasedBody::new(RecvBody::ended(), None));
    accepted.headers_mut().remove(CONTENT_LENGTH);
    if let Some(expected) = own_accept
        && accepted.headers_mut().remove(WEBSOCKET_ACCEPT).is_some_and(|accept| accept != expected)
    {
        return Err(Failure::Request(LocalReply::UpstreamProtocolError));
    }
    Joined::insert(&mut accepted, Http2Stream::new(recv, send, lease));
    Ok(accepted)
}

/// Serves what a caller's connection of HTTP/1.1 was upgraded to, if it was, until its end or the responder's.
pub(super) async fn serve<W: World>(caller: &Caller<W>, upgrade: &Http1Upgrade) {
    let Some((parts, stream)) = upgrade.finish::<TokioIo<Http1Io<W>>>().await else { return };
    let Context { world, http, .. } = &*caller.context;
    let io = PrefixedIo::new(parts.io.into_inner(), parts.read_buf);
    let downstream = IoStream::new(world, io, |io| Some(io.get_ref().transport()));
    let timeout = caller.context.idle_timeout().with(http.upgrade_idle_timeout);
    tokio::select! {
        biased;
        () = join(&timeout, Box::new(downstream), stream) => {}
        () = caller.until_stopped() => {}
    }
}
