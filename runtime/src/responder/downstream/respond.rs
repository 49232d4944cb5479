//! One request: the list of what it passes on its way to a tunnel.

use std::sync::Arc;

use http::header::DATE;
use http::{HeaderValue, Request, Response};
use http_body_util::Either;

use super::body::{DownstreamBody, LeasedBody};
use super::caller::Caller;
use super::header_limit::HeaderLimit;
use super::local_replies::LocalReplies;
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::request::name_host;
use super::retry::Retry;
use super::route::Route;
use super::send::SendOnTunnel;
use crate::http::{Activity, CancelIdle, Deadline, HttpService, TimeoutBody};
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
    let Caller { context, address, .. } = caller;
    let request = request.map(|body| DownstreamBody::lingering(body, activity, &context.world));
    let proxied = CancelIdle::new(activity, layers(context, Some(address)));
    let Ok(mut response) = LocalReplies::new(&context.counters, proxied).call(&mut ProxyRequest::new(request)).await;
    // Who has a clock dates what it passes on without a date (RFC 9110 §6.6.1).
    response.headers_mut().entry(DATE).or_insert_with(|| date(&context.world));
    response
}

fn date<W: World>(world: &W) -> HeaderValue {
    let text = revtun_core::http::date(world.unix_millis() / 1000);
    HeaderValue::from_bytes(&text).expect("a date is a header value")
}

/// The response of the service behind a tunnel to a request of a caller in this process, or a local reply.
pub(in crate::responder) async fn proxy<W: World, B: ProxyBody>(
    context: &Context<W>,
    activity: &Arc<Activity>,
    request: Request<B>,
) -> Result<Response<LeasedBody<W>>, LocalReply> {
    let mut request = request.map(|body| DownstreamBody::new(body, activity));
    name_host(&mut request);
    let mut request = ProxyRequest::new(request);
    let layers = layers(context, None);
    tokio::select! {
        biased;
        response = layers.call(&mut request) => response,
        () = activity.timed_out() => Err(LocalReply::StreamIdleTimeout),
    }
}

/// The layers of every request, from the outside in. `caller` is the address of a caller that has one.
fn layers<'a, W: World, B: ProxyBody>(
    context: &'a Context<W>,
    caller: Option<&'a HeaderValue>,
) -> impl for<'r> HttpService<&'r mut ProxyRequest<B>, Response = Response<LeasedBody<W>>, Error = LocalReply> {
    let send = SendOnTunnel(context);
    let retry = Retry::new(&context.counters.requests_retried, send);
    let deadline = Deadline::new(&context.world, context.request_timeout, retry);
    let (tenant_isolation, tls) = (context.config.tenant_isolation, context.egress_tls.is_some());
    let route = Route { tenant_isolation, caller, tls, upgrades: &context.upgrades, inner: deadline };
    HeaderLimit::new(context.http.header_bytes, route)
}
