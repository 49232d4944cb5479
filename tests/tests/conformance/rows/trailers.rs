//! Trailers of requests and answers.

use revtun_tests::frames::{END_HEADERS, END_STREAM, frame, kind, list};

use crate::row::{Fields, Row, answered, data, get, http1, http2_frames, open, post};

pub(crate) fn rows() -> Vec<Row> {
    [requests(), answers()].concat()
}

fn over_http1(name: &str, section: &'static str, lines: &str, trailers: &str) -> Row {
    let head = format!("transfer-encoding: chunked\r\n{lines}");
    http1(name, section, post(&head, &format!("5\r\nhello\r\n0\r\n{trailers}\r\n")))
}

fn over_http2(name: &str, section: &'static str, fields: Fields<'_>, trailers: Fields<'_>) -> Row {
    let last = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &list(trailers));
    http2_frames(name, section, &[open("POST", fields), data(b"hello"), last])
}

fn requests() -> Vec<Row> {
    let section = "RFC 9110 §6.5.1";
    let forbidden = "RFC 9110 §6.5.1";
    let large = "a".repeat(100_000);
    vec![
        over_http1("announced trailers of a request", section, "trailer: x-sum\r\n", "X-Sum: 42\r\n")
            .sees("hello\r\nx-sum: 42"),
        over_http1("unannounced trailers of a request", section, "", "X-Sum: 42\r\n").sees("hello\r\nx-sum: 42"),
        over_http2("announced trailers of a request", section, &[("trailer", "x-sum")], &[("x-sum", "42")])
            .sees("hello\r\nx-sum: 42"),
        over_http2("unannounced trailers of a request", section, &[], &[("x-sum", "42")]).sees("hello\r\nx-sum: 42"),
        over_http1("a length among trailers", forbidden, "", "content-length: 9\r\n")
            .or_refused()
            .misses("content-length: 9"),
        over_http1("a coding among trailers", forbidden, "", "transfer-encoding: gzip\r\n").or_refused().misses("gzip"),
        over_http1("a host among trailers", forbidden, "trailer: host\r\n", "host: b.example\r\n")
            .or_refused()
            .misses("b.example"),
        over_http1(
            "credentials among trailers",
            forbidden,
            "trailer: authorization\r\n",
            "authorization: Basic eA==\r\n",
        )
        .or_refused()
        .misses("eA=="),
        over_http1("a target among trailers", forbidden, "", "x-node-id: node-b\r\n").or_refused(),
        over_http2("a length among trailers", forbidden, &[], &[("content-length", "9")])
            .or_refused()
            .misses("content-length: 9"),
        over_http2("a connection among trailers", "RFC 9113 §8.2.2", &[], &[("connection", "close")])
            .or_refused()
            .misses("connection: close"),
        over_http1("a trailer without a colon", "RFC 9112 §7.1.2", "", "x-sum\r\n")
            .refused()
            .requests(&[0, 1])
            .misses("(whole)"),
        over_http1("trailers of 100 000 bytes", "RFC 6585 §5", "", &format!("x-sum: {large}\r\n"))
            .refused()
            .requests(&[0, 1])
            .misses("(whole)"),
    ]
}

fn answers() -> Vec<Row> {
    let section = "RFC 9110 §6.5.1";
    let chunked = |lines: &str, trailers: &str| {
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{lines}\r\n5\r\nhello\r\n0\r\n{trailers}\r\n")
    };
    let no_te = http1("trailers to a caller without te", section, get(""))
        .answer(chunked("trailer: x-sum\r\n", "x-sum: 42\r\n"))
        .gets("hello");
    [
        answered("announced trailers of an answer", section, chunked("trailer: x-sum\r\n", "x-sum: 42\r\n"))
            .map(|row| row.gets("hello\r\nx-sum: 42"))
            .to_vec(),
        answered("unannounced trailers of an answer", section, chunked("", "x-sum: 42\r\n"))
            .map(|row| row.gets("hello\r\nx-sum: 42"))
            .into(),
        answered("a length among an answer's trailers", section, chunked("", "content-length: 9\r\n"))
            .map(|row| row.gets("hello").lacks("content-length: 9"))
            .into(),
        answered(
            "a cookie among an answer's trailers",
            section,
            chunked("trailer: set-cookie\r\n", "set-cookie: a=1\r\n"),
        )
        .map(|row| row.gets("hello").lacks("set-cookie: a=1"))
        .into(),
        vec![no_te],
    ]
    .concat()
}
