//! The innermost service: acquires a tunnel, and sends a request on it.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use revtun_core::responder::retry::{CONTINUE_TIMEOUT, Loss, Progress};
use revtun_core::responder::{Event, Target};

use super::body::{DownstreamBody, LeasedBody};
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::retry::TryError;
use super::route::Routed;
use crate::http::{HttpService, MaxStreams, RecvBody, Sent, expects_continue, request_list_bytes, send_body};
use crate::responder::client::TunnelClient;
use crate::responder::context::Context;
use crate::responder::local_reply::{CloseConnection, LocalReply};
use crate::responder::shared::{Acquire, Lease};
use crate::world::World;

/// Sends requests through tunnels.
pub(super) struct SendOnTunnel<'a, W: World>(pub(super) &'a Context<W>);

impl<'r, W: World, B: ProxyBody> HttpService<Routed<'r, B>> for SendOnTunnel<'_, W> {
    type Response = Response<LeasedBody<W>>;
    type Error = TryError;

    async fn call(&self, Routed { target, request }: Routed<'r, B>) -> Result<Self::Response, TryError> {
        let lease = acquire(self.0, target).await?;
        let tunnel = lease.tunnel();
        send_on_tunnel(self.0, lease, request).await.map_err(|failure| match failure {
            Failure::Request(reply) => TryError::Failed(reply),
            Failure::Stream(loss, reply) => TryError::Lost(tunnel, loss, reply),
            Failure::Full => TryError::Lost(tunnel, UNSENT, LocalReply::Saturated),
            Failure::Tunnel(loss) => {
                self.0.report(Event::ConnectionLost { tunnel });
                TryError::Lost(tunnel, loss, LocalReply::TunnelLost)
            }
        })
    }
}

async fn acquire<W: World>(context: &Context<W>, target: Target<'_>) -> Result<Lease<W>, TryError> {
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
            Err(TryError::Failed(refusal.into()))
        }
    }
}

/// Why there is no response.
enum Failure {
    /// The request was not sent: no tunnel takes it.
    Request(LocalReply),
    /// The request was not sent: the initiator takes no more of them at the same time.
    Full,
    /// The request's stream failed while the tunnel goes on. The reply is the caller's if there is no other try.
    Stream(Loss, LocalReply),
    /// The tunnel takes no more requests.
    Tunnel(Loss),
}

/// The tunnel did not take the request.
const UNSENT: Loss = Loss { progress: Progress::Unsent, replayable: true };

impl Failure {
    /// The stream ended with `error` before a response came. `replayable`: all of the request can be sent again.
    fn of(error: &h2::Error, replayable: bool) -> Self {
        let reason = error.reason();
        let loss = |progress| Loss { progress, replayable };
        if is_closed(error) {
            // Only streams beyond the last one that the peer processes end with its GOAWAY (RFC 9113 §6.8).
            let not_processed = error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR);
            Self::Tunnel(loss(if not_processed { Progress::Refused } else { Progress::Sent }))
        } else if error.is_remote() && reason == Some(h2::Reason::REFUSED_STREAM) {
            Self::Stream(loss(Progress::Refused), LocalReply::StreamReset)
        } else if error.is_library() {
            Self::Stream(loss(Progress::Failed), LocalReply::UpstreamProtocolError)
        } else {
            Self::Stream(loss(Progress::Failed), LocalReply::StreamReset)
        }
    }
}

/// Sends `request`, and takes its body.
async fn send_on_tunnel<W: World, B: ProxyBody>(
    context: &Context<W>,
    mut lease: Lease<W>,
    request: &mut ProxyRequest<B>,
) -> Result<Response<LeasedBody<W>>, Failure> {
    let Some(client) = lease.handle().client().await else { return Err(Failure::Tunnel(UNSENT)) };
    wait_for_room(context, &mut lease, &client).await?;
    let Some(mut client) = client.ready().await else { return Err(Failure::Tunnel(UNSENT)) };
    let max_header_bytes = client.max_header_list_bytes(context.http.header_bytes);
    if request_list_bytes(&request.head) > max_header_bytes {
        return Err(Failure::Request(LocalReply::HeadersTooLargeForNode));
    }
    let ends = request.body.is_none();
    let expects = !ends && expects_continue(&request.head.headers);
    let spare = clone_head(&request.head);
    let head = mem::replace(&mut request.head, spare);
    let (mut response, stream) = match client.send(Request::from_parts(head, ()), ends) {
        Ok(sent) => sent,
        // The tunnel has ended since.
        Err(error) if is_closed(&error) => return Err(Failure::Tunnel(UNSENT)),
        // No tunnel takes this request.
        Err(_) => return Err(Failure::Request(LocalReply::MalformedRequest)),
    };
    let mut body = request.body.take().map(|body| (body, stream));
    let mut upload = None;
    let mut waiting = expects.then(|| Box::pin(context.world.sleep_until(context.world.now().after(CONTINUE_TIMEOUT))));
    let mut incomplete = false;
    let responded = poll_fn(|task| {
        waiting.take_if(|late| told_to_continue(&mut response, task) || late.as_mut().poll(task).is_ready());
        if waiting.is_none()
            && let Some((body, stream)) = body.take()
        {
            upload = Some(Box::pin(upload_to(body, stream, max_header_bytes)));
        }
        if let Some(Poll::Ready(sent)) = upload.as_mut().map(|upload| upload.as_mut().poll(task)) {
            upload = None;
            incomplete = sent == Sent::Incomplete;
        }
        Pin::new(&mut response).poll(task)
    });
    let response = match responded.await {
        Ok(response) => response,
        Err(_) if incomplete => return Err(Failure::Request(LocalReply::RequestIncomplete)),
        Err(error) => return Err(Failure::of(&error, ends)),
    };
    let unsent = expects && (body.is_some() || upload.is_some());
    let lease = Arc::new(lease);
    if let Some(upload) = upload {
        // The service responds before it has the complete request.
        let held = Arc::clone(&lease);
        context.world.spawn(async move {
            upload.await;
            drop(held);
        });
    }
    let (mut head, stream) = response.into_parts();
    if unsent {
        // The caller may send the body all the same, or never.
        head.extensions.insert(CloseConnection);
    }
    if let Some((body, _)) = body {
        body.discard();
    }
    let body = LeasedBody::new(RecvBody::new(stream, &head.headers), lease);
    Ok(Response::from_parts(head, body))
}

/// Counts the request as sent if the initiator takes one more. The HTTP/2 library would queue it, where nobody sees that it waits.
/// Until the initiator has said how many it takes, one is sent, and the others wait for its SETTINGS.
async fn wait_for_room<W: World>(
    context: &Context<W>,
    lease: &mut Lease<W>,
    client: &TunnelClient,
) -> Result<(), Failure> {
    let max_streams = match client.max_streams() {
        MaxStreams::Unknown if lease.try_send(1) => return Ok(()),
        MaxStreams::Unknown => client.max_streams_after(MaxStreams::Unknown).await,
        known @ (MaxStreams::Announced(_) | MaxStreams::Closed) => known,
    };
    match max_streams {
        MaxStreams::Announced(limit) if lease.try_send(limit) => Ok(()),
        MaxStreams::Announced(max_concurrent_streams) => {
            // While the lease is held, so that the machine does not give the place to this request again.
            let tunnel = lease.tunnel();
            context.report(Event::SettingsReceived { tunnel, max_concurrent_streams });
            Err(Failure::Full)
        }
        MaxStreams::Unknown | MaxStreams::Closed => Err(Failure::Tunnel(UNSENT)),
    }
}

/// Whether 100 Continue came.
fn told_to_continue(response: &mut ResponseFuture, task: &mut Task<'_>) -> bool {
    while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(task) {
        if interim.status() == StatusCode::CONTINUE {
            return true;
        }
    }
    false
}

async fn upload_to<B: ProxyBody>(
    mut body: DownstreamBody<B>,
    mut stream: SendStream<Bytes>,
    max_trailers: usize,
) -> Sent {
    send_body(Pin::new(&mut body), &mut stream, max_trailers).await
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

/// Whether the tunnel ended, not only this request's stream.
fn is_closed(lost: &h2::Error) -> bool {
    lost.is_io() || lost.is_go_away()
}
