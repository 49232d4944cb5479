//! One request: acquires a tunnel, is sent on it, and is retried on another one if that is safe.

use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use revtun_core::responder::retry::{Attempt, Decision, Progress, after_loss};
use revtun_core::responder::{Event, Target};

use super::body::{DownstreamBody, LeasedBody};
use super::request::{self, TargetHeaders};
use crate::error::BoxError;
use crate::http::{RecvBody, header_list_bytes, send_body, strip_hop_by_hop};
use crate::responder::context::Context;
use crate::responder::local_reply::LocalReply;
use crate::responder::shared::{Acquire, Lease};
use crate::world::World;

/// The body of a request, whoever its caller is.
pub(in crate::responder) trait ProxyBody:
    Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static
{
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static> ProxyBody for B {}

/// The response of the service behind a tunnel, or a local reply. `caller` is the address of a caller that has one.
pub(in crate::responder) async fn proxy<W: World, B: ProxyBody>(
    context: &Context<W>,
    caller: Option<&HeaderValue>,
    request: Request<DownstreamBody<B>>,
) -> Result<Response<LeasedBody<W>>, LocalReply> {
    let (mut head, body) = request.into_parts();
    // In HTTP/2 h2 enforces the limit.
    if head.version < Version::HTTP_2 && header_list_bytes(&head.headers) > context.http.header_bytes as usize {
        return Err(LocalReply::HeadersTooLarge);
    }
    let headers = TargetHeaders::read(&head.headers, context.config.tenant_isolation)?;
    let target = headers.target()?;
    request::prepare(&mut head, caller, context.egress_tls.is_some())?;
    let mut request = TunnelRequest::new(head, body);
    let response = pin!(send_with_retries(context, target, &mut request));
    let mut response = if context.request_timeout.is_zero() {
        response.await?
    } else {
        let deadline = context.world.sleep_until(context.world.now().after(context.request_timeout));
        tokio::select! {
            biased;
            response = response => response?,
            () = deadline => return Err(LocalReply::Timeout),
        }
    };
    strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

async fn send_with_retries<W: World, B: ProxyBody>(
    context: &Context<W>,
    target: Target<'_>,
    request: &mut TunnelRequest<B>,
) -> Result<Response<LeasedBody<W>>, LocalReply> {
    let idempotent = request.head.method.is_idempotent();
    let (mut tries, mut unsent) = (0, 0);
    loop {
        let lease = acquire(context, target).await?;
        let tunnel = lease.tunnel();
        let lost = match send_on_tunnel(context, lease, request).await {
            Ok(response) => return Ok(response),
            Err(lost) => lost,
        };
        if lost.tunnel_closed {
            context.report(Event::GoawayReceived { tunnel });
        }
        match lost.progress {
            Progress::Unsent => unsent += 1,
            Progress::Refused | Progress::Sent | Progress::Answered => tries += 1,
        }
        match after_loss(Attempt { tries, unsent, progress: lost.progress, replayable: lost.replayable, idempotent }) {
            Decision::Retry => {}
            Decision::GiveUp => return Err(LocalReply::TunnelLost),
        }
        context.counters.requests_retried.add(1);
        tracing::debug!(%tunnel, tries, unsent, progress = ?lost.progress, "tunnel lost, request retried");
    }
}

async fn acquire<W: World>(context: &Context<W>, target: Target<'_>) -> Result<Lease<W>, LocalReply> {
    let lease = match context.shared.acquire(target) {
        Acquire::Assigned(lease) => Ok(lease),
        Acquire::Pending(pending) => {
            context.counters.requests_waited.add(1);
            pending.await
        }
        Acquire::Refused(refusal) => Err(refusal),
    };
    match lease {
        Ok(lease) => {
            context.counters.requests_assigned.add(1);
            Ok(lease)
        }
        Err(refusal) => {
            context.counters.refused(refusal);
            Err(refusal.into())
        }
    }
}

/// A request on a tunnel. It is passed by reference: its head alone has 224 bytes, and was copied six times when each of
/// these functions moved it to the next.
struct TunnelRequest<B: ProxyBody> {
    head: Parts,
    /// None if it is empty, or sent.
    body: Option<DownstreamBody<B>>,
}

impl<B: ProxyBody> TunnelRequest<B> {
    fn new(mut head: Parts, body: DownstreamBody<B>) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        let usually_has_body = ![Method::GET, Method::HEAD, Method::DELETE].contains(&head.method);
        if body.is_none() && usually_has_body {
            head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        Self { head, body }
    }
}

/// How a request lost its tunnel before a response came.
struct TunnelLost {
    progress: Progress,
    /// Whether the complete request can be sent again.
    replayable: bool,
    /// Whether the tunnel takes no more requests.
    tunnel_closed: bool,
}

impl TunnelLost {
    /// The tunnel did not take the request.
    const UNSENT: Self = Self { progress: Progress::Unsent, replayable: true, tunnel_closed: true };
}

/// Sends `request`, and takes its body.
async fn send_on_tunnel<W: World, B: ProxyBody>(
    context: &Context<W>,
    lease: Lease<W>,
    request: &mut TunnelRequest<B>,
) -> Result<Response<LeasedBody<W>>, TunnelLost> {
    let Some(client) = lease.handle().client().await else { return Err(TunnelLost::UNSENT) };
    let Some(mut client) = client.ready().await else { return Err(TunnelLost::UNSENT) };
    let ends = request.body.is_none();
    let spare = clone_head(&request.head);
    let head = mem::replace(&mut request.head, spare);
    let (mut response, stream) = match client.send(Request::from_parts(head, ()), ends) {
        Ok(sent) => sent,
        // The tunnel has ended since.
        Err(error) if is_closed(&error) => return Err(TunnelLost::UNSENT),
        // No tunnel takes this request.
        Err(_) => return Err(TunnelLost { progress: Progress::Unsent, replayable: false, tunnel_closed: false }),
    };
    let mut upload = request.body.take().map(|body| Box::pin(upload(body, stream)));
    let responded = poll_fn(|task| {
        // How it ends does not matter: if it fails, so does the stream.
        let _sent = upload.take_if(|upload| upload.as_mut().poll(task).is_ready());
        Pin::new(&mut response).poll(task)
    });
    let response = match responded.await {
        Ok(response) => response,
        Err(error) => {
            return Err(TunnelLost { progress: progress(&error), replayable: ends, tunnel_closed: is_closed(&error) });
        }
    };
    let lease = Arc::new(lease);
    if let Some(upload) = upload {
        // The service responds before it has the complete request.
        let held = Arc::clone(&lease);
        context.world.spawn(async move {
            upload.await;
            drop(held);
        });
    }
    let (head, stream) = response.into_parts();
    let body = LeasedBody::new(RecvBody::new(stream, &head.headers), lease);
    Ok(Response::from_parts(head, body))
}

async fn upload<B: ProxyBody>(mut body: DownstreamBody<B>, mut stream: SendStream<Bytes>) {
    send_body(Pin::new(&mut body), &mut stream).await;
}

/// Clones the head of a request, without its extensions.
fn clone_head(head: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method.clone_from(&head.method);
    copy.uri.clone_from(&head.uri);
    copy.version = head.version;
    copy.headers.clone_from(&head.headers);
    copy
}

/// How far a request came whose stream failed.
fn progress(lost: &h2::Error) -> Progress {
    let refused = lost.is_reset() && lost.reason() == Some(h2::Reason::REFUSED_STREAM);
    // Only streams beyond the last one that the peer processes end with its GOAWAY (RFC 9113 §6.8).
    let not_processed = lost.is_go_away() && lost.reason() == Some(h2::Reason::NO_ERROR);
    if lost.is_remote() && (refused || not_processed) { Progress::Refused } else { Progress::Sent }
}

/// Whether the tunnel ended, not only this request's stream.
fn is_closed(lost: &h2::Error) -> bool {
    lost.is_io() || lost.is_go_away()
}
