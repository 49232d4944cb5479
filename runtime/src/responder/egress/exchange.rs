//! One request: finds a tunnel, goes through it, and looks for another one if that was lost in time.

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
use hyper::body::Incoming;
use revtun_core::responder::retry::{Attempt, Decision, Progress, after_loss};
use revtun_core::responder::{Event, Target};

use super::answer::OwnAnswer;
use super::body::{RequestBody, ResponseBody};
use super::request::{self, Destination};
use crate::body::{self, Received};
use crate::http::{list_bytes, strip_hop_by_hop};
use crate::responder::Context;
use crate::responder::lease::{Lease, Opening};
use crate::world::World;

/// The answer of the service behind a tunnel, or else ours.
pub(super) async fn exchange<W: World>(
    context: &Context<W>,
    from: &HeaderValue,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody<W>>, OwnAnswer> {
    let (mut head, body) = request.into_parts();
    let body = RequestBody::of(body, &context.world);
    // In HTTP/2 the library has seen to it.
    if head.version < Version::HTTP_2 && list_bytes(&head.headers) > context.http.header_bytes as usize {
        return Err(OwnAnswer::HeadersTooLarge);
    }
    let destination = Destination::of(&head.headers, context.config.tenant_isolation)?;
    let target = destination.target()?;
    request::prepare(&mut head, from, context.egress_tls.is_some())?;
    let mut request = Outgoing::new(head, body);
    let answered = pin!(send(context, target, &mut request));
    let mut response = if context.request_timeout.is_zero() {
        answered.await?
    } else {
        let late = context.world.sleep_until(context.world.now().after(context.request_timeout));
        tokio::select! {
            biased;
            answered = answered => answered?,
            () = late => return Err(OwnAnswer::Timeout),
        }
    };
    strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

async fn send<W: World>(
    context: &Context<W>,
    target: Target<'_>,
    request: &mut Outgoing,
) -> Result<Response<ResponseBody<W>>, OwnAnswer> {
    let idempotent = request.head.method.is_idempotent();
    let (mut tries, mut unsent) = (0, 0);
    loop {
        let lease = find(context, target).await?;
        let tunnel = lease.tunnel();
        let lost = match through(context, lease, request).await {
            Ok(response) => return Ok(response),
            Err(lost) => lost,
        };
        if lost.closed {
            context.report(Event::GoawayReceived { tunnel });
        }
        match lost.progress {
            Progress::Unsent => unsent += 1,
            Progress::Refused | Progress::Sent | Progress::Answered => tries += 1,
        }
        match after_loss(Attempt { tries, unsent, progress: lost.progress, replayable: lost.replayable, idempotent }) {
            Decision::Retry => {}
            Decision::GiveUp => return Err(OwnAnswer::TunnelLost),
        }
        context.counters.requests_retried.add(1);
        tracing::debug!(%tunnel, tries, unsent, progress = ?lost.progress, "tunnel lost, request tried again");
    }
}

async fn find<W: World>(context: &Context<W>, target: Target<'_>) -> Result<Lease<W>, OwnAnswer> {
    let lease = match context.shared.open(target) {
        Opening::Assigned(lease) => Ok(lease),
        Opening::Waiting(waiting) => {
            context.counters.requests_waited.add(1);
            waiting.await
        }
        Opening::Refused(refusal) => Err(refusal),
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

/// A request as it goes through a tunnel. It stays in one place meanwhile: its head alone has 224 bytes, and was copied
/// six times when each of these functions handed it to the next.
struct Outgoing {
    head: Parts,
    /// None if there is nothing in it, or no more.
    body: Option<RequestBody>,
}

impl Outgoing {
    fn new(mut head: Parts, body: RequestBody) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        let usually_has_one = ![Method::GET, Method::HEAD, Method::DELETE].contains(&head.method);
        if body.is_none() && usually_has_one {
            head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        Self { head, body }
    }
}

/// How a request lost its tunnel before an answer came.
struct Lost {
    progress: Progress,
    /// Whether all of the request can be sent again.
    replayable: bool,
    /// Whether the tunnel takes no more requests.
    closed: bool,
}

impl Lost {
    /// The tunnel did not take it.
    const UNSENT: Self = Self { progress: Progress::Unsent, replayable: true, closed: true };
}

/// Sends `request`, of which the body is gone then.
async fn through<W: World>(
    context: &Context<W>,
    lease: Lease<W>,
    request: &mut Outgoing,
) -> Result<Response<ResponseBody<W>>, Lost> {
    let Some(client) = lease.link().client().await else { return Err(Lost::UNSENT) };
    let Some(mut client) = client.ready().await else { return Err(Lost::UNSENT) };
    let whole = request.body.is_none();
    let spare = copy(&request.head);
    let head = mem::replace(&mut request.head, spare);
    let (mut answer, stream) = match client.send(Request::from_parts(head, ()), whole) {
        Ok(sent) => sent,
        // It has ended since.
        Err(error) if is_closed(&error) => return Err(Lost::UNSENT),
        // No tunnel takes that.
        Err(_) => return Err(Lost { progress: Progress::Unsent, replayable: false, closed: false }),
    };
    let mut upload = request.body.take().map(|body| Box::pin(upload(body, stream)));
    let answered = poll_fn(|task| {
        // The end of it is of no interest: if it fails, so does the stream.
        let _sent = upload.take_if(|upload| upload.as_mut().poll(task).is_ready());
        Pin::new(&mut answer).poll(task)
    });
    let response = match answered.await {
        Ok(response) => response,
        Err(error) => return Err(Lost { progress: progress(&error), replayable: whole, closed: is_closed(&error) }),
    };
    let lease = Arc::new(lease);
    if let Some(upload) = upload {
        // The service answers before it has all of the request.
        let held = Arc::clone(&lease);
        context.world.spawn(async move {
            upload.await;
            drop(held);
        });
    }
    let (head, stream) = response.into_parts();
    let body = ResponseBody::of(Received::of(stream, &head.headers), lease);
    Ok(Response::from_parts(head, body))
}

async fn upload(mut body: RequestBody, mut stream: SendStream<Bytes>) {
    body::send(Pin::new(&mut body), &mut stream).await;
}

/// The head of a request, again.
fn copy(head: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method.clone_from(&head.method);
    copy.uri.clone_from(&head.uri);
    copy.version = head.version;
    copy.headers.clone_from(&head.headers);
    copy
}

/// How far a request came that did not come back.
fn progress(lost: &h2::Error) -> Progress {
    let told_so = lost.is_reset() && lost.reason() == Some(h2::Reason::REFUSED_STREAM);
    // Only streams beyond the last that the peer handled end with its GOAWAY; the others go on (RFC 9113 §6.8).
    let left_out = lost.is_go_away() && lost.reason() == Some(h2::Reason::NO_ERROR);
    if lost.is_remote() && (told_so || left_out) { Progress::Refused } else { Progress::Sent }
}

/// Whether it was the whole tunnel that ended, not this request's stream alone.
fn is_closed(lost: &h2::Error) -> bool {
    lost.is_io() || lost.is_go_away()
}
