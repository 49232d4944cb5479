//! Upgrades at the local service: a request for another protocol goes to it over HTTP/1.1, on a connection of its own.

use h2::ext::Protocol;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::balance::Upstream;
use super::body::ServiceBody;
use super::error::UpstreamError;
use super::service_stream::ServiceStream;
use crate::error::with_sources;
use crate::http::limits::READ_BUFFER;
use crate::http::{
    IoStream, Joined, RequestBody, WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_websocket, strip_hop_by_hop, tokens,
    websocket_accept, websocket_key,
};
use crate::prefixed_io::PrefixedIo;
use crate::world::World;

/// What the service made of a request for another protocol.
pub(super) enum Upgrade<W: World> {
    /// It switched: a response that has the stream.
    Switched(Response<()>),
    /// It answered as to any request.
    Answered(Response<ServiceBody<W>>),
}

/// Asks a service for `protocol`. `request` is one of HTTP/1.1, `from` the version of HTTP in which it came.
pub(super) async fn upgrade<W: World>(
    world: &W,
    service: &Upstream<W>,
    mut request: Request<RequestBody>,
    protocol: &Protocol,
    from: Version,
) -> Result<Upgrade<W>, UpstreamError> {
    let own_key = prepare(world, &mut request, protocol);
    let stream = service.connect().await?;
    let (mut requests, connection) =
        Builder::new().max_buf_size(READ_BUFFER).handshake(TokioIo::new(stream)).await.map_err(UpstreamError::Proxy)?;
    world.spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            debug!(error = with_sources(&error), "a connection for an upgrade failed");
        }
    });
    let mut response = requests.send_request(request).await.map_err(UpstreamError::Proxy)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return match from >= Version::HTTP_2 && response.status().is_success() {
            true => Err(UpstreamError::NotSwitched),
            false => Ok(Upgrade::Answered(response.map(ServiceBody::unpooled))),
        };
    }
    if !is_answer_to(&response, protocol, own_key.as_ref()) {
        return Err(UpstreamError::InvalidSwitch);
    }
    let upgraded = hyper::upgrade::on(&mut response).await.map_err(UpstreamError::Proxy)?;
    let parts = upgraded.downcast::<TokioIo<ServiceStream<W>>>().map_err(|_| UpstreamError::InvalidSwitch)?;
    let io = PrefixedIo::new(parts.io.into_inner(), parts.read_buf);
    let mut switched = response.map(|_| ());
    *switched.status_mut() = StatusCode::OK;
    let headers = switched.headers_mut();
    strip_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    if own_key.is_some() {
        headers.remove(WEBSOCKET_ACCEPT);
    }
    Joined::insert(&mut switched, IoStream::new(world, io, |io| io.get_ref().transport()));
    Ok(Upgrade::Switched(switched))
}

/// Makes `request` one for `protocol`. Returns the key of a WebSocket if it had none.
fn prepare<W: World>(world: &W, request: &mut Request<RequestBody>, protocol: &Protocol) -> Option<HeaderValue> {
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(framing);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.extend(HeaderValue::from_str(protocol.as_str()).map(|name| (UPGRADE, name)));
    if !is_websocket(protocol) || headers.contains_key(WEBSOCKET_KEY) {
        return None;
    }
    let key = websocket_key([world.random(), world.random()]);
    headers.insert(WEBSOCKET_KEY, key.clone());
    Some(key)
}

/// Whether the service switched to `protocol` and knows our key (RFC 6455 §4.1). Whoever else sent a key checks the answer.
fn is_answer_to<B>(response: &Response<B>, protocol: &Protocol, own_key: Option<&HeaderValue>) -> bool {
    let headers = response.headers();
    let mut protocols = tokens(headers, UPGRADE);
    let is_right = protocols.next().is_some_and(|name| name.eq_ignore_ascii_case(protocol.as_str()));
    let accept = headers.get(WEBSOCKET_ACCEPT);
    let knows_key = own_key.is_none_or(|key| accept == Some(&websocket_accept(key.as_bytes())));
    is_right && protocols.next().is_none() && knows_key
}
