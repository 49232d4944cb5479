//! The innermost service: acquires a tunnel, and sends a request on it.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use http::request::Parts;
use http::{Request, Response};
use revtun_core::responder::retry::{Loss, Progress};
use revtun_core::responder::{Event, Target};

use super::body::{DownstreamBody, LeasedBody};
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::retry::TryError;
use super::route::Routed;
use crate::http::{HttpService, RecvBody, request_list_bytes, send_body};
use crate::responder::context::Context;
use crate::responder::local_reply::LocalReply;
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
            Failure::Refused { replayable } => TryError::Lost(tunnel, Loss { progress: Progress::Refused, replayable }),
            Failure::Tunnel(loss) => {
                self.0.report(Event::GoawayReceived { tunnel });
                TryError::Lost(tunnel, loss)
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
    /// The request's stream failed, and nothing else: the tunnel goes on.
    Request(LocalReply),
    /// The initiator did nothing about the request, and the tunnel goes on.
    Refused { replayable: bool },
    /// The tunnel takes no more requests.
    Tunnel(Loss),
}

impl Failure {
    /// The tunnel did not take the request.
    const UNSENT: Self = Self::Tunnel(Loss { progress: Progress::Unsent, replayable: true });

    /// The stream ended with `error` before a response came. `replayable`: all of the request can be sent again.
    fn of(error: &h2::Error, replayable: bool) -> Self {
        let reason = error.reason();
        if error.is_go_away() || error.is_io() {
            // Only streams beyond the last one that the peer processes end with its GOAWAY (RFC 9113 §6.8).
            let not_processed = error.is_go_away() && error.is_remote() && reason == Some(h2::Reason::NO_ERROR);
            let progress = if not_processed { Progress::Refused } else { Progress::Sent };
            Self::Tunnel(Loss { progress, replayable })
        } else if error.is_remote() && reason == Some(h2::Reason::REFUSED_STREAM) {
            Self::Refused { replayable }
        } else if error.is_remote() {
            Self::Request(LocalReply::UpstreamReset)
        } else if error.is_library() {
            Self::Request(LocalReply::UpstreamProtocolError)
        } else {
            // We have reset the stream ourselves, since the caller's body failed.
            Self::Request(LocalReply::RequestBodyFailed)
        }
    }
}

/// Sends `request`, and takes its body.
async fn send_on_tunnel<W: World, B: ProxyBody>(
    context: &Context<W>,
    lease: Lease<W>,
    request: &mut ProxyRequest<B>,
) -> Result<Response<LeasedBody<W>>, Failure> {
    let Some(client) = lease.handle().client().await else { return Err(Failure::UNSENT) };
    let Some(mut client) = client.ready().await else { return Err(Failure::UNSENT) };
    let max_header_bytes = client.max_header_list_bytes(context.http.header_bytes);
    if request_list_bytes(&request.head) > max_header_bytes {
        return Err(Failure::Request(LocalReply::HeadersTooLargeForNode));
    }
    let ends = request.body.is_none();
    let spare = clone_head(&request.head);
    let head = mem::replace(&mut request.head, spare);
    let (mut response, stream) = match client.send(Request::from_parts(head, ()), ends) {
        Ok(sent) => sent,
        // The tunnel has ended since.
        Err(error) if is_closed(&error) => return Err(Failure::UNSENT),
        // No tunnel takes this request.
        Err(_) => return Err(Failure::Request(LocalReply::MalformedRequest)),
    };
    let mut upload = request.body.take().map(|body| Box::pin(upload(body, stream, max_header_bytes)));
    let responded = poll_fn(|task| {
        // How it ends does not matter: if it fails, so does the stream.
        let _sent = upload.take_if(|upload| upload.as_mut().poll(task).is_ready());
        Pin::new(&mut response).poll(task)
    });
    let response = match responded.await {
        Ok(response) => response,
        Err(error) => return Err(Failure::of(&error, ends)),
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

async fn upload<B: ProxyBody>(mut body: DownstreamBody<B>, mut stream: SendStream<Bytes>, max_trailers: usize) {
    send_body(Pin::new(&mut body), &mut stream, max_trailers).await;
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
