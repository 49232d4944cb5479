//! Forwards requests from tunnels to the local service.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Body;
use hyper::ext::on_informational;
use hyper::service::Service;
use revtun_core::initiator::Config;
use tracing::debug;

use super::connector::Connector;
use super::pool::{Pool, UpstreamError, UpstreamResponseBody};
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
/// there is a local reply: 502 with `x-revtun-reason`; a CONNECT gets 501.
pub struct Forward<W: World> {
    pool: Pool<W>,
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
        Ok(Self { pool: Pool::new(world, connector, config.service_idle), host })
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
        Self { pool: self.pool.clone(), host: self.host.clone() }
    }
}

impl<W: World> Service<Request<RequestBody>> for Forward<W> {
    type Response = Response<ForwardBody<W>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<RequestBody>) -> Self::Future {
        if request.method() == Method::CONNECT {
            let reply = local_reply(StatusCode::NOT_IMPLEMENTED, "connect-unsupported", "CONNECT is not supported.\n");
            return Box::pin(ready(Ok(reply.map(Either::Right))));
        }
        let mut request = self.upstream_request(request);
        pass_on_interim(&mut request);
        let pool = self.pool.clone();
        Box::pin(async move {
            Ok(match pool.send(request).await {
                Ok(mut response) => match check_response(&mut response) {
                    Ok(()) => response.map(Either::Left),
                    Err(BadResponse { reason, text }) => {
                        local_reply(StatusCode::BAD_GATEWAY, reason, text).map(Either::Right)
                    }
                },
                Err(error) => reply_to_error(&error).map(Either::Right),
            })
        })
    }
}

/// Passes on the interim responses of the service, and has it say when a body is sent whose client expects 100 Continue.
fn pass_on_interim(request: &mut Request<RequestBody>) {
    let continues = expects_continue(request.headers()) && request.body_mut().defer_continue();
    let Some(activity) = request.body().activity() else { return };
    if !continues && !activity.interim.is_wanted() {
        return;
    }
    on_informational(request, move |response| {
        if continues && response.status() == StatusCode::CONTINUE {
            activity.want_body();
        }
        activity.interim.push(response.status(), response.headers());
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
