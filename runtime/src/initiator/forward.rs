//! Takes requests from tunnels to the local service, and its answers back.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Body;
use hyper::service::Service;
use revtun_core::initiator::Config;
use tracing::debug;

use super::connector::Connector;
use super::hosts::HostPort;
use super::pool::{Answer, Asked, Failure, Pool};
use super::request_body::RequestBody;
use super::serve::with_cause;
use crate::http::{own_answer, strip_hop_by_hop};
use crate::still::Moving;
use crate::world::World;

/// A body that passes through, or a short text of our own.
pub type ForwardBody<W> = Either<Answer<W>, Full<Bytes>>;

/// Forwards to one local service over HTTP/1.1, with a pool of connections that are kept alive.
///
/// Bodies stream both ways with backpressure. Trailers pass too; those of a request only if `trailer` announces them,
/// since HTTP/1.1 knows no other way. The service sees the caller's `host`. A request is repeated only if it met a
/// connection that was being closed and none of it was sent. If the service cannot be reached, or hangs up before it
/// answers, the answer is ours: 502 with `x-revtun-reason`; it is 501 to a CONNECT.
pub struct Forward<W: World> {
    pool: Pool<W>,
    /// What a request without a host asks for.
    host: HeaderValue,
}

impl<W: World> Forward<W> {
    /// Forwards to `service`, which is looked up for each new connection.
    ///
    /// # Errors
    /// If `service` is neither a name nor an address.
    pub fn new(world: &W, service: HostPort, config: &Config) -> Result<Self, http::Error> {
        let host = HeaderValue::try_from(service.to_string())?;
        let connector = Connector::new(world, service, config.service_connect_timeout);
        Ok(Self { pool: Pool::new(world, connector, config.service_idle), host })
    }

    /// Makes the request one of HTTP/1.1 to the local service.
    fn readdress(&self, request: Request<RequestBody>) -> Request<Asked> {
        let (mut head, body) = request.into_parts();
        strip_hop_by_hop(&mut head.headers);
        // In HTTP/2 the caller's host is not a header, and goes before one (RFC 9113 §8.3.1).
        let authority = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let Some(host) = authority {
            head.headers.insert(HOST, host);
        } else {
            head.headers.entry(HOST).or_insert_with(|| self.host.clone());
        }
        // Trailers need chunks; without an announcement HTTP/1.1 has no place for them.
        if !body.is_end_stream() && head.headers.contains_key(TRAILER) {
            head.headers.remove(CONTENT_LENGTH);
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let path = std::mem::take(&mut head.uri).into_parts().path_and_query;
        head.uri = path.unwrap_or(PathAndQuery::from_static("/")).into();
        head.version = Version::HTTP_11;
        Request::from_parts(head, Moving::of(body))
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
            let refusal = own_answer(StatusCode::NOT_IMPLEMENTED, "connect-unsupported", "CONNECT is not supported.\n");
            return Box::pin(ready(Ok(refusal.map(Either::Right))));
        }
        let request = self.readdress(request);
        let pool = self.pool.clone();
        Box::pin(async move {
            Ok(match pool.send(request).await {
                Ok(mut answer) => {
                    strip_hop_by_hop(answer.headers_mut());
                    answer.map(Either::Left)
                }
                Err(failure) => refusal(&failure).map(Either::Right),
            })
        })
    }
}

fn refusal(failure: &Failure) -> Response<Full<Bytes>> {
    match failure {
        Failure::Unreachable(error) => {
            debug!(%error, "the local service cannot be reached");
            own_answer(StatusCode::BAD_GATEWAY, "service-unreachable", "the local service cannot be reached\n")
        }
        Failure::Lost(error) => {
            debug!(error = with_cause(error), "no answer from the local service");
            // Whether the request's body failed, and not the service.
            if error.is_user() {
                own_answer(StatusCode::BAD_GATEWAY, "request-lost", "the request did not arrive whole\n")
            } else {
                own_answer(StatusCode::BAD_GATEWAY, "service-lost", "the local service hung up before it answered\n")
            }
        }
    }
}
