//! Forwards requests from tunnels to local services.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, ready};
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
use revtun_core::balance::MAX_ENDPOINTS;
use revtun_core::destination::Destinations;
use revtun_core::initiator::Config;
use revtun_core::route::{Rule, Table, TableError};
use revtun_core::upgrade::Upgrades;

use super::balance::{ServiceInfo, Upstream};
use super::body::ServiceBody;
use super::error::Reply;
use super::route::{RequestHead, Rewrite, RouteConfig, RouteTimeouts};
use super::service::ServiceConfig;
use super::tcp::TcpConnector;
use super::timeouts::Deadlines;
use super::upgrade::{Upgrade, upgrade};
use crate::host_port::HostPort;
use crate::http::{
    HeaderSummary, REASON, RequestBody, expects_continue, is_grpc, is_only_chunked, join_cookies, local_reply,
    single_length, strip_hop_by_hop,
};
use crate::world::World;

/// The body of a forwarded response, or of a local reply.
pub type ForwardBody<W> = Either<ServiceBody<W>, Full<Bytes>>;

/// Forwards to local services, each with connections that are kept: over HTTP/1.1, or over HTTP/2 to those that speak it.
///
/// Bodies stream both ways with backpressure. Trailers are forwarded too; those of a request to a service of HTTP/1.1 only if
/// `trailer` announces them, since there is no other way. The service gets the caller's `host`, unless its route says otherwise. A
/// request is retried if the service was closing
/// the connection and nothing of it was sent; and once, on a new connection, if it is idempotent, has no body, and a connection
/// that had carried others ended without an answer to it. If no route matches, the service cannot be reached, or closes the
/// connection before it responds, there is a local reply with `x-revtun-reason`, to calls of gRPC as a status of gRPC.
///
/// Requests for an upgrade go to the service of their route too, each on a connection of its own, and CONNECT opens TCP connections to
/// destinations that are allowed; see [`allow_upgrades`](Self::allow_upgrades) and [`allow_tcp`](Self::allow_tcp).
pub struct Forward<W: World> {
    inner: Arc<Inner<W>>,
    upgrades: Arc<Upgrades>,
    tcp: TcpConnector<W>,
}

struct Inner<W: World> {
    world: W,
    /// The rule at each place is that of the route at the same place.
    table: Table,
    routes: Box<[Arc<Route<W>>]>,
    services: Box<[Arc<Upstream<W>>]>,
}

/// One route.
struct Route<W: World> {
    service: Arc<Upstream<W>>,
    rewrite: Rewrite,
    timeouts: RouteTimeouts,
}

impl<W: World> Forward<W> {
    /// Forwards everything to `service`, over HTTP/1.1. If it is a name, a task of `world` resolves it every
    /// `config.resolve_interval`.
    ///
    /// # Errors
    /// If `service` is neither a name nor an address.
    pub fn new(world: &W, service: HostPort, config: &Config) -> Result<Self, ForwardError> {
        let name = service.to_string();
        let service = ServiceConfig::new(name.clone(), vec![service.into()]);
        Self::with_routes(world, &[service], vec![RouteConfig::new(Rule::any(), name)], config)
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
    async fn upgrade(
        &self,
        route: &Route<W>,
        request: Request<RequestBody>,
        protocol: Protocol,
    ) -> Response<ForwardBody<W>> {
        if !self.upgrades.allows(protocol.as_str()) {
            let text = "the initiator does not allow upgrades to this protocol\n";
            return local_reply(StatusCode::NOT_IMPLEMENTED, "upgrade-not-allowed", text).map(Either::Right);
        }
        let from = request.version();
        // What comes on its stream is no body.
        let mut request = request.map(|_| RequestBody::ended());
        Self::prepare(route, &mut request);
        match upgrade(&self.inner.world, &route.service, request, &protocol, from).await {
            Ok(Upgrade::Switched(response)) => response.map(|()| Either::Right(Full::default())),
            Ok(Upgrade::Answered(mut response)) => match check_response(&mut response) {
                Ok(()) => response.map(Either::Left),
                Err(BadResponse { reason, text }) => {
                    local_reply(StatusCode::BAD_GATEWAY, reason, text).map(Either::Right)
                }
            },
            Err(error) => error.reply(&route.service.name).response(false).map(Either::Right),
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

    /// Forwards each request to the service of its route.
    ///
    /// # Errors
    /// If a route names an unknown service, a service has no endpoint or too many of them, or the rules are too many.
    pub fn with_routes(
        world: &W,
        services: &[ServiceConfig],
        routes: Vec<RouteConfig>,
        config: &Config,
    ) -> Result<Self, ForwardError> {
        let of = |service: &ServiceConfig| match service.endpoints.len() {
            1..=MAX_ENDPOINTS => Upstream::new(world, service, config).map(Arc::new).map_err(ForwardError::Host),
            _ => Err(ForwardError::Endpoints { service: service.name.clone() }),
        };
        let services = services.iter().map(of).collect::<Result<Box<[_]>, _>>()?;
        let rules = routes.iter().map(|route| route.rule.clone()).collect();
        let route = |RouteConfig { service, rewrite, timeouts, .. }: RouteConfig| {
            let found = services.iter().find(|known| known.name == service).map(Arc::clone);
            let service = found.ok_or(ForwardError::UnknownService { service })?;
            Ok(Arc::new(Route { service, rewrite, timeouts }))
        };
        let routes = routes.into_iter().map(route).collect::<Result<Box<[_]>, _>>()?;
        let table = Table::new(rules).map_err(ForwardError::Rules)?;
        Ok(Self {
            inner: Arc::new(Inner { world: world.clone(), table, routes, services }),
            upgrades: Arc::default(),
            tcp: TcpConnector::new(world, config.service_connect_timeout),
        })
    }

    /// Every service, and whether its endpoints are up.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceInfo> {
        self.inner.services.iter().map(|service| service.info()).collect()
    }

    /// The route of a request, whatever its body is.
    fn route<B>(&self, request: &Request<B>) -> Option<&Arc<Route<W>>> {
        self.inner.table.find(&RequestHead(request)).map(|place| &self.inner.routes[place])
    }

    /// Makes a request one of HTTP/1.1 to the service of its route, where it stays: it has some hundred bytes.
    fn prepare(route: &Route<W>, request: &mut Request<RequestBody>) {
        let has_body = !request.body().is_end_stream();
        let summary = HeaderSummary::of(request.headers());
        let uri = std::mem::take(request.uri_mut()).into_parts();
        let headers = request.headers_mut();
        if summary.has_hop_by_hop {
            strip_hop_by_hop(headers);
        }
        // In HTTP/2 the caller's host is `:authority`, which precedes a header (RFC 9113 §8.3.1).
        let authority = uri.authority.and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let Some(host) = authority {
            headers.insert(HOST, host);
        } else {
            headers.entry(HOST).or_insert_with(|| route.service.host.clone());
        }
        if summary.has_cookie {
            join_cookies(headers);
        }
        // In HTTP/1.1 trailers need the chunked coding, and so does a body of unknown length, even that of a GET.
        if has_body && (!summary.has_content_length || headers.contains_key(TRAILER)) {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        *request.uri_mut() = uri.path_and_query.unwrap_or(PathAndQuery::from_static("/")).into();
        *request.version_mut() = Version::HTTP_11;
        route.rewrite.apply(request, &route.service.host);
    }
}

impl<W: World> Clone for Forward<W> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), upgrades: Arc::clone(&self.upgrades), tcp: self.tcp.clone() }
    }
}

impl<W: World> Service<Request<RequestBody>> for Forward<W> {
    type Response = Response<ForwardBody<W>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<RequestBody>) -> Self::Future {
        let protocol = request.extensions().get::<Protocol>().cloned();
        if request.method() == Method::CONNECT && protocol.is_none() {
            let (this, target) = (self.clone(), request.uri().authority().cloned());
            return Box::pin(async move { Ok(this.connect(target).await) });
        }
        let is_grpc = is_grpc(request.method(), request.headers());
        let Some(route) = self.route(&request) else {
            return Box::pin(ready(Ok(NO_ROUTE.response(is_grpc).map(Either::Right))));
        };
        if let Some(protocol) = protocol {
            let (this, route) = (self.clone(), Arc::clone(route));
            return Box::pin(async move { Ok(this.upgrade(&route, request, protocol).await) });
        }
        request.body().set_idle_timeout(route.timeouts.idle);
        let deadlines = Deadlines::of(&self.inner.world, route.timeouts, is_grpc, request.headers());
        Self::prepare(route, &mut request);
        pass_on_interim(&mut request);
        let (world, service) = (self.inner.world.clone(), Arc::clone(&route.service));
        Box::pin(async move {
            let responded = match deadlines {
                None => service.send(request).await,
                // In a box: most requests have no deadline, and room for it would be copied with each of them.
                Some(deadlines) => deadlines.apply(&world, Box::pin(service.send(request))).await,
            };
            let reply = match responded {
                Ok(mut response) => match check_response(&mut response) {
                    Ok(()) => return Ok(response.map(Either::Left)),
                    Err(BadResponse { reason, text }) => Reply::new(StatusCode::BAD_GATEWAY, reason, text),
                },
                Err(error) => error.reply(&service.name),
            };
            Ok(reply.response(is_grpc).map(Either::Right))
        })
    }
}

/// What a caller is told whose request no route matches.
const NO_ROUTE: Reply =
    Reply::new(StatusCode::NOT_FOUND, "no-route", "no route of the initiator matches the request\n");

/// Passes on the interim responses of the service, and has it say when a body is sent whose client expects 100 Continue.
fn pass_on_interim(request: &mut Request<RequestBody>) {
    let has_body = !request.body().is_end_stream();
    let continues = has_body && expects_continue(request.headers()) && request.body_mut().defer_continue();
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
    let summary = HeaderSummary::of(headers);
    let is_coded = summary.has_hop_by_hop && headers.contains_key(TRANSFER_ENCODING);
    if is_coded && !is_only_chunked(headers) {
        let text = "the local service used a transfer coding other than chunked\n";
        return Err(BadResponse { reason: "service-coding", text });
    }
    // Chunks have precedence (RFC 9112 §6.3), and 204 has no body (RFC 9110 §8.6).
    if is_coded || status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
    }
    if summary.has_content_length && single_length(headers).is_err() {
        let text = "the local service gave its response two lengths\n";
        return Err(BadResponse { reason: "service-lengths", text });
    }
    if summary.has_hop_by_hop {
        strip_hop_by_hop(headers);
    }
    // Callers know by it that the service did not answer.
    if summary.has_reason {
        headers.remove(REASON);
    }
    Ok(())
}

/// Why there is no [`Forward`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ForwardError {
    /// A service's endpoint is neither a name nor an address.
    Host(http::Error),
    /// A service has no endpoint, or more than [`MAX_ENDPOINTS`].
    Endpoints {
        /// Its name.
        service: String,
    },
    /// A route leads to a service that is not there.
    UnknownService {
        /// Its name.
        service: String,
    },
    /// The rules of the routes are too many.
    Rules(TableError),
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(_) => f.write_str("the host of a service is no host"),
            Self::Endpoints { service } => {
                write!(f, "the service {service:?} has not between 1 and {MAX_ENDPOINTS} endpoints")
            }
            Self::UnknownService { service } => write!(f, "a route leads to the unknown service {service:?}"),
            Self::Rules(error) => error.fmt(f),
        }
    }
}

impl Error for ForwardError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Host(error) => Some(error),
            Self::Rules(_) | Self::Endpoints { .. } | Self::UnknownService { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Tokio;

    /// What the future of one request may have in bytes. It is copied once for each.
    const FUTURE_BYTES: usize = 2560;

    #[tokio::test]
    async fn the_future_of_a_request_is_small() {
        let service = HostPort { host: "127.0.0.1".to_owned(), port: 1 };
        let forward = Forward::new(&Tokio::begin(), service, &Config::default()).unwrap();
        let bytes = size_of_val(&*forward.call(Request::new(RequestBody::ended())));
        assert!(bytes <= FUTURE_BYTES, "{bytes} bytes");
    }
}
