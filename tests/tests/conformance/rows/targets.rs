//! Request lines, targets and hosts of HTTP/1.1.

use crate::row::{Next, OK, Row, TO, answer, get, http1};

pub(crate) fn rows() -> Vec<Row> {
    [lines(), targets(), absolute(), hosts()].concat()
}

/// `GET /row HTTP/1.1` replaced by another request line.
fn line(line: &str) -> String {
    get("").replacen("GET /row HTTP/1.1", line, 1)
}

/// A request with these lines in place of the host's.
fn host(lines: &str) -> String {
    get("").replacen("host: a.example\r\n", lines, 1)
}

fn lines() -> Vec<Row> {
    let wire = "RFC 9112 §2.2";
    let version = "RFC 9112 §2.3";
    let request_line = "RFC 9112 §3";
    vec![
        http1("lines that end with LF alone", wire, get("").replace("\r\n", "\n")).or_refused(),
        http1("a CR within a value", wire, get("x-one: 1\rx-two: 2\r\n")).or_refused().misses("\nx-two"),
        http1("an empty line before the request", wire, format!("\r\n{}", get(""))),
        http1("a space behind the request line", wire, get("").replacen("host", " x: 1\r\nhost", 1)).refused(),
        http1("HTTP/1.2", version, line("GET /row HTTP/1.2")).or_refused(),
        http1("HTTP/2.0 in a request line", version, line("GET /row HTTP/2.0")).refused(),
        http1("HTTP without a minor version", version, line("GET /row HTTP/1")).refused(),
        http1("http in lower case", version, line("GET /row http/1.1")).refused(),
        http1("no version", version, line("GET /row")).refused(),
        http1("two spaces", request_line, line("GET  /row HTTP/1.1")).or_refused(),
        http1("a tab for a space", request_line, line("GET\t/row HTTP/1.1")).or_refused(),
        http1("a space at the end", request_line, line("GET /row HTTP/1.1 ")).or_refused(),
        http1("a method nobody knows", "RFC 9110 §9.1", line("BREW /row HTTP/1.1")).sees("BREW /row HTTP/1.1"),
        http1("a method in lower case", "RFC 9110 §9.1", line("get /row HTTP/1.1")).or_refused().sees("get /row"),
        http1("a method with a bracket", "RFC 9112 §3.1", line("G(T /row HTTP/1.1")).refused(),
        http1("no method", "RFC 9112 §3.1", line(" /row HTTP/1.1")).refused(),
        http1("an answer instead of a request", "RFC 9112 §2.1", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .refused(),
        http1("no HTTP at all", "RFC 9112 §2.2", "\x16\x03\x01\x02\r\n\r\n").refused(),
    ]
}

fn targets() -> Vec<Row> {
    let origin = "RFC 9112 §3.2.1";
    let long = format!("/row?{}", "a".repeat(7900));
    let longer = format!("/row?{}", "a".repeat(100_000));
    vec![
        http1("a query", origin, line("GET /row?a=b&c=%26 HTTP/1.1")).sees("GET /row?a=b&c=%26 HTTP"),
        http1("an empty query", origin, line("GET /row? HTTP/1.1")).sees("GET /row? HTTP"),
        http1("percent-encoded", origin, line("GET /row/a%2Fb%2fc%20 HTTP/1.1")).sees("GET /row/a%2Fb%2fc%20 HTTP"),
        http1("dots and empty segments", origin, line("GET /row//a/../b/./c HTTP/1.1"))
            .sees("GET /row//a/../b/./c HTTP"),
        http1("all that a path may have", "RFC 3986 §3.3", line("GET /row-._~!$&'()*+,;=:@ HTTP/1.1"))
            .sees("GET /row-._~!$&'()*+,;=:@ HTTP"),
        http1("a fragment", "RFC 9112 §3.2.1", line("GET /row#part HTTP/1.1")).or_refused().misses("#part"),
        http1("quotation marks and brackets", "RFC 3986 §2", line("GET /row?\"<a>\" HTTP/1.1"))
            .or_refused()
            .sees("GET /row?\"<a>\" HTTP"),
        http1("braces and a bar", "RFC 3986 §2", line("GET /row?{a|b} HTTP/1.1"))
            .or_refused()
            .sees("GET /row?{a|b} HTTP"),
        http1("a path in UTF-8", "RFC 3986 §2", line("GET /rowä HTTP/1.1")).or_refused(),
        http1("a space in a path", "RFC 9112 §3.2", line("GET /row x HTTP/1.1")).or_refused().misses("row x"),
        http1("a path without a slash", "RFC 9112 §3.2.1", line("GET row HTTP/1.1")).refused(),
        http1("8 000 bytes of request line", request_line_length(), line(&format!("GET {long} HTTP/1.1"))).sees(&long),
        http1("100 000 bytes of request line", request_line_length(), line(&format!("GET {longer} HTTP/1.1")))
            .refused_with(&[400, 414, 431]),
    ]
}

fn request_line_length() -> &'static str {
    "RFC 9112 §3"
}

fn absolute() -> Vec<Row> {
    let absolute = "RFC 9112 §3.2.2";
    let asterisk = "RFC 9112 §3.2.4";
    let authority = "RFC 9112 §3.2.3";
    vec![
        http1("absolute-form", absolute, line("GET http://a.example/row?x HTTP/1.1")).sees("GET /row?x HTTP"),
        http1("absolute-form with another host", absolute, line("GET http://b.example/row HTTP/1.1"))
            .sees("GET /row HTTP")
            .sees("host: b.example\r\n")
            .misses("a.example"),
        http1("absolute-form with a port", absolute, line("GET http://b.example:81/row HTTP/1.1"))
            .sees("host: b.example:81\r\n"),
        http1("absolute-form without a path", absolute, line("GET http://a.example HTTP/1.1")).sees("GET / HTTP"),
        http1("absolute-form with a query only", absolute, line("GET http://a.example?x HTTP/1.1"))
            .sees("GET /?x HTTP"),
        http1("absolute-form with userinfo", "RFC 9110 §4.2.4", line("GET http://me:you@a.example/row HTTP/1.1"))
            .or_refused()
            .misses("me:you"),
        http1("absolute-form without a host", "RFC 9110 §4.2.1", line("GET http:///row HTTP/1.1")).refused(),
        http1(
            "absolute-form and no host header",
            "RFC 9112 §3.2",
            host("").replacen("/row", "http://a.example/row", 1),
        )
        .refused(),
        http1("OPTIONS *", asterisk, line("OPTIONS * HTTP/1.1")).sees("OPTIONS * HTTP"),
        http1("OPTIONS of a host", asterisk, line("OPTIONS http://a.example HTTP/1.1")).sees("OPTIONS * HTTP"),
        http1("GET *", asterisk, line("GET * HTTP/1.1")).refused(),
        http1("POST *", asterisk, line("POST * HTTP/1.1")).refused(),
        http1("CONNECT", authority, line("CONNECT a.example:80 HTTP/1.1")).refused_with(&[400, 403, 404, 405, 501]),
        http1("CONNECT with a path", authority, line("CONNECT /row HTTP/1.1")).refused(),
        http1("GET in authority-form", authority, line("GET a.example:80 HTTP/1.1")).refused(),
    ]
}

fn hosts() -> Vec<Row> {
    let host_rules = "RFC 9112 §3.2";
    let http10 = "RFC 9112 §3.2";
    let old = |lines: &str| format!("GET /row HTTP/1.0\r\n{lines}{TO}\r\n");
    vec![
        http1("a host and a port", "RFC 9110 §7.2", host("host: a.example:8080\r\n")).sees("host: a.example:8080\r\n"),
        http1("an IPv6 address as host", "RFC 9110 §7.2", host("host: [2001:db8::1]:80\r\n"))
            .sees("host: [2001:db8::1]:80\r\n"),
        http1("no host", host_rules, host("")).refused_with(&[400]),
        http1("two hosts", host_rules, host("host: a.example\r\nhost: b.example\r\n")).refused_with(&[400]),
        http1("twice the same host", host_rules, host("host: a.example\r\nhost: a.example\r\n")).refused_with(&[400]),
        http1("a list of hosts", host_rules, host("host: a.example, b.example\r\n")).refused_with(&[400]),
        http1("an empty host", "RFC 9110 §4.2.1", host("host:\r\n")).refused_with(&[400]),
        http1("a host with userinfo", host_rules, host("host: me@a.example\r\n")).refused_with(&[400]),
        http1("a host with a path", host_rules, host("host: a.example/b\r\n")).refused_with(&[400]),
        http1("a host with a space", host_rules, host("host: a example\r\n")).refused_with(&[400]),
        http1("a port that is no number", host_rules, host("host: a.example:http\r\n")).refused_with(&[400]),
        http1("a port without a host", host_rules, host("host: :80\r\n")).refused_with(&[400]),
        http1("HTTP/1.0 with a host", http10, old("host: a.example\r\n"))
            .sees("host: a.example\r\n")
            .next(Next::Closed),
        http1("HTTP/1.0 without a host", http10, old("")).sees("\r\nhost: ").next(Next::Closed),
        http1("HTTP/1.0 with an empty host", http10, old("host:\r\n")).or_refused(),
        http1("HTTP/1.0 and absolute-form", http10, old("").replacen("/row", "http://a.example/row", 1))
            .sees("host: a.example\r\n")
            .next(Next::Closed),
        http1("HTTP/1.0 keep-alive", "RFC 9112 §9.3", old("host: a.example\r\nconnection: keep-alive\r\n"))
            .script(answer(OK))
            .next(Next::Either),
    ]
}
