//! An initiator reads an answer: the same however it is cut, and never a byte of what follows.

use std::time::Duration;

use revtun_core::handshake::{Answer, MAX_RESPONSE_HEAD_BYTES, ParsedResponse, ResponseParser};

use super::segments::cut;
use super::without_allocation;

/// The first byte's low bits cut the rest; a high one chooses upgrade mode.
pub fn run(data: &[u8]) {
    let (seed, stream, lengths) = cut(data);
    let upgrade = seed & 0x40 != 0;
    let whole = without_allocation(|| ResponseParser::new(upgrade, false).parse(stream));
    let mut parser = ResponseParser::new(upgrade, false);
    let mut verdicts = lengths.iter().map(|length| parser.parse(&stream[..*length]));
    match (verdicts.find(|verdict| *verdict != ParsedResponse::Incomplete), whole) {
        (Some(verdict), _) => assert_eq!(verdict, whole),
        // Only a fault may be noticed later than it could be.
        (None, ParsedResponse::Incomplete | ParsedResponse::Complete { answer: Answer::Malformed, .. }) => {}
        (None, ParsedResponse::Complete { .. }) => panic!("{whole:?} was missed"),
    }
    let ParsedResponse::Complete { answer, consumed } = whole else {
        assert!(stream.len() < MAX_RESPONSE_HEAD_BYTES);
        return;
    };
    match answer {
        Answer::Downgraded => panic!("nobody asked for TLS"),
        Answer::Malformed => assert_eq!(consumed, 0),
        Answer::Accepted { .. } => assert_ends_with_head(upgrade, whole, &stream[..consumed]),
        Answer::Refused { status, retry_after } => {
            assert_ne!(status, if upgrade { 101 } else { 200 });
            assert!(matches!(status, 101 | 200..=999));
            assert!(retry_after.is_none_or(|wait| wait > Duration::ZERO && wait <= Duration::from_secs(3600)));
            assert!(retry_after.is_none() || matches!(status, 429 | 503));
            assert_ends_with_head(upgrade, whole, &stream[..consumed]);
        }
    }
}

/// The bytes of the head suffice, and all of them are needed.
fn assert_ends_with_head(upgrade: bool, whole: ParsedResponse, head: &[u8]) {
    assert!(head.ends_with(b"\r\n\r\n"));
    assert_eq!(ResponseParser::new(upgrade, false).parse(head), whole);
    assert_eq!(ResponseParser::new(upgrade, false).parse(&head[..head.len() - 1]), ParsedResponse::Incomplete);
}
