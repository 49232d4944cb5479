//! A request on its way from its caller to a tunnel.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use http_body::Body;

use super::body::DownstreamBody;
use super::stream_request::StreamRequest;
use crate::error::BoxError;

/// The body of a request, whoever its caller is.
pub(in crate::responder) trait ProxyBody:
    Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static
{
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static> ProxyBody for B {}

/// A request. Layers pass it by reference: its head alone has 224 bytes.
pub(in crate::responder) struct ProxyRequest<B: ProxyBody> {
    /// What is left of the caller's head, and at last the head for the tunnel.
    pub(super) head: Parts,
    /// None if it is empty, or sent.
    pub(super) body: Option<DownstreamBody<B>>,
    /// What it asks for, if that is a stream, once it is known.
    pub(super) stream: Option<StreamRequest>,
}

impl<B: ProxyBody> ProxyRequest<B> {
    pub(in crate::responder) fn new(request: Request<DownstreamBody<B>>) -> Self {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            // What comes on its stream is no body.
            body.discard();
            return Self { head, body: None, stream: None };
        }
        let body = (!body.is_end_stream()).then_some(body);
        if body.is_none() {
            head.headers.remove(EXPECT);
        }
        let usually_has_body = ![Method::GET, Method::HEAD, Method::DELETE].contains(&head.method);
        if body.is_none() && usually_has_body {
            head.headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static("0"));
        }
        Self { head, body, stream: None }
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
    let activity = crate::http::Activity::new();
    let request = request.body(http_body_util::Empty::new()).expect("a legal request");
    ProxyRequest::new(request.map(|body| DownstreamBody::new(body, &activity)))
}
