//! A request on its way from its caller to a tunnel.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use http_body::Body;

use super::body::DownstreamBody;
use super::stream_request::StreamRequest;
use crate::error::BoxError;
use crate::http::{Activity, HeaderSummary, SavedHead};

/// The body of a request, whoever its caller is.
pub(in crate::responder) trait ProxyBody:
    Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static
{
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static> ProxyBody for B {}

/// A request. Layers pass it by reference: its head alone has 224 bytes.
pub(in crate::responder) struct ProxyRequest<B: ProxyBody> {
    /// What is left of the caller's head, then the head for the tunnel; nothing while it is there.
    pub(super) head: Parts,
    /// The head for the tunnel, once it was sent.
    saved: Option<SavedHead>,
    /// What the caller's headers were.
    pub(super) summary: HeaderSummary,
    /// None if it is empty, or sent.
    pub(super) body: Option<DownstreamBody<B>>,
    /// What it asks for, if that is a stream, once it is known.
    pub(super) stream: Option<StreamRequest>,
    /// Takes interim responses.
    pub(super) activity: Arc<Activity>,
}

impl<B: ProxyBody> ProxyRequest<B> {
    pub(in crate::responder) fn new(mut head: Parts, body: DownstreamBody<B>, activity: &Arc<Activity>) -> Self {
        let summary = HeaderSummary::of_caller(&head.headers);
        if head.method == Method::CONNECT {
            // What comes on its stream is no body.
            body.discard();
            return Self { head, saved: None, summary, body: None, stream: None, activity: Arc::clone(activity) };
        }
        let body = (!body.is_end_stream()).then_some(body);
        if body.is_none() && summary.has_expect {
            head.headers.remove(EXPECT);
        }
        let usually_has_body = ![Method::GET, Method::HEAD, Method::DELETE].contains(&head.method);
        if body.is_none() && usually_has_body {
            head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        Self { head, saved: None, summary, body, stream: None, activity: Arc::clone(activity) }
    }

    /// Takes the head, to send it. `saved` is a copy.
    pub(super) fn take_head(&mut self, saved: SavedHead) -> Request<()> {
        self.saved = Some(saved);
        let (nothing, ()) = Request::new(()).into_parts();
        Request::from_parts(mem::replace(&mut self.head, nothing), ())
    }

    /// Has the head that was sent there once more.
    pub(super) fn restore_head(&mut self) {
        if let Some(saved) = self.saved.take() {
            self.head = saved.restore();
        }
    }
}

/// Clones the head of a request, without its extensions.
pub(super) fn clone_head(head: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method.clone_from(&head.method);
    copy.uri.clone_from(&head.uri);
    copy.version = head.version;
    copy.headers.clone_from(&head.headers);
    copy
}

/// The head of a request of tests, without a body.
#[cfg(test)]
pub(super) fn without_body(request: http::request::Builder) -> ProxyRequest<http_body_util::Empty<Bytes>> {
    let activity = Activity::new();
    let (head, body) = request.body(http_body_util::Empty::new()).expect("a legal request").into_parts();
    ProxyRequest::new(head, DownstreamBody::new(body, &activity), &activity)
}
