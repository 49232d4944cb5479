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

use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use hyper_util::rt::TokioIo;
use revtun_core::upgrade::{CONNECT_UDP, Upgrades};

use super::body::LeasedBody;
use super::caller::Caller;
use super::http1_io::Http1Io;
use super::proxy_request::clone_head;
use super::try_failure::{Failure, is_closed};
use crate::http::{
    Http1Upgrade, Http2Stream, IoStream, Joined, RecvBody, WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_websocket, join,
    request_list_bytes, upgrade_tokens, websocket_accept, websocket_key,
};
use crate::prefixed_io::PrefixedIo;
use crate::responder::context::Context;
use crate::responder::local_reply::LocalReply;
use crate::responder::shared::Lease;
use crate::world::World;

/// What a request asks for that ends in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRequest {
    /// None for a TCP connection.
    protocol: Option<Protocol>,
}

impl StreamRequest {
    /// What the request of `head` asks for, if that is a stream.
    pub(super) fn of(head: &Parts, upgrades: &Upgrades) -> Result<Option<Self>, LocalReply> {
        let protocol = head.extensions.get::<Protocol>().cloned();
        if head.method != Method::CONNECT && protocol.is_none() {
            // RFC 9110 §7.8: it is ignored in HTTP/1.0.
            let asks = upgrade_tokens(&head.headers).is_some_and(|mut protocols| protocols.next().is_some());
            return if asks && head.version >= Version::HTTP_11 {
                Err(LocalReply::UpgradeUnsupported)
            } else {
                Ok(None)
            };
        }
        if [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|framing| head.headers.contains_key(framing)) {
            return Err(LocalReply::IllegalConnect);
        }
        match &protocol {
            Some(protocol) if !may_upgrade(upgrades, protocol.as_str()) => Err(LocalReply::UpgradeUnsupported),
            None if head.uri.port_u16().is_none_or(|port| port == 0) => Err(LocalReply::IllegalConnect),
            Some(_) | None => Ok(Some(Self { protocol })),
        }
    }

    /// Whether it is for a TCP connection.
    pub(super) fn is_tcp(&self) -> bool {
        self.protocol.is_none()
    }
}

/// Whether callers may have this protocol. UDP is for the initiator to decide, as TCP is: by its destination.
pub(super) fn may_upgrade(upgrades: &Upgrades, protocol: &str) -> bool {
    upgrades.allows(protocol) || protocol.eq_ignore_ascii_case(CONNECT_UDP)
}

/// Sends the request of `head` on the tunnel of `lease`. If it is accepted, the response has the stream.
pub(super) async fn open_stream<W: World>(
    context: &Context<W>,
    lease: Lease<W>,
    head: &Parts,
    StreamRequest { protocol }: &StreamRequest,
) -> Result<Response<LeasedBody<W>>, Failure> {
    let Some(client) = lease.handle().client().await else { return Err(Failure::UNSENT) };
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

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, HOST, UPGRADE};

    use super::super::request::prepare;
    use super::*;
    use crate::http::HeaderSummary;

    fn asked(request: http::request::Builder, protocol: Option<&str>) -> Result<Option<StreamRequest>, LocalReply> {
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        if let Some(protocol) = protocol {
            head.extensions.insert(Protocol::from(protocol));
        }
        StreamRequest::of(&head, &Upgrades::default())
    }

    fn connect(uri: &str) -> http::request::Builder {
        Request::connect(uri)
    }

    #[test]
    fn a_stream_is_asked_for_by_connect_or_by_protocol() {
        let websocket = Ok(Some(StreamRequest { protocol: Some(Protocol::from("websocket")) }));
        assert_eq!(asked(Request::get("/"), None), Ok(None));
        assert_eq!(asked(Request::get("/"), Some("websocket")), websocket);
        assert_eq!(asked(connect("http://a/b"), Some("websocket")), websocket);
        assert_eq!(asked(connect("a:1"), None), Ok(Some(StreamRequest { protocol: None })));
        assert!(asked(connect("http://a/b"), Some("connect-udp")).is_ok_and(|asked| asked.is_some()));
    }

    #[test]
    fn what_cannot_be_a_stream_is_refused() {
        let upgrade = |to| Request::get("/").header(CONNECTION, "upgrade").header(UPGRADE, to);
        assert_eq!(asked(upgrade("websocket"), None), Err(LocalReply::UpgradeUnsupported), "it has a body, say");
        assert_eq!(asked(upgrade("h2c"), None), Ok(None));
        assert_eq!(asked(upgrade("websocket").version(Version::HTTP_10), None), Ok(None));
        assert_eq!(asked(connect("http://a/b"), Some("other")), Err(LocalReply::UpgradeUnsupported));
        for uri in ["a", "a:0"] {
            assert_eq!(asked(connect(uri), None), Err(LocalReply::IllegalConnect), "{uri}");
        }
        let with_body = connect("a:1").header(CONTENT_LENGTH, "1");
        assert_eq!(asked(with_body, None), Err(LocalReply::IllegalConnect));
    }

    #[test]
    fn the_target_of_a_tcp_connection_is_no_more_than_an_authority() {
        let (mut head, ()) = connect("db.site:5432").header(HOST, "x").body(()).unwrap().into_parts();
        let stream = StreamRequest::of(&head, &Upgrades::none()).unwrap();
        let summary = HeaderSummary::of_caller(&head.headers);
        prepare(&mut head, summary, stream.as_ref(), None, false).unwrap();
        assert_eq!((head.uri.to_string().as_str(), head.uri.scheme(), head.uri.path()), ("db.site:5432", None, ""));
    }
}
