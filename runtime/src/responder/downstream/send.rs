//! The innermost service: acquires a tunnel, and sends a request on it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::{Response, StatusCode};
use revtun_core::responder::retry::CONTINUE_TIMEOUT;
use revtun_core::responder::{Event, Target};

use super::body::{DownstreamBody, LeasedBody};
use super::proxy_request::{ProxyBody, ProxyRequest};
use super::retry::TryError;
use super::route::Routed;
use super::stream_limit::take_stream;
use super::try_failure::{Failure, is_closed};
use super::upgrade::open_stream;
use crate::http::{Activity, HttpService, RecvBody, SavedHead, Sent, expects_continue, send_body};
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
        let sent = match request.stream.clone() {
            Some(stream) => Box::pin(open_stream(self.0, lease, &request.head, &stream)).await,
            None => send_on_tunnel(self.0, lease, request).await,
        };
        sent.map_err(|failure| match failure {
            Failure::Request(reply) => TryError::Failed(reply),
            Failure::Stream(loss, reply) => TryError::Lost(tunnel, loss, reply),
            Failure::Full => TryError::Lost(tunnel, Failure::NOT_SENT, LocalReply::Saturated),
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

/// Sends `request`, and takes its body.
async fn send_on_tunnel<W: World, B: ProxyBody>(
    context: &Context<W>,
    mut lease: Lease<W>,
    request: &mut ProxyRequest<B>,
) -> Result<Response<LeasedBody<W>>, Failure> {
    let Some(client) = lease.handle().client().await else { return Err(Failure::UNSENT) };
    take_stream(context, &mut lease, &client).await?;
    let Some(mut client) = client.ready().await else { return Err(Failure::UNSENT) };
    let max_header_bytes = client.max_header_list_bytes(context.http.header_bytes);
    let ends = request.body.is_none();
    let expects = !ends && expects_continue(&request.head.headers);
    let saved = SavedHead::of(&request.head);
    if saved.list_bytes() > max_header_bytes {
        return Err(Failure::Request(LocalReply::HeadersTooLargeForNode));
    }
    let (mut response, stream) = match client.send(request.take_head(saved), ends) {
        Ok(sent) => sent,
        // The tunnel has ended since.
        Err(error) if is_closed(&error) => return Err(Failure::UNSENT),
        // No tunnel takes this request.
        Err(_) => return Err(Failure::Request(LocalReply::MalformedRequest)),
    };
    let mut body = request.body.take().map(|body| (body, stream));
    let mut upload = None;
    let mut waiting = expects.then(|| Box::pin(context.world.sleep_until(context.world.now().after(CONTINUE_TIMEOUT))));
    let mut incomplete = false;
    let responded = poll_fn(|task| {
        let continues = pass_on_interim(&mut response, &request.activity, task);
        waiting.take_if(|late| continues || late.as_mut().poll(task).is_ready());
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
    let body = LeasedBody::new(RecvBody::new(stream, &head.headers), Some(lease));
    Ok(Response::from_parts(head, body))
}

/// Passes on the interim responses that have come. Returns whether 100 Continue is among them.
fn pass_on_interim(response: &mut ResponseFuture, activity: &Activity, task: &mut Task<'_>) -> bool {
    let mut continues = false;
    while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(task) {
        continues |= interim.status() == StatusCode::CONTINUE;
        activity.interim.push(interim.status(), interim.headers());
    }
    continues
}

async fn upload_to<B: ProxyBody>(
    mut body: DownstreamBody<B>,
    mut stream: SendStream<Bytes>,
    max_trailers: usize,
) -> Sent {
    send_body(Pin::new(&mut body), &mut stream, max_trailers).await
}
