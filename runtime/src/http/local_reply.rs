//! Responses that are ours and not those of the service behind the tunnel.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

/// Says in a short word why a response is a local reply.
pub const REASON: HeaderName = HeaderName::from_static("x-revtun-reason");

/// A local reply: `text` for people, `reason` for machines.
#[must_use]
pub fn local_reply(status: StatusCode, reason: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(text.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply.headers_mut().insert(REASON, HeaderValue::from_static(reason));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_reply_gives_its_reason() {
        let reply = local_reply(StatusCode::BAD_GATEWAY, "service-unreachable", "no");
        assert_eq!(reply.status(), 502);
        assert_eq!(reply.headers()[REASON], "service-unreachable");
    }
}
