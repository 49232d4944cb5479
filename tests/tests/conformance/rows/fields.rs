//! Fields of requests: their syntax, their number, and which of them go no further.

use crate::row::{Row, both, get, http1};

pub(crate) fn rows() -> Vec<Row> {
    [syntax(), sizes(), hop_by_hop(), kept()].concat()
}

fn syntax() -> Vec<Row> {
    let fields = "RFC 9112 §5";
    let parsing = "RFC 9112 §5.1";
    let values = "RFC 9110 §5.5";
    vec![
        http1("a space before the colon", parsing, get("x-one : 1\r\n")).refused_with(&[400]),
        http1("a tab before the colon", parsing, get("x-one\t: 1\r\n")).refused_with(&[400]),
        http1("a line without a colon", fields, get("x-one\r\n")).refused(),
        http1("a field without a name", fields, get(": 1\r\n")).refused(),
        http1("a bracket in a name", "RFC 9110 §5.6.2", get("x(one): 1\r\n")).refused(),
        http1("a name in UTF-8", "RFC 9110 §5.6.2", get("x-önë: 1\r\n")).refused(),
        http1("a folded line", "RFC 9112 §5.2", get("x-one: 1\r\n two\r\n")).or_refused().misses("1\r\n"),
        http1("a NUL in a value", values, get("x-one: a\0b\r\n")).or_refused().misses("\0"),
        http1("a control character in a value", values, get("x-one: a\x08b\r\n")).or_refused(),
        http1("DEL in a value", values, get("x-one: a\x7fb\r\n")).or_refused(),
        http1("a tab within a value", values, get("x-one: a\tb\r\n")).sees("x-one: a\tb\r\n"),
        http1("spaces around a value", parsing, get("x-one: \t a b \t \r\n")).sees("x-one: a b\r\n"),
        http1("no space before a value", parsing, get("x-one:a\r\n")).sees("x-one: a\r\n"),
        http1("a value in UTF-8", values, get("x-one: ä\r\n")).sees("x-one: ä\r\n"),
        http1("an empty value", values, get("x-one:\r\n")).sees("x-one: \r\n"),
        http1("names in capitals", "RFC 9110 §5.1", get("X-ONE: Yes\r\n")).sees("x-one: Yes\r\n"),
    ]
}

fn sizes() -> Vec<Row> {
    let line = |number: usize| format!("x-{number}: 1\r\n");
    let many = |count: usize| get(&(0..count).map(line).collect::<String>());
    let fields: Vec<(String, String)> = (0..120).map(|number| (format!("x-{number}"), "1".to_owned())).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let big = "a".repeat(40_000);
    let bigger = "a".repeat(70_000);
    [
        vec![
            http1("90 fields", "RFC 9110 §5.4", many(90)).sees("x-89: 1\r\n"),
            http1("3 000 fields", "RFC 6585 §5", many(3_000)).refused_with(&[431]),
        ],
        both("120 fields", "RFC 6585 §5", "GET", &fields, "").map(|row| row.or_refused().sees("x-119: 1")).into(),
        both("40 000 bytes of a field", "RFC 9110 §5.4", "GET", &[("x-one", &big)], "")
            .map(|row| row.sees(&big))
            .into(),
        both("70 000 bytes of a field", "RFC 6585 §5", "GET", &[("x-one", &bigger)], "").map(Row::refused).into(),
    ]
    .concat()
}

fn hop_by_hop() -> Vec<Row> {
    let connection = "RFC 9110 §7.6.1";
    let rows = vec![
        http1("a field that connection lists", connection, get("connection: X-Hop, y-hop\r\nx-hop: 1\r\nY-Hop: 2\r\nz: 3\r\n"))
            .misses("x-hop")
            .misses("y-hop")
            .sees("z: 3\r\n"),
        http1("connection in two lines", connection, get("connection: x-hop\r\nconnection: y-hop\r\nx-hop: 1\r\ny-hop: 2\r\n"))
            .misses("x-hop")
            .misses("y-hop"),
        http1("connection lists what is not there", connection, get("connection: x-hop\r\n")).misses("x-hop"),
        http1("connection lists the host", connection, get("connection: host\r\n")).sees("host: a.example\r\n"),
        http1("connection lists the target", connection, get("connection: x-node-id\r\n")).or_refused(),
        http1("connection lists the credentials", "RFC 9110 §7.6.1", get("connection: authorization\r\nauthorization: Basic eDp5\r\n"))
            .refused_with(&[400]),
        http1("connection lists the origin", "RFC 9110 §7.6.1", get("connection: close, x-forwarded-for\r\n")).refused_with(&[400]),
        http1("keep-alive", connection, get("connection: keep-alive\r\nkeep-alive: timeout=5\r\n")).misses("keep-alive:"),
        http1("proxy-connection", connection, get("proxy-connection: keep-alive\r\n")).misses("proxy-connection"),
        http1("te with gzip", "RFC 9110 §10.1.4", get("connection: te\r\nte: gzip;q=0.5\r\n")).misses("gzip"),
        http1("te with trailers", "RFC 9110 §10.1.4", get("connection: te\r\nte: trailers\r\n")),
        http1("an upgrade to h2c", "RFC 9113 §3.1", get("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"))
            .misses("upgrade")
            .misses("http2-settings"),
        http1("an upgrade to websocket", "RFC 9110 §7.8", get("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
            .or_refused(),
        http1("an upgrade that connection does not list", "RFC 9110 §7.8", get("upgrade: websocket\r\n")).misses("upgrade"),
    ];
    rows
}

fn kept() -> Vec<Row> {
    let order = "RFC 9110 §5.3";
    [
        both("fields of the same name", order, "GET", &[("x-one", "1"), ("y", "2"), ("x-one", "3")], "")
            .map(|row| row.sees("x-one: 1").sees("3\r\n"))
            .to_vec(),
        both("credentials for the service", "RFC 9110 §11.6.2", "GET", &[("authorization", "Basic bWU6eW91")], "")
            .map(|row| row.sees("authorization: Basic bWU6eW91\r\n"))
            .into(),
        both(
            "a request of a cache",
            "RFC 9110 §13.1",
            "GET",
            &[("if-none-match", "W/\"a\", \"b\""), ("cache-control", "no-cache")],
            "",
        )
        .map(|row| row.sees("if-none-match: W/\"a\", \"b\"\r\n").sees("cache-control: no-cache\r\n"))
        .into(),
        both("a range", "RFC 9110 §14.2", "GET", &[("range", "bytes=0-1")], "")
            .map(|row| row.sees("range: bytes=0-1\r\n"))
            .into(),
        both("one cookie", "RFC 6265 §5.4", "GET", &[("cookie", "a=1; b=2")], "")
            .map(|row| row.sees("cookie: a=1; b=2\r\n"))
            .into(),
        both(
            "forwarded by others before",
            "RFC 7239 §4",
            "GET",
            &[("forwarded", "for=192.0.2.1"), ("via", "1.1 first")],
            "",
        )
        .map(|row| row.sees("forwarded: for=192.0.2.1").sees("1.1 first"))
        .into(),
    ]
    .concat()
}
