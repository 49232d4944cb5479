//! A caller in the same process: sends requests through tunnels without a connection to the egress listener.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::context::Context;
use super::downstream::{LeasedBody, proxy};
use super::local_reply::LocalReply;
use crate::error::BoxError;
use crate::http::Activity;
use crate::world::World;

/// Sends requests to nodes and clusters through the tunnels of a responder. Cheap to clone.
///
/// The target is named as at the egress listener: by `x-node-id` or `x-cluster-id`, and `x-tenant-id` where tenants are isolated. All
/// that is said there of retries, limits and [`request_timeout`](super::ResponderConfig::request_timeout) holds here; the
/// [`body_timeout`](crate::http::HttpLimits::body_timeout) holds until the response comes, and then the reader of its body decides. No
/// `x-forwarded-*` is added.
///
/// It is always ready. Dropping the future of a response cancels the request, and so does dropping the response's body. It does
/// not keep the responder running: when that is dropped, requests fail with [`LocalReply::Draining`].
pub struct EgressClient<W: World>(Arc<Context<W>>);

impl<W: World> EgressClient<W> {
    pub(super) fn new(context: &Arc<Context<W>>) -> Self {
        Self(Arc::clone(context))
    }
}

impl<W: World> Clone for EgressClient<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W, B> Service<Request<B>> for EgressClient<W>
where
    W: World,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<LeasedBody<W>>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ClientError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let context = Arc::clone(&self.0);
        Box::pin(async move {
            let activity = Activity::new();
            let proxied = proxy(&context, &activity, request.map(Box::pin));
            let proxied = context.idle_timeout().apply(Arc::clone(&activity), proxied).await;
            proxied.unwrap_or(Err(LocalReply::StreamIdleTimeout)).map_err(|reply| {
                context.counters.local_reply(reply);
                ClientError::LocalReply(reply)
            })
        })
    }
}

/// Why a request has no response. Each message is a short phrase without a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The responder itself answers, where a caller at the egress listener would get a local reply.
    LocalReply(LocalReply),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalReply(reply) => write!(f, "{}: {reply}", reply.reason()),
        }
    }
}

impl Error for ClientError {}
