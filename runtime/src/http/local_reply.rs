//! Responses that are ours and not those of the service behind the tunnel.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use revtun_core::grpc;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

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

/// A local reply to a call of gRPC: its status alone, in what would be its trailers. `status` is the one of gRPC; none is that
/// which stands for the one of HTTP.
pub(crate) fn grpc_local_reply(reply: Response<Full<Bytes>>, status: Option<u8>, text: &str) -> Response<Full<Bytes>> {
    let (mut head, _) = reply.into_parts();
    let status = status.unwrap_or_else(|| grpc::status_of_http(head.status.as_u16()));
    head.status = StatusCode::OK;
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.headers.extend(grpc_trailers(status, text));
    Response::from_parts(head, Full::default())
}

/// What ends a call of gRPC with this status.
pub(crate) fn grpc_trailers(status: u8, text: &str) -> HeaderMap {
    let mut trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from(u16::from(status)))]);
    trailers.extend(HeaderValue::try_from(grpc::message(text.trim_ascii_end())).map(|text| (GRPC_MESSAGE, text)));
    trailers
}

/// Whether a request is a call of gRPC.
pub(crate) fn is_grpc(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && headers.get(CONTENT_TYPE).is_some_and(|value| grpc::is_grpc(value.as_bytes()))
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

    #[test]
    fn a_call_of_grpc_gets_a_status_of_grpc() {
        let reply = || local_reply(StatusCode::NOT_FOUND, "no-route", "no route\n");
        let unimplemented = grpc_local_reply(reply(), None, "no route\n");
        assert_eq!(
            (unimplemented.status(), http_body::Body::is_end_stream(unimplemented.body())),
            (StatusCode::OK, true)
        );
        let header = |name: &str| unimplemented.headers()[name].to_str().unwrap();
        let told = ["content-type", "grpc-status", "grpc-message", "x-revtun-reason"].map(header);
        assert_eq!(told, ["application/grpc", "12", "no route", "no-route"]);
        assert_eq!(grpc_local_reply(reply(), Some(grpc::DEADLINE_EXCEEDED), "").headers()["grpc-status"], "4");
    }

    #[test]
    fn calls_of_grpc_are_known() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"))]);
        assert!(is_grpc(&Method::POST, &headers));
        assert!(!is_grpc(&Method::GET, &headers) && !is_grpc(&Method::POST, &HeaderMap::new()));
    }
}
