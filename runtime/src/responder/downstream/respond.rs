//! One request: the list of what it passes on its way to a tunnel.

use std::sync::Arc;

use http::header::DATE;
use http::{Request, Response};
use http_body_util::Either;

use super::body::{DownstreamBody, LeasedBody};
use super::caller::Caller;
use super::header_limit::HeaderLimit;
use super::local_replies::LocalReplies;
use super::origin::Origin;
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::request::name_host;
use super::retry::Retry;
use super::route::Route;
use super::send::SendOnTunnel;
use crate::http::{Activity, CancelIdle, Deadline, HttpService, TimeoutBody, is_grpc};
use crate::responder::context::Context;
use crate::responder::local_reply::{LocalReply, LocalReplyBody};
use crate::world::World;

/// The body of a response to a caller at the egress listener.
pub(super) type DownstreamResponseBody<W> = Either<LocalReplyBody, TimeoutBody<LeasedBody<W>>>;

/// The response to a request at the egress listener, whose bodies report to `activity`.
pub(super) async fn respond<W: World, B: ProxyBody>(
    caller: &Caller<W>,
    activity: &Arc<Activity>,
    request: Request<B>,
) -> Response<DownstreamResponseBody<W>> {
    caller.place.heard();
    let Caller { context, origin, .. } = caller;
    let (head, body) = request.into_parts();
    let is_grpc = is_grpc(&head.method, &head.headers);
    let body = DownstreamBody::lingering(body, activity, &context.world);
    let proxied = CancelIdle::new(activity, layers(context, Some(origin)));
    let Ok(mut response) =
        LocalReplies::new(&context.counters, is_grpc, proxied).call(&mut ProxyRequest::new(head, body, activity)).await;
    // Who has a clock dates what it passes on without a date (RFC 9110 §6.6.1).
    response.headers_mut().entry(DATE).or_insert_with(|| context.dates.at(context.world.unix_millis() / 1000));
    response
}

/// The response of the service behind a tunnel to a request of a caller in this process, or a local reply.
pub(in crate::responder) async fn proxy<W: World, B: ProxyBody>(
    context: &Context<W>,
    activity: &Arc<Activity>,
    request: Request<B>,
) -> Result<Response<LeasedBody<W>>, LocalReply> {
    let (mut head, body) = request.into_parts();
    name_host(&mut head);
    let mut request = ProxyRequest::new(head, DownstreamBody::new(body, activity), activity);
    let layers = layers(context, None);
    tokio::select! {
        biased;
        response = layers.call(&mut request) => response,
        () = activity.timed_out() => Err(LocalReply::StreamIdleTimeout),
    }
}

/// The layers of every request, from the outside in. `origin` is that of a request from a connection.
fn layers<'a, W: World, B: ProxyBody>(
    context: &'a Context<W>,
    origin: Option<&'a Origin>,
) -> impl for<'r> HttpService<&'r mut ProxyRequest<B>, Response = Response<LeasedBody<W>>, Error = LocalReply> {
    let send = SendOnTunnel(context);
    let retry = Retry::new(&context.counters.requests_retried, send);
    let deadline = Deadline::new(&context.world, context.request_timeout, retry);
    let (tenant_isolation, tls) = (context.config.tenant_isolation, context.egress_tls.is_some());
    let route = Route { tenant_isolation, origin, tls, upgrades: &context.upgrades, inner: deadline };
    HeaderLimit::new(context.http.header_bytes, context.http.headers, route)
}
