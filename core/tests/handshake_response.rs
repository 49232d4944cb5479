//! The answer to a handshake, both ways: reference §2.2 and §2.4.

use std::time::Duration;

use proptest::prelude::*;
use revtun_core::handshake::{
    Acceptance, Answer, MAX_RESPONSE_HEAD_BYTES, ParsedResponse, Rejection, ResponseParser, encode_rejection,
};

const ENVOY: Answer = Answer::Accepted { revtun: false };
const REVTUN: Answer = Answer::Accepted { revtun: true };

fn refused(status: u16, retry_after_seconds: Option<u64>) -> Answer {
    Answer::Refused { status, retry_after: retry_after_seconds.map(Duration::from_secs) }
}

fn grown(upgrade: bool, bytes: &[u8], lengths: impl IntoIterator<Item = usize>) -> ParsedResponse {
    let mut parser = ResponseParser::new(upgrade, false);
    let mut verdicts = lengths.into_iter().map(|length| parser.parse(&bytes[..length]));
    verdicts.find(|verdict| *verdict != ParsedResponse::Incomplete).unwrap_or(ParsedResponse::Incomplete)
}

/// `head` is answered with `answer`, whatever follows and however it is cut.
fn assert_answer(upgrade: bool, head: &[u8], answer: Answer) {
    let text = String::from_utf8_lossy(&head[..head.len().min(300)]).into_owned();
    let consumed = if answer == Answer::Malformed { 0 } else { head.len() };
    let verdict = ParsedResponse::Complete { answer, consumed };
    for tail in ["", "RPING", "hello\r\n\r\n"] {
        let bytes = [head, tail.as_bytes()].concat();
        assert_eq!(grown(upgrade, &bytes, [bytes.len()]), verdict, "{text}");
        assert_eq!(grown(upgrade, &bytes, 0..=bytes.len()), verdict, "byte by byte: {text}");
        for cut in 0..bytes.len().min(1000) {
            assert_eq!(grown(upgrade, &bytes, [cut, bytes.len()]), verdict, "cut at {cut}: {text}");
        }
    }
}

#[test]
fn an_accepting_response_is_byte_identical_to_envoys_unless_both_ends_are_revtun() {
    assert_eq!(accepted(false, false, false), b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        accepted(true, false, false),
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: reverse-tunnel\r\n\r\n",
    );
    for upgrade in [false, true] {
        assert_answer(upgrade, &accepted(upgrade, false, false), ENVOY);
        assert_answer(upgrade, &accepted(upgrade, true, false), REVTUN);
        assert_answer(upgrade, &accepted(upgrade, true, true), REVTUN);
        let text = String::from_utf8(accepted(upgrade, true, true)).unwrap();
        let less = text.replace("x-revtun: 1\r\n", "").replace("x-revtun-tls: whole\r\n", "");
        assert_eq!(less.as_bytes(), accepted(upgrade, false, false));
    }
}

fn accepted(upgrade: bool, revtun: bool, whole_tls: bool) -> Vec<u8> {
    Acceptance { upgrade, revtun, whole_tls }.encode()
}

/// As an Envoy 1.40.0 sends them.
#[test]
fn a_rejection_is_byte_identical_to_envoys() {
    use Rejection::*;
    let plain = |status: &str, length: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
        format!("{head}{length}\r\n{body}\r\n0\r\n\r\n")
    };
    let bad = |length, body| plain("400 Bad Request", length, body);
    let colon = "Reverse tunnel identifiers must not contain ':' when tenant isolation is enabled";
    let cases = [
        (NotATunnelRequest, plain("404 Not Found", "1c", "Not a reverse tunnel request")),
        (MissingIdentity, bad("27", "Missing required reverse tunnel headers")),
        (EmptyTenant, bad("1c", "Empty tenant-id header value")),
        (ColonInIdentity, bad("50", colon)),
        (MissingClusterName, bad("24", "Missing upstream cluster name header")),
        (ClusterNameMismatch, bad("15", "Cluster name mismatch")),
        (BodyNotAllowed, bad("2e", "Reverse tunnel handshake must not carry a body")),
        (BadRequest, bad("b", "Bad Request")),
        (UnsupportedTransferEncoding, plain("501 Not Implemented", "f", "Not Implemented")),
        (IdentityMismatch, plain("403 Forbidden", "11", "validation_failed")),
        (Unauthenticated, plain("401 Unauthorized", "19", "JWT authentication failed")),
        (HeadTooLarge, plain("431 Request Header Fields Too Large", "1f", "Request Header Fields Too Large")),
        (
            UnsupportedVersion,
            "HTTP/1.1 426 Upgrade Required\r\ncontent-type: text/plain\r\n\r\nUpgrade Required".to_owned(),
        ),
        (
            UpgradeRequired,
            plain("426 Upgrade Required", "20", "Upgrade: reverse-tunnel required")
                .replace("text/plain\r\n", "text/plain\r\nupgrade: reverse-tunnel\r\n"),
        ),
        (
            NodeFull,
            plain("429 Too Many Requests", "8", "rejected")
                .replace("text/plain\r\n", "text/plain\r\nretry-after: 5\r\n"),
        ),
    ];
    for (rejection, expected) in cases {
        assert_eq!(String::from_utf8(encode_rejection(rejection)).unwrap(), expected);
    }
}

#[test]
fn every_rejection_round_trips_with_status_and_retry_after() {
    for rejection in Rejection::ALL {
        let bytes = encode_rejection(rejection);
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let answer = Answer::Refused { status: rejection.status(), retry_after: rejection.retry_after() };
        for upgrade in [false, true] {
            assert_answer(upgrade, &bytes[..head], answer);
        }
        assert_eq!(grown(false, &bytes, [bytes.len()]), ParsedResponse::Complete { answer, consumed: head });
    }
}

#[test]
fn only_the_status_decides_about_a_response() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 Fine\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nretry-after: 5\r\nx-revtun: 2\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert_answer(false, head.as_bytes(), ENVOY);
        assert_answer(true, head.as_bytes(), refused(200, None));
    }
    assert_answer(false, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", refused(101, None));
    assert_answer(true, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ENVOY);
    for status in [201, 204, 206, 301, 400, 401, 403, 404, 407, 418, 500, 502, 999] {
        for upgrade in [false, true] {
            let head = format!("HTTP/1.1 {status} So\r\ncontent-length: 3\r\n\r\n");
            assert_answer(upgrade, head.as_bytes(), refused(status, None));
        }
    }
}

#[test]
fn retry_after_is_read_in_whole_seconds_of_429_and_503_only() {
    let head = |status: u16, value: &str| format!("HTTP/1.1 {status} So\r\nRetry-After: {value}\r\n\r\n").into_bytes();
    for status in [429, 503] {
        assert_answer(false, &head(status, "1"), refused(status, Some(1)));
        assert_answer(false, &head(status, "0020 "), refused(status, Some(20)));
        assert_answer(false, &head(status, "3600"), refused(status, Some(3600)));
        assert_answer(false, &head(status, "3601"), refused(status, Some(3600)));
        assert_answer(false, &head(status, &"9".repeat(100)), refused(status, Some(3600)));
        for ignored in ["", "0", "000", "-1", "+1", "1.5", "5s", "Wed, 21 Oct 2026 07:28:00 GMT", "\u{665}"] {
            assert_answer(false, &head(status, ignored), refused(status, None));
        }
        let twice = format!("HTTP/1.1 {status} So\r\nretry-after: 7\r\nretry-after: 9\r\n\r\n");
        assert_answer(false, twice.as_bytes(), refused(status, Some(7)));
    }
    for status in [301, 400, 403, 404, 500] {
        assert_answer(false, &head(status, "5"), refused(status, None));
    }
}

#[test]
fn anything_but_a_response_is_malformed() {
    for bytes in [
        &b"\x15\x03\x03\x00\x02\x02\x28\n"[..],
        b"\0\0\0\x04\0\0\0\0\0\n",
        b"RPING\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n\r\n\n",
    ] {
        assert_answer(false, bytes, Answer::Malformed);
    }
}

#[test]
fn the_size_of_a_response_head_is_limited() {
    let interim = |count| ["HTTP/1.1 100\r\n\r\n".repeat(count), "HTTP/1.1 200\r\n\r\n".into()].concat();
    assert_answer(false, interim(8).as_bytes(), ENVOY);
    assert_answer(false, interim(9).as_bytes(), Answer::Malformed);

    let headers = |count| format!("HTTP/1.1 200\r\n{}\r\n", "h: 1\r\n".repeat(count));
    assert_answer(false, headers(100).as_bytes(), ENVOY);
    assert_answer(false, headers(101).as_bytes(), Answer::Malformed);

    let long = |total: usize| format!("HTTP/1.1 200\r\nh: {}\r\n\r\n", "x".repeat(total - 21));
    assert_eq!(long(100).len(), 100);
    assert_answer(false, long(MAX_RESPONSE_HEAD_BYTES).as_bytes(), ENVOY);
    assert_answer(false, long(MAX_RESPONSE_HEAD_BYTES + 1).as_bytes(), Answer::Malformed);
}

#[test]
fn a_response_is_incomplete_until_its_head_ends() {
    for head in ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "HTTP/1.0 404\r\n\r\n"] {
        for length in 0..head.len() {
            assert_eq!(grown(false, head.as_bytes(), [length]), ParsedResponse::Incomplete);
        }
    }
}

proptest! {
    #[test]
    fn a_single_head_parses_as_httparse_parses_it(
        text in "HTTP/1\\.[012] [0-9]{3}( [ -~]{0,4})?\r\n([a-c]{1,3}: ?[ -~]{0,6}\r\n){0,4}\r?\n?[a-z\r\n]{0,4}",
    ) {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut response = httparse::Response::new(&mut headers);
        let theirs = response.parse(text.as_bytes());
        let ours = grown(false, text.as_bytes(), [text.len()]);
        match (ours, theirs) {
            (ParsedResponse::Complete { answer: Answer::Malformed, .. }, Err(_)) => {}
            (ParsedResponse::Complete { answer: Answer::Malformed, .. }, Ok(_)) => {
                let code = response.code.unwrap();
                let lone = text.match_indices('\n').any(|(at, _)| !text[..at].ends_with('\r'));
                prop_assert!(code < 100 || lone || (code < 200 && code != 101), "{:?}", text);
            }
            (ParsedResponse::Complete { answer, consumed }, Ok(httparse::Status::Complete(length))) => {
                prop_assert_eq!(consumed, length);
                let code = response.code.unwrap();
                prop_assert_eq!(answer, if code == 200 { ENVOY } else { refused(code, None) });
            }
            (ParsedResponse::Incomplete, Ok(httparse::Status::Complete(_))) => {
                prop_assert!(matches!(response.code.unwrap(), 100 | 102..=199), "{:?}", text);
            }
            (ParsedResponse::Incomplete, Ok(httparse::Status::Partial)) => {}
            (ours, theirs) => prop_assert!(false, "{:?} and {:?} of {:?}", ours, theirs, text),
        }
    }
}
