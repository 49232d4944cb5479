//! Headers that concern one connection only, and must not pass from one to the next.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
};
use revtun_core::forwarding::claim;
use revtun_core::http::may_be_trailer;

/// What a header counts besides its name and value (RFC 9113 §6.5.2).
pub(super) const HEADER_OVERHEAD: usize = 32;

/// Whether headers of this name concern one connection only. `proxy-status` and `proxy-authenticate` do not: they are for the client.
fn is_hop_by_hop(name: &str) -> bool {
    // Matching text compares lengths first; comparing eight `HeaderName`s would not.
    matches!(
        name,
        "connection"
            | "keep-alive"
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
    let present: Vec<_> = headers.keys().filter(|name| is_hop_by_hop(name.as_str())).cloned().collect();
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

/// Whether the client sends its body only if it is told to, or after a while (RFC 9110 §10.1.1).
pub(crate) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether chunked is the one transfer coding, of those that are named.
pub(crate) fn is_only_chunked(headers: &HeaderMap) -> bool {
    let mut codings = tokens(headers, TRANSFER_ENCODING);
    codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) && codings.next().is_none()
}

/// Headers that say different things of a body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// Makes one of several equal content-lengths (RFC 9110 §8.6).
pub(crate) fn single_length(headers: &mut HeaderMap) -> Result<(), Ambiguous> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).into_iter();
    let (Some(first), Some(second)) = (lengths.next(), lengths.next()) else { return Ok(()) };
    if first != second || lengths.any(|length| length != first) {
        return Err(Ambiguous);
    }
    let length = first.clone();
    headers.insert(CONTENT_LENGTH, length);
    Ok(())
}

/// Removes what may not stand behind a body.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    let illegal: Vec<_> = trailers.keys().filter(|name| !may_be_trailer(name.as_str())).cloned().collect();
    for name in illegal {
        trailers.remove(name);
    }
}

/// Joins cookies that HTTP/2 had in several headers (RFC 9113 §8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).into_iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let all: Vec<_> = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..])).expect("header values joined are a header value");
    headers.insert(COOKIE, joined);
}

/// The size of a list of headers as HTTP/2 counts it (RFC 9113 §6.5.2).
#[must_use]
pub fn header_list_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD).sum()
}

/// What a list of headers holds, by one walk: to look up one name costs as much as to walk past five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderSummary {
    /// Its size as HTTP/2 counts it.
    pub(crate) list_bytes: usize,
    /// Whether there is anything for [`strip_hop_by_hop`], such as `transfer-encoding`, `connection` and `upgrade`.
    pub(crate) has_hop_by_hop: bool,
    /// How often `host` is there.
    pub(crate) hosts: usize,
    pub(crate) has_content_length: bool,
    pub(crate) has_cookie: bool,
    pub(crate) has_expect: bool,
    /// Whether there is the reason of a local reply.
    pub(crate) has_reason: bool,
    /// Whether there is any that says what only a proxy can know: see [`claim`]. Asked of callers only.
    pub(crate) has_claims: bool,
}

impl HeaderSummary {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self::walk::<false>(headers)
    }

    /// That of the headers of a caller.
    pub(crate) fn of_caller(headers: &HeaderMap) -> Self {
        Self::walk::<true>(headers)
    }

    fn walk<const IS_CALLER: bool>(headers: &HeaderMap) -> Self {
        let mut summary = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            summary.list_bytes += name.len() + value.len() + HEADER_OVERHEAD;
            summary.has_claims |= IS_CALLER && claim(name).is_some();
            // By their lengths first: most names have another one, and need no comparison.
            match name.len() {
                4 => summary.hosts += usize::from(name == "host"),
                6 => {
                    summary.has_cookie |= name == "cookie";
                    summary.has_expect |= name == "expect";
                }
                14 => summary.has_content_length |= name == "content-length",
                15 => summary.has_reason |= name == "x-revtun-reason",
                2 | 7 | 10 | 16 | 17 | 19 => summary.has_hop_by_hop |= is_hop_by_hop(name),
                _ => {}
            }
        }
        summary
    }
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

/// The elements of the list that all headers of this name make (RFC 9110 §5.6.1).
pub(crate) fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
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
    fn a_summary_is_what_look_ups_find() {
        const HOP_BY_HOP: [&str; 7] = [
            "connection",
            "keep-alive",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "transfer-encoding",
            "upgrade",
        ];
        let others = ["host", "accept", "content-length", "cookie", "expect", "x-revtun-reason", "x-forwarded-proto"];
        let names: Vec<_> = HOP_BY_HOP.into_iter().chain(others).collect();
        for number in 0..1 << names.len() {
            let mut headers = HeaderMap::new();
            for (_, name) in names.iter().enumerate().filter(|(bit, _)| number & (1 << bit) != 0) {
                headers.append(*name, HeaderValue::from_static("a"));
                headers.append(*name, HeaderValue::from_static("b, c"));
            }
            let has = |name| headers.contains_key(name);
            let expected = HeaderSummary {
                list_bytes: header_list_bytes(&headers),
                has_hop_by_hop: HOP_BY_HOP.into_iter().any(has),
                hosts: headers.get_all("host").iter().count(),
                has_content_length: has("content-length"),
                has_cookie: has("cookie"),
                has_expect: has("expect"),
                has_reason: has("x-revtun-reason"),
                has_claims: has("x-revtun-reason") || has("x-forwarded-proto"),
            };
            assert_eq!(HeaderSummary::of_caller(&headers), expected, "{headers:?}");
            assert_eq!(HeaderSummary::of(&headers), HeaderSummary { has_claims: false, ..expected }, "{headers:?}");
        }
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

    fn several(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn equal_lengths_are_one() {
        let mut equal = several(CONTENT_LENGTH, &["5", "5", "5"]);
        assert_eq!(single_length(&mut equal), Ok(()));
        assert_eq!(equal, several(CONTENT_LENGTH, &["5"]));
        assert_eq!(single_length(&mut several(CONTENT_LENGTH, &["5", "5", "4"])), Err(Ambiguous));
        assert_eq!(single_length(&mut several(CONTENT_LENGTH, &["5", "05"])), Err(Ambiguous));
    }

    #[test]
    fn cookies_are_joined() {
        let mut cookies = several(COOKIE, &["a=1; b=2", "c=3", "d"]);
        join_cookies(&mut cookies);
        assert_eq!(cookies, several(COOKIE, &["a=1; b=2; c=3; d"]));
    }

    #[test]
    fn trailers_are_only_what_may_be_one() {
        let mut trailers = several(CONTENT_LENGTH, &["5"]);
        trailers.insert("x-sum", HeaderValue::from_static("1"));
        strip_trailers(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
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
