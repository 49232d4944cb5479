//! The handshake request, both ways: the matrices of reference §2.1 to §2.3.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use revtun_core::handshake::{
    HeaderNames, Instance, MAX_REQUEST_HEAD_BYTES, PATH, ParsedRequest, Rejection, Request, RequestHead, RequestParser,
    Rules,
};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};
use revtun_core::token::{Token, TokenError};

const NODE: &str = "x-envoy-reverse-tunnel-node-id: n1\r\n";
const CLUSTER: &str = "x-envoy-reverse-tunnel-cluster-id: c1\r\n";
const TENANT: &str = "x-envoy-reverse-tunnel-tenant-id: t1\r\n";
const UPSTREAM: &str = "x-envoy-reverse-tunnel-upstream-cluster-name: up\r\n";
const LENGTH: &str = "content-length: 0\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// What Envoy 1.40 sends, as measured (reference §2.1).
const ENVOYS: &str = "GET /reverse_connections/request HTTP/1.1\r\n\
    host: 127.0.0.1:31100\r\n\
    x-envoy-reverse-tunnel-node-id: n1\r\n\
    x-envoy-reverse-tunnel-cluster-id: c1\r\n\
    x-envoy-reverse-tunnel-tenant-id: t1\r\n\
    x-envoy-reverse-tunnel-upstream-cluster-name: upc\r\n\
    x-envoy-reverse-tunnel-initiation-time: 1795381085391\r\n\
    x-envoy-reverse-tunnel-worker-id: worker_0\r\n\
    x-envoy-reverse-tunnel-connection-id: 0\r\n\
    content-length: 0\r\n\
    \r\n";
const OURS: &str = "x-revtun-instance: 000000000000000000000000deadbeef\r\n";

fn identity<'a>(node: &'a str, cluster: &'a str, tenant: &'a str) -> Identity<'a> {
    Identity {
        node: NodeId::new(node).unwrap(),
        cluster: ClusterId::new(cluster).unwrap(),
        tenant: TenantId::new(tenant).unwrap(),
    }
}

fn head() -> RequestHead<'static> {
    static NAMES: std::sync::LazyLock<HeaderNames> = std::sync::LazyLock::new(HeaderNames::default);
    RequestHead {
        names: &NAMES,
        host: "127.0.0.1:31100",
        identity: identity("n1", "c1", "t1"),
        upstream: "upc",
        initiation_time_ms: 1_795_381_085_391,
        worker: 0,
        connection: 0,
        instance: Instance(0xdead_beef),
        path: PATH,
        upgrade: false,
        whole_tls: false,
        token: None,
    }
}

fn encoded(head: &RequestHead<'_>) -> String {
    let mut bytes = Vec::new();
    head.encode(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// A request with these lines behind the first one.
fn request(lines: &[&str]) -> Vec<u8> {
    [&["GET /reverse_connections/request HTTP/1.1\r\n"], lines, &["\r\n"]].concat().concat().into_bytes()
}

/// A good request, but for one line put in.
fn with(line: &str) -> Vec<u8> {
    request(&[NODE, CLUSTER, TENANT, line, LENGTH])
}

/// A good request with another first line.
fn first_line(line: &str) -> Vec<u8> {
    [line, "\r\n", NODE, CLUSTER, TENANT, LENGTH, "\r\n"].concat().into_bytes()
}

/// A good request with a body: its headers, then the bytes.
fn body(headers: &str, bytes: &str) -> Vec<u8> {
    [&request(&[NODE, CLUSTER, TENANT, headers])[..], bytes.as_bytes()].concat()
}

fn whole<'a>(rules: &Rules, bytes: &'a [u8]) -> ParsedRequest<'a> {
    RequestParser::new().parse(rules, bytes)
}

/// What a parser says that sees the bytes grow to each of these lengths, up to its first verdict.
fn grown<'a>(rules: &Rules, bytes: &'a [u8], lengths: impl IntoIterator<Item = usize>) -> ParsedRequest<'a> {
    let mut parser = RequestParser::new();
    let verdicts = lengths.into_iter().map(|length| parser.parse(rules, &bytes[..length]));
    verdicts.into_iter().find(|verdict| *verdict != ParsedRequest::Incomplete).unwrap_or(ParsedRequest::Incomplete)
}

/// Accepted whole, or turned away, and the same with every single cut and byte by byte.
fn assert_verdict(rules: &Rules, bytes: &[u8], expected: Result<(), Rejection>) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
    let verdict = whole(rules, bytes);
    match (verdict, expected) {
        (ParsedRequest::Complete { consumed, .. }, Ok(())) => assert_eq!(consumed, bytes.len(), "{text}"),
        (ParsedRequest::Rejected(got), Err(rejection)) => assert_eq!(got, rejection, "{text}"),
        _ => panic!("{verdict:?} instead of {expected:?} for {text}"),
    }
    assert_eq!(grown(rules, bytes, 0..=bytes.len()), verdict, "byte by byte: {text}");
    for cut in 0..bytes.len().min(2000) {
        assert_eq!(grown(rules, bytes, [cut, bytes.len()]), verdict, "cut at {cut}: {text}");
    }
}

fn open() -> Rules {
    Rules { tenant_isolation: false, ..Rules::default() }
}

#[test]
fn a_request_is_byte_identical_to_envoys_but_for_the_instance() {
    let expected = ENVOYS.replace(LENGTH, &[OURS, LENGTH].concat());
    assert_eq!(encoded(&head()), expected);
    assert_eq!(
        encoded(&RequestHead { whole_tls: true, ..head() }),
        expected.replace("content-length: 0", "x-revtun-tls: whole\r\ncontent-length: 0"),
    );
    assert_eq!(
        encoded(&RequestHead { upgrade: true, ..head() }),
        expected.replace(":31100\r\n", ":31100\r\nconnection: upgrade\r\nupgrade: reverse-tunnel\r\n"),
    );
    let other = RequestHead { host: "[::1]:31824", worker: 3, connection: u64::MAX, path: "/a?b", ..head() };
    let text = encoded(&other);
    assert!(text.starts_with("GET /a?b HTTP/1.1\r\nhost: [::1]:31824\r\n"));
    assert!(text.contains("-worker-id: worker_3\r\n"));
    assert!(text.contains("-connection-id: 18446744073709551615\r\n"));
}

#[test]
fn an_envoys_request_is_understood() {
    let expected = Request {
        identity: identity("n1", "c1", "t1"),
        instance: None,
        initiation_time_ms: Some(1_795_381_085_391),
        worker: Some("worker_0"),
        connection: Some("0"),
        upstream: Some("upc"),
        token: Err(TokenError::Missing),
    };
    let verdict = whole(&Rules::default(), ENVOYS.as_bytes());
    assert_eq!(verdict, ParsedRequest::Complete { request: expected, consumed: ENVOYS.len() });
    assert_verdict(&Rules::default(), ENVOYS.as_bytes(), Ok(()));
}

#[test]
fn requests_are_rejected_with_envoys_status_and_text() {
    use Rejection::*;
    let rules = Rules::default();
    let cases = [
        (first_line("GET /reverse_connections/request?a=b HTTP/1.1"), Err(NotATunnelRequest)),
        (first_line("GET / HTTP/1.1"), Err(NotATunnelRequest)),
        (first_line("GET http://x/reverse_connections/request HTTP/1.1"), Err(NotATunnelRequest)),
        (first_line("POST /reverse_connections/request HTTP/1.1"), Err(NotATunnelRequest)),
        (first_line("get /reverse_connections/request HTTP/1.1"), Err(BadRequest)),
        (first_line("GET /reverse_connections/request HTTP/1.0"), Err(UnsupportedVersion)),
        (first_line("GET / HTTP/1.0"), Err(UnsupportedVersion)),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), Err(BadRequest)),
        (b"hello world\r\n\r\n".to_vec(), Err(BadRequest)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Err(BadRequest)),
        (request(&[CLUSTER, TENANT, LENGTH]), Err(MissingIdentity)),
        (request(&[NODE, TENANT, LENGTH]), Err(MissingIdentity)),
        (request(&[NODE, CLUSTER, LENGTH]), Err(MissingIdentity)),
        (request(&[NODE, CLUSTER, "x-envoy-reverse-tunnel-tenant-id:\r\n"]), Err(EmptyTenant)),
        (request(&["x-envoy-reverse-tunnel-node-id: a:b\r\n", CLUSTER, TENANT]), Err(ColonInIdentity)),
        (request(&[NODE, "x-envoy-reverse-tunnel-cluster-id: a:b\r\n", TENANT]), Err(ColonInIdentity)),
        (request(&[NODE, CLUSTER, "x-envoy-reverse-tunnel-tenant-id: :\r\n"]), Err(ColonInIdentity)),
        (body("content-length: 5\r\n", "hello"), Err(BodyNotAllowed)),
        (body("content-length: 00\r\n", ""), Err(BodyNotAllowed)),
        (body("content-length: abc\r\n", ""), Err(BadRequest)),
        (body("content-length:\r\n", ""), Err(BadRequest)),
        (body("content-length: +0\r\n", ""), Err(BadRequest)),
        (body("content-length: 0, 0\r\n", ""), Err(BadRequest)),
        (body("content-length: 0\r\ncontent-length: 0\r\n", ""), Err(BadRequest)),
        (body("content-length: 0\r\ncontent-length: 5\r\n", ""), Err(BadRequest)),
        (body(CHUNKED, "0\r\n\r\n"), Ok(())),
        (body("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"), Ok(())),
        (body(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"), Err(BodyNotAllowed)),
        (body(CHUNKED, "zz\r\n"), Err(BadRequest)),
        (body("transfer-encoding: chunked\r\ncontent-length: 0\r\n", "0\r\n\r\n"), Err(BadRequest)),
        (body("transfer-encoding: gzip\r\n", ""), Err(UnsupportedTransferEncoding)),
        (body("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), Err(UnsupportedTransferEncoding)),
        (
            body("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            Err(UnsupportedTransferEncoding),
        ),
        (body("", ""), Ok(())),
        (with("upgrade: websocket\r\n"), Ok(())),
        (with("expect: 100-continue\r\n"), Ok(())),
        (with("x-envoy-reverse-tunnel-node-id: n2\r\n"), Ok(())),
        (with("X-ENVOY-Reverse-Tunnel-Initiation-Time: soon\r\n"), Ok(())),
        (with("no colon\r\n"), Err(BadRequest)),
        (with("space : before colon\r\n"), Err(BadRequest)),
        (with("nul: a\0b\r\n"), Err(BadRequest)),
        (request(&[" host: x\r\n", NODE, CLUSTER, TENANT]), Err(BadRequest)),
    ];
    for (bytes, expected) in cases {
        assert_verdict(&rules, &bytes, expected);
    }
    assert_verdict(&open(), &request(&["x-envoy-reverse-tunnel-node-id: a:b\r\n", CLUSTER, TENANT]), Ok(()));
}

#[test]
fn ambiguous_requests_that_envoy_accepts_are_rejected() {
    use Rejection::*;
    let long = format!("x-envoy-reverse-tunnel-cluster-id: {}\r\n", "c".repeat(256));
    let mut latin = request(&["x-envoy-reverse-tunnel-node-id: n?\r\n", CLUSTER, TENANT]);
    let at = latin.iter().position(|byte| *byte == b'?').unwrap();
    latin[at] = 0xfc;
    let good = with("");
    let cases = [
        // A 200 and a close.
        (request(&["x-envoy-reverse-tunnel-node-id:\r\n", CLUSTER, TENANT]), EmptyNode),
        (request(&[NODE, "x-envoy-reverse-tunnel-cluster-id: \t \r\n", TENANT]), EmptyCluster),
        // Names that no address can hold.
        (request(&[NODE, &long, TENANT]), InvalidIdentity),
        (latin, InvalidIdentity),
        // What two parsers may understand in two ways.
        (String::from_utf8(good.clone()).unwrap().replace("\r\n", "\n").into_bytes(), BadRequest),
        (with("one: line\n"), BadRequest),
        (with("bare: c\rr\r\n"), BadRequest),
        (with("folded: a\r\n b\r\n"), BadRequest),
        (first_line("GET  /reverse_connections/request HTTP/1.1"), BadRequest),
        (first_line("GET /reverse_connections/request HTTP/1.2"), BadRequest),
        (first_line("GET /reverse_connections/request"), BadRequest),
        (["\r\n".as_bytes(), &good].concat(), BadRequest),
        (body(CHUNKED, "00\r\n\r\n"), BadRequest),
        (body(CHUNKED, "0;a=b\r\n\r\n"), BadRequest),
        (body(CHUNKED, "0\r\na: b\r\n\r\n"), BadRequest),
    ];
    for (bytes, rejection) in cases {
        assert_verdict(&open(), &bytes, Err(rejection));
    }
}

#[test]
fn upgrade_mode_demands_the_upgrade_and_nothing_more() {
    let rules = Rules { upgrade: true, ..Rules::default() };
    for line in [
        "upgrade: reverse-tunnel\r\n",
        "Upgrade: Reverse-Tunnel\r\nconnection: upgrade\r\n",
        "upgrade: reverse-tunnel\r\nconnection: keep-alive, Upgrade\r\n",
    ] {
        assert_verdict(&rules, &with(line), Ok(()));
    }
    for line in ["", "upgrade: websocket\r\n", "upgrade: h2c, reverse-tunnel\r\n"] {
        assert_verdict(&rules, &with(line), Err(Rejection::UpgradeRequired));
    }
}

#[test]
fn a_required_cluster_name_is_compared_in_full() {
    let rules = Rules { required_cluster: Some("up".into()), ..Rules::default() };
    assert_verdict(&rules, &with(UPSTREAM), Ok(()));
    assert_verdict(&rules, &with(""), Err(Rejection::MissingClusterName));
    let other = "x-envoy-reverse-tunnel-upstream-cluster-name: UP\r\n";
    assert_verdict(&rules, &with(other), Err(Rejection::ClusterNameMismatch));
}

/// Each request breaks two rules that are next to each other in reference §2.2, or more; the earlier one counts.
#[test]
fn the_first_broken_rule_counts() {
    use Rejection::*;
    const EMPTY_TENANT: &str = "x-envoy-reverse-tunnel-tenant-id:\r\n";
    const EMPTY_NODE: &str = "x-envoy-reverse-tunnel-node-id:\r\n";
    const COLON: &str = "x-envoy-reverse-tunnel-node-id: a:b\r\n";
    let rules = Rules { upgrade: true, required_cluster: Some("up".into()), ..Rules::default() };
    let upgrade = "upgrade: reverse-tunnel\r\n";
    let wrong_path = |rest: &str| format!("GET / HTTP/1.1\r\n{rest}\r\n").into_bytes();
    let cases = [
        (wrong_path("content-length: 5\r\n"), BodyNotAllowed),
        (wrong_path(""), NotATunnelRequest),
        (request(&[]), UpgradeRequired),
        (request(&[upgrade, EMPTY_TENANT]), MissingIdentity),
        (request(&[upgrade, COLON, CLUSTER, EMPTY_TENANT]), EmptyTenant),
        (request(&[upgrade, COLON, CLUSTER, TENANT]), ColonInIdentity),
        (request(&[upgrade, EMPTY_NODE, CLUSTER, TENANT]), MissingClusterName),
        (request(&[upgrade, EMPTY_NODE, "x-envoy-reverse-tunnel-cluster-id:\r\n", TENANT, UPSTREAM]), EmptyNode),
    ];
    for (bytes, rejection) in cases {
        assert_verdict(&rules, &bytes, Err(rejection));
    }
}

#[test]
fn the_first_of_duplicate_headers_counts_and_header_names_are_case_insensitive() {
    let second = "X-Envoy-Reverse-Tunnel-Node-Id: n2\r\n";
    for (lines, node) in [([NODE, second], "n1"), ([second, NODE], "n2")] {
        let bytes = request(&[lines[0], lines[1], CLUSTER, TENANT]);
        let ParsedRequest::Complete { request, .. } = whole(&Rules::default(), &bytes) else { panic!() };
        assert_eq!(request.identity.node.as_str(), node);
    }
}

#[test]
fn an_instance_is_32_hexadecimal_digits_or_nothing() {
    let instance = |value: &str| {
        let bytes = with(&format!("x-revtun-instance: {value}\r\n"));
        let ParsedRequest::Complete { request, .. } = whole(&Rules::default(), &bytes) else { panic!() };
        request.instance
    };
    assert_eq!(instance("0123456789abcdefABCDEF0123456789"), Some(Instance(0x0123_4567_89ab_cdef_abcd_ef01_2345_6789)));
    assert_eq!(instance(&"f".repeat(32)), Some(Instance(u128::MAX)));
    for malformed in ["", "0", "+123456789abcdef0123456789abcdef", &"f".repeat(33), &"g".repeat(32)] {
        assert_eq!(instance(malformed), None, "{malformed}");
    }
}

#[test]
fn an_initiation_time_is_a_number_or_nothing() {
    let time = |value: &str| {
        let bytes = with(&format!("x-envoy-reverse-tunnel-initiation-time: {value}\r\n"));
        let ParsedRequest::Complete { request, .. } = whole(&Rules::default(), &bytes) else { panic!() };
        request.initiation_time_ms
    };
    assert_eq!(time("0"), Some(0));
    assert_eq!(time("18446744073709551615"), Some(u64::MAX));
    for malformed in ["", "-1", "+1", "1.5", "soon", "18446744073709551616"] {
        assert_eq!(time(malformed), None, "{malformed}");
    }
}

#[test]
fn the_head_size_limit_is_envoys() {
    let filler = |bytes: usize| format!("filler: {}\r\n", "x".repeat(bytes - "filler: \r\n".len()));
    let room = MAX_REQUEST_HEAD_BYTES - with("").len();
    assert_verdict(&Rules::default(), &with(&filler(room)), Ok(()));
    assert_verdict(&Rules::default(), &with(&filler(room + 1)), Err(Rejection::HeadTooLarge));
    assert_verdict(&Rules::default(), &vec![b'G'; MAX_REQUEST_HEAD_BYTES], Err(Rejection::HeadTooLarge));

    let headers = |count: usize| with(&"h: 1\r\n".repeat(count - 4));
    assert_verdict(&Rules::default(), &headers(100), Ok(()));
    assert_verdict(&Rules::default(), &headers(101), Err(Rejection::HeadTooLarge));
}

#[test]
fn bytes_behind_a_request_are_not_consumed() {
    let chunked = body(CHUNKED, "0\r\n\r\n");
    for request in [ENVOYS.as_bytes(), &chunked] {
        let bytes = [request, b"RPING\n\0\r\n\r\n"].concat();
        let verdict = whole(&Rules::default(), &bytes);
        assert!(matches!(verdict, ParsedRequest::Complete { consumed, .. } if consumed == request.len()));
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                assert_eq!(grown(&Rules::default(), &bytes, [first, second, bytes.len()]), verdict);
            }
        }
        for length in 0..request.len() {
            assert_eq!(whole(&Rules::default(), &request[..length]), ParsedRequest::Incomplete);
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    "[!-~ü€]([ -~ü€\t]{0,40}[!-~ü€])?"
}

proptest! {
    #[test]
    fn a_request_round_trips(
        node in name(), cluster in name(), tenant in name(), upstream in name(),
        initiation_time_ms: u64, worker: u32, connection: u64, instance: u128, upgrade: bool, whole_tls: bool,
        token in prop::option::of("[A-Za-z0-9._~+/-]{1,600}=?"),
        mut lengths in prop::collection::vec(0_usize..500, 0..6),
    ) {
        let identity = identity(&node, &cluster, &tenant);
        let instance = Instance(instance);
        let upstream = &upstream[..];
        let head = RequestHead {
            host: "[::1]:1", identity, upstream, initiation_time_ms, worker, connection, instance, upgrade, whole_tls,
            token: token.as_deref().map(|token| Token::new(token).unwrap()), ..head()
        };
        let bytes = encoded(&head).into_bytes();
        let rules =
            Rules { upgrade, tenant_isolation: false, required_cluster: Some(upstream.into()), whole_tls, ..Rules::default() };
        let expected = Request {
            identity,
            instance: Some(instance),
            initiation_time_ms: Some(initiation_time_ms),
            worker: Some(&format!("worker_{worker}")),
            connection: Some(&connection.to_string()),
            upstream: Some(upstream),
            token: head.token.ok_or(TokenError::Missing),
        };
        lengths.retain(|length| *length < bytes.len());
        lengths.sort_unstable();
        lengths.push(bytes.len());
        prop_assert_eq!(
            grown(&rules, &bytes, lengths),
            ParsedRequest::Complete { request: expected, consumed: bytes.len() },
        );
    }
}
