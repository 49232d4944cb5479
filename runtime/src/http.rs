//! What both ends do to HTTP messages that pass through: hop-by-hop headers, and answers of our own.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use http::{Response, StatusCode};
use http_body_util::Full;

/// Says in a short word why an answer is ours and not that of the service behind the tunnel.
pub const REASON: HeaderName = HeaderName::from_static("x-revtun-reason");

/// Whether headers of this name are about one connection only. `proxy-status` is not: it is for the caller.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    // Text is told apart by its length first, which a comparison with eight `HeaderName`s is not.
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Removes what must not pass from one connection to the next (RFC 9110 §7.6.1): the headers above, and those that
/// `connection` names. `te: trailers` stays, since trailers do pass.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // A look at each name that is there is cheaper than a look-up of each that may be.
    let present: Vec<_> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if present.is_empty() {
        return;
    }
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    let trailers = tokens(headers, TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    for name in present {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The size of a list of headers as HTTP/2 counts it (RFC 9113 §6.5.2).
#[must_use]
pub fn list_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// An answer of our own: `text` for people, `reason` for machines.
#[must_use]
pub fn own_answer(status: StatusCode, reason: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.headers_mut().insert(REASON, HeaderValue::from_static(reason));
    answer
}

/// Whom a message is for and how long it is are never a matter of one connection; a peer that says so may not
/// strip them.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, CONNECTION)
        // Many a server says it with every answer, and it is hop-by-hop by itself.
        .filter(|token| !token.eq_ignore_ascii_case("keep-alive"))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != TE)
        .collect()
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(headers: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut map);
        let mut kept: Vec<_> =
            map.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        kept.sort();
        kept
    }

    fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn headers_of_one_connection_do_not_pass() {
        let kept = stripped(&[
            ("connection", "keep-alive, X-Mine"),
            ("connection", "upgrade"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eA=="),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        assert_eq!(kept, pairs(&[("accept", "*/*")]));
    }

    #[test]
    fn trailers_stay_welcome_and_other_codings_do_not() {
        assert_eq!(stripped(&[("connection", "te"), ("te", "gzip, Trailers")]), pairs(&[("te", "trailers")]));
    }

    #[test]
    fn what_every_hop_needs_cannot_be_named_away() {
        let kept = stripped(&[
            ("connection", "host, content-length,, @"),
            ("host", "a"),
            ("content-length", "3"),
            ("proxy-status", "a; error=dns_timeout"),
            ("trailer", "grpc-status"),
        ]);
        assert_eq!(
            kept,
            pairs(&[
                ("content-length", "3"),
                ("host", "a"),
                ("proxy-status", "a; error=dns_timeout"),
                ("trailer", "grpc-status")
            ])
        );
    }

    #[test]
    fn an_answer_of_our_own_says_why() {
        let answer = own_answer(StatusCode::BAD_GATEWAY, "service-unreachable", "no");
        assert_eq!(answer.status(), 502);
        assert_eq!(answer.headers()[REASON], "service-unreachable");
    }
}
