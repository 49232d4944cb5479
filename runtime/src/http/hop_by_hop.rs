//! Headers that concern one connection only, and must not pass from one to the next.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE};

/// Whether headers of this name concern one connection only. `proxy-status` does not: it is for the client.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    // Matching text compares lengths first; comparing eight `HeaderName`s would not.
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

/// Removes hop-by-hop headers (RFC 9110 §7.6.1): those that are so by name, and those that `connection` lists. `te: trailers`
/// stays, since trailers are forwarded.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Looking at each header that is there is cheaper than looking up each that may be.
    let present: Vec<_> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if present.is_empty() {
        return;
    }
    for name in listed_by_connection(headers) {
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
pub fn header_list_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// The headers that `connection` lists, without `host` and `content-length`: those never concern one connection only, and a
/// peer that lists them may not have them removed.
fn listed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, CONNECTION)
        // Many servers send it with every response, and it is hop-by-hop by itself.
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
    fn hop_by_hop_headers_are_removed() {
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
    fn te_keeps_trailers_only() {
        assert_eq!(stripped(&[("connection", "te"), ("te", "gzip, Trailers")]), pairs(&[("te", "trailers")]));
    }

    #[test]
    fn connection_cannot_remove_host_or_content_length() {
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
}
