//! A caller: sends one request and records its outcome.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use revtun::world::{Executor, Timer, World};

use super::addresses::EGRESS;
use super::body_pattern::{self, PatternChecker};
use super::service::{BY, DOWN, REQUEST, SERVICE_TIME, UP, number};
use crate::history::{Event, History, RequestOutcome, RequestSpec};
use crate::plan::Plan;
use crate::process_world::{ProcessWorld, sleep, timeout};

/// How long a caller that does not read keeps its response open.
const UNREAD_KEPT: Duration = Duration::from_secs(30);

/// Sends a request to `responder`. `client_timeout` is the timeout for the response head, and then for each piece of its body.
pub async fn send(
    world: ProcessWorld,
    history: History,
    spec: RequestSpec,
    responder: IpAddr,
    client_timeout: Duration,
) {
    let request = spec.request;
    history.add(Event::RequestSent(spec.clone()));
    let (outcome, unread) = attempt(&world, &spec, responder, client_timeout).await;
    history.add(Event::RequestEnded { request, outcome });
    if let Some(unread) = unread {
        sleep(UNREAD_KEPT).await;
        drop(unread);
    }
}

/// Whether a request is sent with HTTP/1.1 rather than HTTP/2.
#[must_use]
pub const fn uses_http1(request: u64) -> bool {
    request.is_multiple_of(2)
}

type Sent = Result<Response<Incoming>, hyper::Error>;

async fn attempt(
    world: &ProcessWorld,
    spec: &RequestSpec,
    responder: IpAddr,
    client_timeout: Duration,
) -> (RequestOutcome, Option<Response<Incoming>>) {
    let sent = timeout(client_timeout, async {
        let stream =
            world.connect(SocketAddr::new(responder, EGRESS)).await.map_err(|_| RequestOutcome::ConnectFailed)?;
        let io = TokioIo::new(stream);
        let sent = if uses_http1(spec.request) {
            send_http1(world, io, spec).await
        } else {
            send_http2(world, io, spec).await
        };
        sent.map_err(|error| RequestOutcome::ConnectionLost(with_cause(&error)))
    });
    match sent.await.unwrap_or(Err(RequestOutcome::TimedOut)) {
        Err(outcome) => (outcome, None),
        Ok(response) if spec.never_read => match local_reply(&response) {
            Some(outcome) => (outcome, None),
            None => (RequestOutcome::NotRead, Some(response)),
        },
        Ok(response) => (read(response, spec, client_timeout).await, None),
    }
}

async fn send_http1(world: &ProcessWorld, io: TokioIo<<ProcessWorld as World>::Stream>, spec: &RequestSpec) -> Sent {
    let (mut sender, connection) = http1::handshake(io).await?;
    world.spawn(async move {
        // The request sees its errors.
        let _ended = connection.await;
    });
    sender.send_request(build(spec, "/")).await
}

async fn send_http2(world: &ProcessWorld, io: TokioIo<<ProcessWorld as World>::Stream>, spec: &RequestSpec) -> Sent {
    let mut client = http2::Builder::new(Executor::new(world));
    if spec.never_read {
        // The default window, so that the rest is buffered elsewhere.
        client.initial_stream_window_size(65_535);
    }
    let (mut sender, connection) = client.timer(Timer::new(world)).handshake(io).await?;
    world.spawn(async move {
        let _ended = connection.await;
    });
    sender.send_request(build(spec, "http://service/")).await
}

fn build(spec: &RequestSpec, uri: &str) -> Request<Full<Bytes>> {
    let RequestSpec { request, node, tenant, up, down, service_time, .. } = spec;
    let method = if up.is_some() { Method::POST } else { Method::GET };
    let builder = Request::builder().method(method).uri(uri).header("host", "service");
    let builder = match node {
        Some(node) => builder.header("x-node-id", Plan::node(*node)),
        None => builder.header("x-cluster-id", "edge"),
    };
    let builder = builder.header("x-tenant-id", format!("tenant-{tenant}"));
    let builder = builder.header(REQUEST, *request).header(UP, up.unwrap_or(0)).header(DOWN, *down);
    let builder = builder.header(SERVICE_TIME, u64::try_from(service_time.as_millis()).unwrap_or(u64::MAX));
    let body = up.map_or_else(Bytes::new, |up| body_pattern::body(*request, up));
    builder.body(Full::new(body)).expect("a legal request")
}

/// The outcome, if the response is not the service's.
fn local_reply(response: &Response<Incoming>) -> Option<RequestOutcome> {
    if response.status().is_success() && response.headers().contains_key(BY) {
        return None;
    }
    let reason = response.headers().get("x-revtun-reason").and_then(|reason| reason.to_str().ok());
    Some(RequestOutcome::LocalReply { status: response.status().as_u16(), reason: reason.map(ToOwned::to_owned) })
}

async fn read(response: Response<Incoming>, spec: &RequestSpec, client_timeout: Duration) -> RequestOutcome {
    if let Some(outcome) = local_reply(&response) {
        return outcome;
    }
    let by = usize::try_from(number(response.headers(), BY)).unwrap_or(usize::MAX);
    let mut checker = PatternChecker::new(spec.request);
    let mut body = response.into_body();
    loop {
        match timeout(client_timeout, body.frame()).await {
            None => return RequestOutcome::TimedOut,
            Some(None) => break,
            Some(Some(Ok(frame))) => frame.data_ref().into_iter().for_each(|piece| checker.check(piece)),
            Some(Some(Err(_))) => return RequestOutcome::BodyError,
        }
    }
    RequestOutcome::Served { by, exact: checker.is_exactly(spec.down) }
}

fn with_cause(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
