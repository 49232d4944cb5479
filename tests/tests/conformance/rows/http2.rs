//! Heads of requests over HTTP/2.

use crate::row::{Fields, Row, http2, http2_frames, last_data, open, request};

pub(crate) fn rows() -> Vec<Row> {
    [pseudo(), authorities(), fields(), lengths()].concat()
}

const TO: (&str, &str) = ("x-node-id", "node-a");
const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/row");
const AUTHORITY: (&str, &str) = (":authority", "a.example");

fn pseudo() -> Vec<Row> {
    let section = "RFC 9113 §8.3.1";
    let order = "RFC 9113 §8.3";
    let malformed = |name: &str, section, fields: Fields<'_>| http2(name, section, fields).refused();
    vec![
        http2("a usual request", section, &[METHOD, SCHEME, PATH, AUTHORITY, TO])
            .sees("GET /row HTTP/1.1\r\n")
            .sees("host: a.example\r\n"),
        malformed("no method", section, &[SCHEME, PATH, AUTHORITY, TO]),
        malformed("no scheme", section, &[METHOD, PATH, AUTHORITY, TO]),
        malformed("no path", section, &[METHOD, SCHEME, AUTHORITY, TO]),
        malformed("an empty path", section, &[METHOD, SCHEME, (":path", ""), AUTHORITY, TO]),
        malformed("a path without a slash", section, &[METHOD, SCHEME, (":path", "row"), AUTHORITY, TO]),
        malformed("two methods", order, &[METHOD, METHOD, SCHEME, PATH, AUTHORITY, TO]),
        malformed("two paths", order, &[METHOD, SCHEME, PATH, (":path", "/hidden"), AUTHORITY, TO]),
        malformed("two authorities", order, &[METHOD, SCHEME, PATH, AUTHORITY, AUTHORITY, TO]),
        malformed("a pseudo-header behind a field", order, &[METHOD, SCHEME, TO, PATH, AUTHORITY]),
        malformed("a pseudo-header nobody knows", order, &[METHOD, SCHEME, PATH, AUTHORITY, (":more", "1"), TO]),
        malformed("a status in a request", order, &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200"), TO]),
        malformed("a method with a space", section, &[(":method", "GET /x"), SCHEME, PATH, AUTHORITY, TO]),
        malformed("a path with a space", section, &[METHOD, SCHEME, (":path", "/row HTTP/1.1"), AUTHORITY, TO]),
        malformed("a path with a line end", section, &[METHOD, SCHEME, (":path", "/row\r\nx: 1"), AUTHORITY, TO]),
        http2("a scheme of https", section, &[METHOD, (":scheme", "https"), PATH, AUTHORITY, TO]),
        http2("OPTIONS *", section, &[(":method", "OPTIONS"), SCHEME, (":path", "*"), AUTHORITY, TO])
            .sees("OPTIONS * HTTP"),
        malformed("GET *", section, &[METHOD, SCHEME, (":path", "*"), AUTHORITY, TO]),
        http2("a path with a fragment", section, &[METHOD, SCHEME, (":path", "/row#part"), AUTHORITY, TO])
            .or_refused()
            .misses("#part"),
        malformed("CONNECT", "RFC 9113 §8.5", &[(":method", "CONNECT"), (":authority", "a.example:80"), TO]),
        malformed("CONNECT with a path", "RFC 9113 §8.5", &[(":method", "CONNECT"), SCHEME, PATH, AUTHORITY, TO]),
        // The service does not switch.
        http2(
            "an extended CONNECT",
            "RFC 8441 §4",
            &[(":method", "CONNECT"), (":protocol", "websocket"), SCHEME, PATH, AUTHORITY, TO],
        )
        .or_refused(),
        http2("a method nobody knows", "RFC 9110 §9.1", &[(":method", "BREW"), SCHEME, PATH, AUTHORITY, TO])
            .sees("BREW /row HTTP"),
        http2("a query", section, &[METHOD, SCHEME, (":path", "/row?a=%26&b"), AUTHORITY, TO])
            .sees("GET /row?a=%26&b HTTP"),
    ]
}

fn authorities() -> Vec<Row> {
    let section = "RFC 9113 §8.3.1";
    let with = |authority| vec![METHOD, SCHEME, PATH, (":authority", authority), TO];
    vec![
        http2("a host for an authority", section, &[METHOD, SCHEME, PATH, ("host", "b.example"), TO])
            .sees("host: b.example\r\n"),
        http2("neither authority nor host", section, &[METHOD, SCHEME, PATH, TO]).or_refused(),
        http2("an empty authority", section, &with("")).or_refused(),
        http2("an authority with userinfo", section, &with("me:you@a.example")).or_refused().misses("me:you"),
        http2("an authority with a path", section, &with("a.example/b")).refused(),
        http2("an authority with a port", section, &with("a.example:81")).sees("host: a.example:81\r\n"),
        http2("an authority of IPv6", section, &with("[2001:db8::1]")).sees("host: [2001:db8::1]\r\n"),
        http2("an authority and the same host", section, &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "a.example"), TO])
            .sees("host: a.example\r\n"),
        http2("an authority and another host", section, &[METHOD, SCHEME, PATH, AUTHORITY, ("host", "b.example"), TO])
            .or_refused()
            .misses("b.example"),
        http2("a host with userinfo", section, &[METHOD, SCHEME, PATH, ("host", "me@b.example"), TO])
            .or_refused()
            .misses("me@"),
        http2("two hosts", section, &[METHOD, SCHEME, PATH, ("host", "a.example"), ("host", "b.example"), TO])
            .refused(),
    ]
}

fn fields() -> Vec<Row> {
    let section = "RFC 9113 §8.2.1";
    let specific = "RFC 9113 §8.2.2";
    let malformed = |name: &str, section, field| http2(name, section, &request("GET", &[field])).refused();
    let mut rows = vec![
        malformed("a capital in a name", section, ("X-One", "1")),
        malformed("a space in a name", section, ("x one", "1")),
        malformed("a colon in a name", section, ("x:one", "1")),
        malformed("an empty name", section, ("", "1")),
        malformed("a line end in a name", section, ("x-one\r\nx-two", "1")),
        malformed("a line end in a value", section, ("x-one", "1\r\nx-two: 2")),
        malformed("a LF in a value", section, ("x-one", "1\nx-two: 2")),
        malformed("a NUL in a value", section, ("x-one", "a\0b")),
        malformed("a request in a value", section, ("x-one", "1\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n")),
        malformed("connection", specific, ("connection", "close")),
        malformed("keep-alive", specific, ("keep-alive", "timeout=5")),
        malformed("proxy-connection", specific, ("proxy-connection", "keep-alive")),
        malformed("transfer-encoding", specific, ("transfer-encoding", "chunked")),
        malformed("upgrade", specific, ("upgrade", "websocket")),
        malformed("te with gzip", specific, ("te", "gzip")),
    ];
    let with = |name: &str, section, fields: Fields<'_>| http2(name, section, &request("GET", fields));
    rows.extend([
        with("te with trailers", specific, &[("te", "trailers")]),
        with("a space before a value", section, &[("x-one", " a")]).or_refused().sees("x-one: a\r\n"),
        with("a space behind a value", section, &[("x-one", "a ")]).or_refused().sees("x-one: a\r\n"),
        with("an empty value", "RFC 9110 §5.5", &[("x-one", "")]).sees("x-one: \r\n"),
        with("cookies in two fields", "RFC 9113 §8.2.3", &[("cookie", "a=1"), ("cookie", "b=2")])
            .sees("cookie: a=1; b=2\r\n"),
        with(
            "cookies in many fields",
            "RFC 9113 §8.2.3",
            &[("cookie", "a=1; b=2"), ("x-one", "1"), ("cookie", "c=3"), ("cookie", "d=4")],
        )
        .sees("cookie: a=1; b=2; c=3; d=4\r\n"),
        with("http2-settings", "RFC 9113 §3.1", &[("http2-settings", "AAMAAABk")]),
    ]);
    rows
}

fn lengths() -> Vec<Row> {
    let section = "RFC 9113 §8.1.1";
    let post = |length, body: &[u8]| [open("POST", &[("content-length", length)]), last_data(body)];
    let wrong = |name: &str, length, body: &[u8]| {
        http2_frames(name, section, &post(length, body)).refused().requests(&[0, 1]).misses("(whole)")
    };
    vec![
        http2_frames("a length", section, &post("5", b"hello")).sees("hello (whole)"),
        http2_frames("a body without a length", section, &[open("POST", &[]), last_data(b"hello")])
            .sees("hello (whole)"),
        http2_frames("a body of nothing", section, &[open("POST", &[]), last_data(b"")]).sees("POST /row"),
        wrong("a length that is too large", "6", b"hello"),
        wrong("a length that is too small", "4", b"hello"),
        wrong("a length that is none", "five", b"hello"),
        wrong("a length with a sign", "+5", b"hello"),
        http2("a length without a body", section, &request("POST", &[("content-length", "5")]))
            .refused()
            .requests(&[0, 1])
            .misses("(whole)"),
        http2_frames(
            "two lengths",
            section,
            &[open("POST", &[("content-length", "5"), ("content-length", "4")]), last_data(b"hello")],
        )
        .refused()
        .requests(&[0, 1])
        .misses("(whole)"),
        http2_frames(
            "twice the same length",
            section,
            &[open("POST", &[("content-length", "5"), ("content-length", "5")]), last_data(b"hello")],
        )
        .or_refused()
        .misses("content-length: 5\r\ncontent-length"),
        http2("GET with a length of nothing", section, &request("GET", &[("content-length", "0")])),
    ]
}
