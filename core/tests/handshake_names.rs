//! What both ends have to agree on before they understand each other: the path and the names of the headers.

use revtun_core::handshake::{HeaderNames, Instance, PATH, ParsedRequest, RequestHead, RequestParser, Rules, is_path};
use revtun_core::identity::{ClusterId, Identity, NodeId, TenantId};

#[test]
fn only_legal_paths_are_paths() {
    for path in [PATH, "/", "/a/b?c=d&e=%20"] {
        assert!(is_path(path));
    }
    for path in ["", "a", "/a b", "/a\r\nhost: x", "/ü", "/a#b", &format!("/{}", "x".repeat(255))] {
        assert!(!is_path(path), "{path:?}");
    }
}

#[test]
fn a_header_prefix_can_be_configured_at_both_ends() {
    let names = HeaderNames::with_prefix("X-Acme").unwrap();
    assert_eq!(names.prefix(), "x-acme");
    let rules = Rules { names: names.clone(), ..Rules::default() };
    let identity = Identity {
        node: NodeId::new("n").unwrap(),
        cluster: ClusterId::new("c").unwrap(),
        tenant: TenantId::new("t").unwrap(),
    };
    let sent = |names: &HeaderNames| {
        let head = RequestHead {
            names,
            host: "h",
            identity,
            upstream: "u",
            initiation_time_ms: 7,
            worker: 1,
            connection: 2,
            instance: Instance(3),
            path: PATH,
            upgrade: false,
            whole_tls: false,
            token: None,
        };
        let mut bytes = Vec::new();
        head.encode(&mut bytes);
        bytes
    };
    let bytes = sent(&names);
    assert!(!String::from_utf8_lossy(&bytes).contains("x-envoy"));
    let ParsedRequest::Complete { request, .. } = RequestParser::new().parse(&rules, &bytes) else { panic!() };
    assert_eq!((request.identity, request.initiation_time_ms, request.upstream), (identity, Some(7), Some("u")));
    assert_eq!((request.worker, request.connection), (Some("worker_1"), Some("2")));
    for (rules, bytes) in [(&rules, sent(&HeaderNames::default())), (&Rules::default(), bytes)] {
        assert!(matches!(RequestParser::new().parse(rules, &bytes), ParsedRequest::Rejected(_)));
    }
    for bad in ["", "x envoy", "x-envoy:", "x\r\n", "ü", &"x".repeat(65)] {
        assert_eq!(HeaderNames::with_prefix(bad), None, "{bad:?}");
    }
}
