//! How both ends agree that a tunnel stays inside TLS, and that neither goes on without the other's word.

use revtun_core::handshake::{
    Acceptance, Answer, ParsedRequest, ParsedResponse, Rejection, RequestParser, ResponseParser, Rules, is_tls,
};

const REQUEST: &str = "GET /reverse_connections/request HTTP/1.1\r\nhost: h\r\nx-envoy-reverse-tunnel-node-id: n\r\n\
    x-envoy-reverse-tunnel-cluster-id: c\r\nx-envoy-reverse-tunnel-tenant-id: t\r\n";

/// What a responder makes of a request with `lines`.
fn asked(whole_tls: bool, lines: &str) -> Result<(), Rejection> {
    let rules = Rules { whole_tls, ..Rules::default() };
    let text = format!("{REQUEST}{lines}\r\n");
    match RequestParser::new().parse(&rules, text.as_bytes()) {
        ParsedRequest::Complete { .. } => Ok(()),
        ParsedRequest::Rejected(rejection) => Err(rejection),
        ParsedRequest::Incomplete => panic!("a whole head"),
    }
}

/// What an initiator that keeps the tunnel inside TLS makes of an answer.
fn answered(upgrade: bool, head: &[u8]) -> Answer {
    match ResponseParser::new(upgrade, true).parse(head) {
        ParsedResponse::Complete { answer, consumed } => {
            assert_eq!(consumed, head.len());
            answer
        }
        ParsedResponse::Incomplete => panic!("a whole head"),
    }
}

#[test]
fn a_responder_can_require_whole_tls() {
    assert_eq!(asked(true, "x-revtun-tls: whole\r\n"), Ok(()));
    assert_eq!(asked(true, "X-Revtun-TLS: whole\r\nx-revtun-tls: no\r\n"), Ok(()), "of duplicates the first counts");
    for lines in ["", "x-revtun-tls: Whole\r\n", "x-revtun-tls: 1\r\n", "x-revtun-tls: no\r\nx-revtun-tls: whole\r\n"] {
        assert_eq!(asked(true, lines), Err(Rejection::TlsRequired), "{lines}");
        assert_eq!(asked(false, lines), Ok(()), "{lines}");
    }
}

#[test]
fn an_initiator_rejects_a_response_without_whole_tls() {
    for upgrade in [false, true] {
        let accepted = |revtun, whole_tls| Acceptance { upgrade, revtun, whole_tls }.encode();
        let agreed = accepted(true, true);
        assert_eq!(answered(upgrade, &agreed), Answer::Accepted { revtun: true });
        assert_eq!(answered(upgrade, &accepted(true, false)), Answer::Downgraded);
        assert_eq!(answered(upgrade, &accepted(false, false)), Answer::Downgraded);
        let text = String::from_utf8(agreed).expect("ASCII");
        for word in ["Whole", "whole, whole", "1", ""] {
            let other = text.replace("x-revtun-tls: whole", &format!("x-revtun-tls: {word}"));
            assert_eq!(answered(upgrade, other.as_bytes()), Answer::Downgraded, "{word}");
        }
        let refused = Answer::Refused { status: 403, retry_after: None };
        assert_eq!(answered(upgrade, b"HTTP/1.1 403 Forbidden\r\n\r\n"), refused);
    }
}

#[test]
fn a_peer_that_speaks_tls_is_known_by_its_first_bytes() {
    for tls in [&[0x16, 3, 1, 0, 5][..], &[0x15, 3, 3, 0, 2, 2, 40], &[0x16, 3, 4]] {
        assert!(is_tls(tls));
    }
    for other in [&b"HTTP/1.1 200 OK"[..], &[0x16], &[0x16, 2, 0], &[0x17, 3, 3], &[]] {
        assert!(!is_tls(other));
    }
}
