//! Forwards requests from tunnels to the local service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::ext::Protocol;
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Body;
use hyper::ext::on_informational;
use hyper::service::Service;
use revtun_core::destination::Destinations;
use revtun_core::initiator::Config;
use revtun_core::upgrade::Upgrades;
use tracing::debug;

use super::connector::Connector;
use super::pool::{Pool, UpstreamError, UpstreamResponseBody};
use super::tcp::TcpConnector;
use super::upgrade::{Upgrade, upgrade};
use crate::error::with_sources;
use crate::host_port::HostPort;
use crate::http::{
    RequestBody, expects_continue, is_only_chunked, join_cookies, local_reply, single_length, strip_hop_by_hop,
};
use crate::world::World;

/// The body of a forwarded response, or of a local reply.
pub type ForwardBody<W> = Either<UpstreamResponseBody<W>, Full<Bytes>>;

/// Forwards to one local service over HTTP/1.1, with a pool of keep-alive connections.
///
/// Bodies stream both ways with backpressure. Trailers are forwarded too; those of a request only if `trailer` announces them,
/// since HTTP/1.1 has no other way. The service gets the caller's `host`. A request is retried if the service was closing
/// the connection and nothing of it was sent; and once, on a new connection, if it is idempotent, has no body, and a connection
/// that had carried others ended without an answer to it. If the service cannot be reached, or closes the connection before it responds,
/// there is a local reply: 502 with `x-revtun-reason`.
///
/// Requests for an upgrade go to the service too, each on a connection of its own, and CONNECT opens TCP connections to destinations
/// that are allowed; see [`allow_upgrades`](Self::allow_upgrades) and [`allow_tcp`](Self::allow_tcp).
pub struct Forward<W: World> {
    world: W,
    pool: Pool<W>,
    /// Connections of their own, for upgrades.
    connector: Connector<W>,
    upgrades: Arc<Upgrades>,
    tcp: TcpConnector<W>,
    /// The `host` of a request without one.
    host: HeaderValue,
}

impl<W: World> Forward<W> {
    /// Forwards to `service`. If it is a name, a task of `world` resolves it every `config.resolve_interval`.
    ///
    /// # Errors
    /// If `service` is neither a name nor an address.
    pub fn new(world: &W, service: HostPort, config: &Config) -> Result<Self, http::Error> {
        let host = HeaderValue::try_from(service.to_string())?;
        let connector = Connector::new(world, service, config);
        let pool = Pool::new(world, connector.clone(), config.service_idle);
        let tcp = TcpConnector::new(world, config.service_connect_timeout);
        Ok(Self { world: world.clone(), pool, connector, upgrades: Arc::default(), tcp, host })
    }

    /// To which protocols requests may upgrade; WebSocket alone by default.
    #[must_use]
    pub fn allow_upgrades(mut self, upgrades: Upgrades) -> Self {
        self.upgrades = Arc::new(upgrades);
        self
    }

    /// Where CONNECT may have TCP connections opened to; nowhere by default.
    #[must_use]
    pub fn allow_tcp(mut self, destinations: Destinations) -> Self {
        self.tcp.allow(destinations);
        self
    }

    /// A request for another protocol than HTTP.
    async fn upgrade(&self, request: Request<RequestBody>, protocol: Protocol) -> Response<ForwardBody<W>> {
        if !self.upgrades.allows(protocol.as_str()) {
            let text = "the initiator does not allow upgrades to this protocol\n";
            return local_reply(StatusCode::NOT_IMPLEMENTED, "upgrade-unsupported", text).map(Either::Right);
        }
        let from = request.version();
        // What comes on its stream is no body.
        let request = self.upstream_request(request.map(|_| RequestBody::ended()));
        match upgrade(&self.world, &self.connector, request, &protocol, from).await {
            Ok(Upgrade::Switched(response)) => response.map(|()| Either::Right(Full::default())),
            Ok(Upgrade::Answered(response)) => checked(response.map(|body| self.pool.unpooled(body))),
            Err(error) => {
                let (reason, text) = error.reply();
                local_reply(StatusCode::BAD_GATEWAY, reason, text).map(Either::Right)
            }
        }
    }

    /// A CONNECT to `target`.
    async fn connect(&self, target: Option<Authority>) -> Response<ForwardBody<W>> {
        match self.tcp.connect(target).await {
            Ok(response) => response.map(|()| Either::Right(Full::default())),
            Err(error) => {
                let (status, reason, text) = error.reply();
                local_reply(status, reason, text).map(Either::Right)
            }
        }
    }

    /// The request as one of HTTP/1.1 to the local service.
    fn upstream_request(&self, request: Request<RequestBody>) -> Request<RequestBody> {
        let (mut head, body) = request.into_parts();
        strip_hop_by_hop(&mut head.headers);
        // In HTTP/2 the caller's host is `:authority`, which precedes a header (RFC 9113 §8.3.1).
        let authority = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let Some(host) = authority {
            head.headers.insert(HOST, host);
        } else {
            head.headers.entry(HOST).or_insert_with(|| self.host.clone());
        }
        join_cookies(&mut head.headers);
        // In HTTP/1.1 trailers need the chunked coding, and so does a body of unknown length, even that of a GET.
        let has_length = head.headers.contains_key(CONTENT_LENGTH);
        if !body.is_end_stream() && (!has_length || head.headers.contains_key(TRAILER)) {
            head.headers.remove(CONTENT_LENGTH);
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let path = std::mem::take(&mut head.uri).into_parts().path_and_query;
        head.uri = path.unwrap_or(PathAndQuery::from_static("/")).into();
        head.version = Version::HTTP_11;
        Request::from_parts(head, body)
    }
}

impl<W: World> Clone for Forward<W> {
    fn clone(&self) -> Self {
        Self {
            world: self.world.clone(),
            pool: self.pool.clone(),
            connector: self.connector.clone(),
            upgrades: Arc::clone(&self.upgrades),
            tcp: self.tcp.clone(),
            host: self.host.clone(),
        }
    }
}

impl<W: World> Service<Request<RequestBody>> for Forward<W> {
    type Response = Response<ForwardBody<W>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        if let Some(protocol) = request.extensions().get::<Protocol>().cloned() {
            let this = self.clone();
            return Box::pin(async move { Ok(this.upgrade(request, protocol).await) });
        }
        if request.method() == Method::CONNECT {
            let (this, target) = (self.clone(), request.uri().authority().cloned());
            return Box::pin(async move { Ok(this.connect(target).await) });
        }
        let mut request = self.upstream_request(request);
        pass_on_continue(&mut request);
        let pool = self.pool.clone();
        Box::pin(async move {
            Ok(match pool.send(request).await {
                Ok(response) => checked(response),
                Err(error) => reply_to_error(&error).map(Either::Right),
            })
        })
    }
}

/// A response of the service, if it can be passed on.
fn checked<W: World>(mut response: Response<UpstreamResponseBody<W>>) -> Response<ForwardBody<W>> {
    match check_response(&mut response) {
        Ok(()) => response.map(Either::Left),
        Err(BadResponse { reason, text }) => local_reply(StatusCode::BAD_GATEWAY, reason, text).map(Either::Right),
    }
}

/// Has the service say when a body is sent whose client expects 100 Continue.
fn pass_on_continue(request: &mut Request<RequestBody>) {
    if !expects_continue(request.headers()) {
        return;
    }
    let Some(activity) = request.body_mut().defer_continue() else { return };
    on_informational(request, move |response| {
        if response.status() == StatusCode::CONTINUE {
            activity.want_body();
        }
    });
}

/// Why a response cannot be passed on: the local reply in its place.
struct BadResponse {
    reason: &'static str,
    text: &'static str,
}

/// Makes the head of a response one that can be passed on, or else says why it cannot.
fn check_response<B>(response: &mut Response<B>) -> Result<(), BadResponse> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(BadResponse { reason: "service-switched", text: "the local service switched protocols\n" });
    }
    let headers = response.headers_mut();
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    if is_coded && !is_only_chunked(headers) {
        let text = "the local service used a transfer coding other than chunked\n";
        return Err(BadResponse { reason: "service-coding", text });
    }
    // Chunks have precedence (RFC 9112 §6.3), and 204 has no body (RFC 9110 §8.6).
    if is_coded || status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
    }
    if single_length(headers).is_err() {
        let text = "the local service gave its response two lengths\n";
        return Err(BadResponse { reason: "service-lengths", text });
    }
    strip_hop_by_hop(headers);
    Ok(())
}

fn reply_to_error(error: &UpstreamError) -> Response<Full<Bytes>> {
    match error {
        UpstreamError::Connect(error) => {
            debug!(%error, "the local service cannot be reached");
            local_reply(StatusCode::BAD_GATEWAY, "service-unreachable", "the local service cannot be reached\n")
        }
        UpstreamError::Proxy(error) => {
            debug!(error = with_sources(error), "no response from the local service");
            // A user error means that the request's body failed, not the service.
            if error.is_user() {
                local_reply(StatusCode::BAD_GATEWAY, "request-lost", "the request was not complete\n")
            } else {
                local_reply(
                    StatusCode::BAD_GATEWAY,
                    "service-lost",
                    "the local service closed the connection before it responded\n",
                )
            }
        }
    }
}
