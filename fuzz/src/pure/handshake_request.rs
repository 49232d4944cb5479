//! A responder reads a request: the same however it is cut, what `httparse` reads, and what an initiator would send.

use revtun_core::handshake::{
    Instance, MAX_REQUEST_HEAD_BYTES, PATH, ParsedRequest, Request, RequestHead, RequestParser, Rules,
};
use revtun_core::token::TokenError;

use super::segments::cut;
use super::without_allocation;

/// The first byte's low bits cut the rest; its two high bits choose the rules.
pub fn run(data: &[u8]) {
    let (seed, stream, lengths) = cut(data);
    let rules = Rules {
        upgrade: seed & 0x40 != 0,
        tenant_isolation: seed & 0x80 == 0,
        required_cluster: (seed & 0xc0 == 0xc0).then(|| "up".into()),
        ..Rules::default()
    };
    let whole = without_allocation(|| RequestParser::new().parse(&rules, stream));
    let mut parser = RequestParser::new();
    let mut verdicts = lengths.iter().map(|length| parser.parse(&rules, &stream[..*length]));
    match verdicts.find(|verdict| *verdict != ParsedRequest::Incomplete) {
        Some(verdict) => assert_eq!(verdict, whole),
        // Only a fault may be noticed later than it could be.
        None => assert!(!matches!(whole, ParsedRequest::Complete { .. })),
    }
    match whole {
        ParsedRequest::Complete { request, consumed } => is_what_was_sent(&rules, request, &stream[..consumed]),
        ParsedRequest::Incomplete => assert!(stream.len() < MAX_REQUEST_HEAD_BYTES + 5),
        ParsedRequest::Rejected(rejection) => assert!(rejection.status() >= 400),
    }
}

fn is_what_was_sent(rules: &Rules, request: Request<'_>, bytes: &[u8]) {
    let parse = |bytes| RequestParser::new().parse(rules, bytes);
    assert!(matches!(parse(bytes), ParsedRequest::Complete { consumed, .. } if consumed == bytes.len()));
    assert_eq!(parse(&bytes[..bytes.len() - 1]), ParsedRequest::Incomplete, "not a byte too many");

    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut theirs = httparse::Request::new(&mut headers);
    let head = theirs.parse(bytes).expect("what we accept is HTTP").unwrap();
    assert!(head == bytes.len() || &bytes[head..] == b"0\r\n\r\n");
    assert_eq!((theirs.method, theirs.path, theirs.version), (Some("GET"), Some(PATH), Some(1)));
    let node = theirs.headers.iter().find(|header| header.name.eq_ignore_ascii_case("x-envoy-reverse-tunnel-node-id"));
    assert_eq!(node.map(|header| header.value), Some(request.identity.node.as_str().as_bytes()));

    let again = RequestHead {
        names: &rules.names,
        host: "h",
        identity: request.identity,
        upstream: request.upstream.unwrap_or("up"),
        initiation_time_ms: request.initiation_time_ms.unwrap_or(0),
        worker: 0,
        connection: 0,
        instance: request.instance.unwrap_or(Instance(0)),
        path: PATH,
        upgrade: rules.upgrade,
        whole_tls: rules.whole_tls,
        token: request.token.ok(),
    };
    let mut bytes = Vec::new();
    again.encode(&mut bytes);
    let ParsedRequest::Complete { request: second, consumed } = parse(&bytes) else { panic!("{again:?}") };
    assert_eq!(consumed, bytes.len());
    assert_eq!(second.identity, request.identity);
    assert_eq!(second.token, request.token.map_err(|_| TokenError::Missing));
    assert_eq!(second.instance, Some(again.instance));
    assert_eq!(second.initiation_time_ms, Some(again.initiation_time_ms));
}
