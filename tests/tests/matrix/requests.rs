//! Every kind of handshake request that the reference knows, and some that it does not.

use revtun_tests::fake::Handshake;
use revtun_tests::raw::HTTP2_HELLO;

/// What the responder was set up to demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setup {
    /// Nothing beyond the identity.
    Plain,
    /// Tenants are kept apart.
    Isolated,
    /// The request has to ask for an upgrade.
    Upgrade,
    /// The request has to call the responder `here`.
    Named,
    /// One tunnel for each node.
    Capped,
}

impl Setup {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Isolated, Self::Upgrade, Self::Named, Self::Capped];
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    /// What is sent, each part in a write of its own.
    pub(crate) parts: Vec<Vec<u8>>,
}

const SOMEBODY: Handshake<'_> = Handshake { node: "n", cluster: "c", tenant: "t" };

pub(crate) fn cases() -> Vec<Case> {
    [accepted(), identities(), not_a_tunnel(), bodies(), malformed(), limits(), setups()].concat()
}

fn plain(name: &'static str, request: impl Into<Vec<u8>>) -> Case {
    on(Setup::Plain, name, request)
}

fn on(setup: Setup, name: &'static str, request: impl Into<Vec<u8>>) -> Case {
    Case { name, setup, parts: vec![request.into()] }
}

fn with(lines: &[&str]) -> String {
    SOMEBODY.request_with(lines)
}

/// The usual request with `from` replaced by `to`.
fn but(from: &str, to: &str) -> String {
    let request = SOMEBODY.request();
    assert!(request.contains(from), "{from:?} is no part of the request");
    request.replace(from, to)
}

fn accepted() -> Vec<Case> {
    let request = SOMEBODY.request();
    let bytes = request.bytes().map(|byte| vec![byte]).collect();
    vec![
        plain("well-formed", request.clone()),
        Case { name: "split into single bytes", setup: Setup::Plain, parts: bytes },
        plain("no host", but("host: responder.example\r\n", "")),
        plain("no content-length", but("content-length: 0\r\n", "")),
        plain("extra headers", with(&["x-one: 1", "accept: */*"])),
        plain("header names in capitals", but("x-envoy-reverse-tunnel-node-id", "X-ENVOY-REVERSE-TUNNEL-NODE-ID")),
        plain("spaces around a value", but("node-id: n\r\n", "node-id: \t n \t\r\n")),
        plain("initiation time is no number", with(&["x-envoy-reverse-tunnel-initiation-time: soon"])),
        plain("connection: close", with(&["connection: close"])),
        plain("an upgrade nobody demanded", with(&["connection: upgrade", "upgrade: reverse-tunnel"])),
        plain("an upgrade to something else", with(&["connection: upgrade", "upgrade: websocket"])),
        plain("bytes behind the request", request + "hello?"),
        plain("an empty line before", format!("\r\n{}", SOMEBODY.request())),
        plain("two empty lines before", format!("\r\n\r\n{}", SOMEBODY.request())),
    ]
}

fn identities() -> Vec<Case> {
    let long = "n".repeat(256);
    vec![
        plain("no node id", but("x-envoy-reverse-tunnel-node-id: n\r\n", "")),
        plain("no cluster id", but("x-envoy-reverse-tunnel-cluster-id: c\r\n", "")),
        plain("no tenant id", but("x-envoy-reverse-tunnel-tenant-id: t\r\n", "")),
        plain("empty node id", but("node-id: n\r\n", "node-id:\r\n")),
        plain("empty cluster id", but("cluster-id: c\r\n", "cluster-id:\r\n")),
        plain("empty tenant id", but("tenant-id: t\r\n", "tenant-id:\r\n")),
        plain("two node ids", with(&["x-envoy-reverse-tunnel-node-id: m"])),
        plain("node id with a colon", but("node-id: n\r\n", "node-id: n:1\r\n")),
        plain("node id with a space", but("node-id: n\r\n", "node-id: n 1\r\n")),
        plain("node id in UTF-8", but("node-id: n\r\n", "node-id: knot\u{20ac}n\r\n")),
        plain("node id of 255 bytes", but("node-id: n\r\n", &format!("node-id: {}\r\n", &long[1..]))),
        plain("node id of 256 bytes", but("node-id: n\r\n", &format!("node-id: {long}\r\n"))),
        plain("node id not in UTF-8", {
            let mut request = SOMEBODY.request().into_bytes();
            let at = request.windows(4).position(|four| four == b": n\r").expect("the node id");
            request[at + 2] = 0xff;
            request
        }),
    ]
}

fn not_a_tunnel() -> Vec<Case> {
    vec![
        plain("another path", but("/reverse_connections/request", "/")),
        plain("path with a query", but("/request HTTP", "/request?a=1 HTTP")),
        plain("path with a slash behind", but("/request HTTP", "/request/ HTTP")),
        plain("absolute target", but("GET /", "GET http://responder.example/")),
        plain("another method", but("GET", "POST")),
        plain("another method and no identity", "PUT /other HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"),
        plain("CONNECT", but("GET /reverse_connections/request", "CONNECT a:1")),
    ]
}

fn bodies() -> Vec<Case> {
    let chunked = |body: &str| but("content-length: 0\r\n\r\n", &format!("transfer-encoding: chunked\r\n\r\n{body}"));
    vec![
        plain("a body", but("length: 0\r\n\r\n", "length: 5\r\n\r\nhello")),
        plain("a body announced but not sent", but("length: 0", "length: 5")),
        plain("content-length: 00", but("length: 0", "length: 00")),
        plain("an empty chunked body", chunked("0\r\n\r\n")),
        plain("a chunked body", chunked("5\r\nhello\r\n0\r\n\r\n")),
        plain(
            "a body on another path",
            but("/request", "/other").replace("length: 0\r\n\r\n", "length: 5\r\n\r\nhello"),
        ),
        plain(
            "a body and no identity",
            "GET /reverse_connections/request HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx",
        ),
    ]
}

fn malformed() -> Vec<Case> {
    let tls_hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03".to_vec();
    vec![
        plain("HTTP/1.0", but("HTTP/1.1", "HTTP/1.0")),
        plain("HTTP/1.2", but("HTTP/1.1", "HTTP/1.2")),
        plain("garbage", "hello there\r\n\r\n"),
        plain("TLS", tls_hello),
        plain("HTTP/2", HTTP2_HELLO),
        plain("method in lower case", but("GET", "get")),
        plain("header without a colon", with(&["just words"])),
        plain("space before a colon", with(&["x-one : 1"])),
        plain("folded header", with(&["x-one: 1", "  and more"])),
        plain("control character in a value", with(&["x-one: \u{1}"])),
        plain("lines without CR", SOMEBODY.request().replace("\r\n", "\n")),
        plain("content-length is no number", but("length: 0", "length: none")),
        plain("content-length is negative", but("length: 0", "length: -1")),
        plain("two content-lengths", with(&["content-length: 5"])),
        plain("chunked and a content-length", with(&["transfer-encoding: chunked"]) + "0\r\n\r\n"),
        plain("an unknown transfer-encoding", but("content-length: 0", "transfer-encoding: rot13")),
    ]
}

fn limits() -> Vec<Case> {
    let header = |count: usize| with(&vec!["x-one: 1"; count]);
    let big = format!("x-one: {}", "1".repeat(61 * 1024));
    vec![
        plain("90 more headers", header(90)),
        plain("100 more headers", header(100)),
        plain("a head of 61 KiB", with(&[&big])),
        plain("a head that never ends", format!("GET /reverse_connections/request HTTP/1.1\r\n{big}")),
        plain("nothing at all", ""),
        plain("half a request", &SOMEBODY.request()[..60]),
    ]
}

fn setups() -> Vec<Case> {
    let named = |name: &str| with(&[&format!("x-envoy-reverse-tunnel-upstream-cluster-name: {name}")]);
    vec![
        on(Setup::Isolated, "isolated, well-formed", with(&[])),
        on(Setup::Isolated, "isolated, colon in the node id", but("node-id: n", "node-id: n:1")),
        on(Setup::Isolated, "isolated, colon in the cluster id", but("cluster-id: c", "cluster-id: c:1")),
        on(Setup::Isolated, "isolated, colon in the tenant id", but("tenant-id: t", "tenant-id: t:1")),
        on(Setup::Upgrade, "upgrade demanded and asked", with(&["connection: upgrade", "upgrade: reverse-tunnel"])),
        on(Setup::Upgrade, "upgrade asked in capitals", with(&["connection: Upgrade", "upgrade: Reverse-Tunnel"])),
        on(
            Setup::Upgrade,
            "upgrade among others",
            with(&["connection: keep-alive, Upgrade", "upgrade: reverse-tunnel"]),
        ),
        on(Setup::Upgrade, "upgrade not asked", with(&[])),
        on(Setup::Upgrade, "another upgrade asked", with(&["connection: upgrade", "upgrade: websocket"])),
        on(Setup::Upgrade, "upgrade not asked, another path", but("/request", "/other")),
        on(Setup::Upgrade, "upgrade without connection", with(&["upgrade: reverse-tunnel"])),
        on(Setup::Named, "named as demanded", named("here")),
        on(Setup::Named, "named otherwise", named("there")),
        on(Setup::Named, "not named", with(&[])),
        on(Setup::Named, "not named, empty tenant id", but("tenant-id: t\r\n", "tenant-id:\r\n")),
        on(Setup::Capped, "the node is full", with(&[])),
    ]
}
