//! One request: finds a tunnel, goes through it, and looks for another one if that was lost in time.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use revtun_core::responder::Event;
use revtun_core::responder::retry::{Attempt, Next, Reach, after_loss};

use super::answer::OwnAnswer;
use super::body::{Held, RequestBody, ResponseBody};
use super::request::{self, Destination};
use crate::http::{list_bytes, strip_hop_by_hop};
use crate::responder::Context;
use crate::responder::lease::{Lease, Opening};
use crate::world::World;

/// The answer of the service behind a tunnel, or else ours.
pub(super) async fn exchange<W: World>(
    context: &Context<W>,
    from: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, OwnAnswer> {
    let (mut head, body) = request.into_parts();
    let body = RequestBody::of(body, &context.world);
    // In HTTP/2 the library has seen to it.
    if head.version < Version::HTTP_2 && list_bytes(&head.headers) > context.http.header_bytes as usize {
        return Err(OwnAnswer::HeadersTooLarge);
    }
    let destination = Destination::of(&head.headers, context.config.tenant_isolation)?;
    request::prepare(&mut head, from, context.egress_tls.is_some())?;
    let request = Request::from_parts(head, body);
    let answered = send(context, &destination, request);
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
    destination: &Destination,
    mut request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, OwnAnswer> {
    let idempotent = request.method().is_idempotent();
    let (mut tries, mut returns) = (0, 0);
    loop {
        let lease = find(context, destination).await?;
        let tunnel = lease.tunnel();
        let lost = match through(lease, request).await {
            Ok(response) => return Ok(response),
            Err(lost) => lost,
        };
        if lost.closed {
            context.report(Event::GoawayReceived { tunnel });
        }
        match lost.reach {
            Reach::Unsent => returns += 1,
            Reach::Refused | Reach::Sent | Reach::Answered => tries += 1,
        }
        let attempt = Attempt { tries, returns, reach: lost.reach, whole: lost.request.is_some(), idempotent };
        request = match (after_loss(attempt), lost.request) {
            (Next::Retry, Some(request)) => request,
            (Next::Retry | Next::GiveUp, _) => return Err(OwnAnswer::TunnelLost),
        };
        context.counters.requests_retried.add(1);
        tracing::debug!(%tunnel, tries, returns, reach = ?lost.reach, "tunnel lost, request tried again");
    }
}

async fn find<W: World>(context: &Context<W>, destination: &Destination) -> Result<Lease<W>, OwnAnswer> {
    let lease = match context.shared.open(destination.target()?) {
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

/// A request whose tunnel was lost before an answer came.
struct Lost {
    reach: Reach,
    /// The request, if all of it can be sent again.
    request: Option<Request<RequestBody>>,
    /// Whether the tunnel takes no more requests.
    closed: bool,
}

impl Lost {
    /// The tunnel gave it back.
    fn returned(request: Request<RequestBody>) -> Self {
        Self { reach: Reach::Unsent, request: Some(request), closed: true }
    }
}

async fn through<W: World>(lease: Lease<W>, mut request: Request<RequestBody>) -> Result<Response<ResponseBody>, Lost> {
    let lease = Arc::new(lease);
    let Some(mut client) = lease.link().client().await else {
        return Err(Lost::returned(request));
    };
    let held: Held = lease;
    request.body_mut().hold(Arc::clone(&held));
    let spare = request.body().is_end_stream().then(|| copy(&request));
    match client.try_send_request(request).await {
        Ok(response) => Ok(response.map(|body| ResponseBody::of(body, held))),
        Err(mut error) => Err(match error.take_message() {
            Some(request) => Lost::returned(request),
            None => Lost { reach: reach(&error), request: spare, closed: is_closed(&error) },
        }),
    }
}

/// A request without a body, again.
fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// How far a request came that was not given back.
fn reach<T>(lost: &TrySendError<T>) -> Reach {
    let refused = cause(lost).is_some_and(|cause| {
        let told_so = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        // Only streams beyond the last that the peer handled end with its GOAWAY; the others go on (RFC 9113 §6.8).
        let left_out = cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR);
        cause.is_remote() && (told_so || left_out)
    });
    if refused { Reach::Refused } else { Reach::Sent }
}

/// Whether it was the whole tunnel that ended, not this request's stream alone.
fn is_closed<T>(lost: &TrySendError<T>) -> bool {
    let error = lost.error();
    error.is_canceled() || error.is_closed() || cause(lost).is_some_and(|cause| cause.is_io() || cause.is_go_away())
}

fn cause<T>(lost: &TrySendError<T>) -> Option<&h2::Error> {
    lost.error().source().and_then(|cause| cause.downcast_ref())
}
