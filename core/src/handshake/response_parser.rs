//! How an initiator reads the answer (reference §2.4).

use core::time::Duration;

use httparse::{EMPTY_HEADER, Status};

use super::Answer;
use super::head::{MAX_HEADERS, ParseSchedule, RETRY_AFTER, REVTUN, TLS, TLS_WHOLE, has_bare_lf, value};

/// The longest response head in bytes, interim responses included.
pub const MAX_RESPONSE_HEAD_BYTES: usize = 64 * 1024;

/// Interim responses (100 Continue and its like) before the one that counts.
const MAX_INTERIM: usize = 8;

/// The longest pause that an answer can ask for (reference §2.4).
const MAX_RETRY_AFTER_SECONDS: u64 = 3600;

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParsedResponse {
    /// Not a whole answer.
    Incomplete,
    /// An answer.
    Complete {
        /// What it says.
        answer: Answer,
        /// The bytes of its head. If the answer is `Accepted`, all that follows belongs to the tunnel, whatever body
        /// the head announces.
        consumed: usize,
    },
}

/// Reads one answer from a growing buffer.
///
/// The status decides; framing and version (1.0 or 1.1) are of no interest, and of the headers `retry-after`,
/// `x-revtun` and `x-revtun-tls` only. The outcome depends on the bytes alone, never on how they are cut; only a fault
/// in a line that has not ended yet may be noticed a little later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResponseParser {
    upgrade: bool,
    whole_tls: bool,
    schedule: ParseSchedule,
}

impl ResponseParser {
    /// A parser that has seen nothing. With `upgrade`, 101 is the status that accepts; else it is 200. With `whole_tls`
    /// the answer has to agree that the tunnel stays inside TLS.
    #[must_use]
    pub fn new(upgrade: bool, whole_tls: bool) -> Self {
        Self { upgrade, whole_tls, schedule: ParseSchedule::default() }
    }

    /// Looks at all bytes that came so far.
    pub fn parse(&mut self, bytes: &[u8]) -> ParsedResponse {
        if !self.schedule.is_due(bytes) {
            return ParsedResponse::Incomplete;
        }
        let window = &bytes[..bytes.len().min(MAX_RESPONSE_HEAD_BYTES)];
        match read(self, window) {
            Ok(Some((answer, consumed))) => ParsedResponse::Complete { answer, consumed },
            Ok(None) if window.len() < MAX_RESPONSE_HEAD_BYTES => {
                self.schedule.wait(bytes.len(), MAX_RESPONSE_HEAD_BYTES);
                ParsedResponse::Incomplete
            }
            Ok(None) | Err(Malformed) => ParsedResponse::Complete { answer: Answer::Malformed, consumed: 0 },
        }
    }
}

struct Malformed;

/// The first final response in `window` and where its head ends. None while bytes are missing.
fn read(parser: &ResponseParser, window: &[u8]) -> Result<Option<(Answer, usize)>, Malformed> {
    let mut start = 0;
    for _ in 0..=MAX_INTERIM {
        let rest = &window[start..];
        // `httparse` skips blank lines, and would so read them again with each one that comes.
        if rest.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
            return Err(Malformed);
        }
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Status::Complete(length) = head.parse(rest).map_err(|_| Malformed)? else { return Ok(None) };
        let status = head.code.filter(|status| *status >= 100).ok_or(Malformed)?;
        if has_bare_lf(&rest[..length]) {
            return Err(Malformed);
        }
        start += length;
        if status == 101 || status >= 200 {
            return Ok(Some((judge(parser, status, head.headers), start)));
        }
    }
    Err(Malformed)
}

fn judge(parser: &ResponseParser, status: u16, headers: &[httparse::Header<'_>]) -> Answer {
    if status == if parser.upgrade { 101 } else { 200 } {
        if parser.whole_tls && value(headers, TLS) != Some(TLS_WHOLE.as_bytes()) {
            return Answer::Downgraded;
        }
        return Answer::Accepted { revtun: value(headers, REVTUN) == Some(b"1") };
    }
    let retry_after = value(headers, RETRY_AFTER).filter(|_| matches!(status, 429 | 503)).and_then(whole_seconds);
    Answer::Refused { status, retry_after }
}

/// A number of seconds; not zero, and not a date, which would need both ends to agree on the time.
fn whole_seconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds =
        value.iter().fold(0, |sum: u64, digit| (sum * 10 + u64::from(digit - b'0')).min(MAX_RETRY_AFTER_SECONDS));
    (seconds > 0).then(|| Duration::from_secs(seconds))
}
